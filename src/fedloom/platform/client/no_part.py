"""What a node says where it has no part in a use case.

It says the same whether it has no data or its owner keeps them out, so that nobody learns which.
"""

from __future__ import annotations

__all__ = ["NO_PART", "say_no_part"]

NO_PART = "it has no part in the use case"
"""Every such answer begins so."""


def say_no_part(use_case: str) -> str:
    """Return the answer.

    Example:
        >>> say_no_part("iris")
        "it has no part in the use case 'iris'"
    """
    return f"{NO_PART} {use_case[:80]!r}"
