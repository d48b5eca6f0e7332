"""Names of registered models."""

from __future__ import annotations

import re

from fedloom.errors import InputError

__all__ = ["TRAINED", "check_model_name", "name_trained"]

TRAINED = "trained_"
"""What the names of models begin with that tasks publish."""

_LONGEST = 200
_NAME = re.compile(rf"[\w](?:[\w .-]{{0,{_LONGEST - 2}}}[\w-])?")
"""No stroke, colon or percent sign, which addresses are cut at, and no quotation mark."""


def check_model_name(name: str) -> str:
    """Return the name of a model, if it may have it.

    Raises:
        InputError: it may not; the message says what would be right.

    Example:
        >>> check_model_name("iris")
        'iris'
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"a model cannot be named {name!r}: 1 to {_LONGEST} letters, digits, blanks and _ . -,"
            " with a letter or digit first"
        )
    return name


def name_trained(name: str) -> str:
    """Return the name under which a model's trained weights are published.

    Training goes on under the same name where it began with trained weights.

    Example:
        >>> name_trained("iris"), name_trained("trained_iris")
        ('trained_iris', 'trained_iris')
    """
    return name if name.startswith(TRAINED) else f"{TRAINED}{name}"
