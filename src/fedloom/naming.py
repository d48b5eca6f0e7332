"""Reading names that people type: without regard to case, hyphen or underscore."""

from __future__ import annotations

from collections.abc import Iterable

from fedloom.errors import UnknownNameError

__all__ = ["fold_name", "match_name"]


def fold_name(name: str) -> str:
    """Return the form in which two spellings of one name are equal."""
    return name.casefold().replace("-", "").replace("_", "").replace(" ", "")


def match_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the known name that `name` spells.

    Args:
        kind: what is named, for the error message ("algorithm").
        name: what was typed; case, hyphens and underscores do not matter.
        known: the canonical names.

    Raises:
        UnknownNameError: no known name is spelt so; the message names the nearest one.

    Example:
        >>> match_name("algorithm", "fed-avg", ["FedAvg", "FedProx"])
        'FedAvg'
    """
    choices = list(known)
    folded = {fold_name(choice): choice for choice in choices}
    if (found := folded.get(fold_name(name))) is None:
        raise UnknownNameError(kind, name, choices)
    return found
