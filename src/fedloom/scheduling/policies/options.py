"""The options of a policy: ``--policy greedy:wait=1,switch=0.5``."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from fedloom.errors import InputError
from fedloom.naming import match_name

__all__ = ["read_numbers"]


def read_numbers(
    policy: str, given: Mapping[str, str], defaults: Mapping[str, float]
) -> dict[str, float]:
    """Return a policy's options, all of them numbers of 0 or more.

    Args:
        policy: its name, for messages.
        given: what the user wrote.
        defaults: every option with its value where nothing is given.

    Raises:
        InputError: an option is unknown, or no finite number of 0 or more.

    Example:
        >>> read_numbers("greedy", {"wait": "2"}, {"wait": 1.0, "switch": 1.5})
        {'wait': 2.0, 'switch': 1.5}
    """
    numbers = dict(defaults)
    read: set[str] = set()
    for name, text in given.items():
        if not defaults:
            raise InputError(f"policy {policy!r} has no options, but {name}={text} was given")
        known = match_name(f"option of policy {policy!r}", name, defaults)
        if known in read:
            raise InputError(f"policy {policy!r}: option {known} is given twice")
        read.add(known)
        numbers[known] = _read(policy, known, text)
    return numbers


def _read(policy: str, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not isfinite(value) or value < 0:
        raise InputError(
            f"policy {policy!r}: option {name} is {text!r}; give a number of 0 or more"
        )
    return value
