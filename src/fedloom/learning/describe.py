"""Errors of a user's code in one line."""

from __future__ import annotations

import re

__all__ = ["describe_error"]

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")

_MOST_CHARACTERS = 400
"""Keras and JAX explain some errors over several pages."""


def describe_error(error: BaseException) -> str:
    """Return the kind and the message of an exception on one line of bounded length.

    Example:
        >>> describe_error(ValueError("two\\n  lines"))
        'ValueError: two lines'
    """
    text = " ".join(_COLOURS.sub("", f"{type(error).__name__}: {error}").split())
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]} …"
