"""The options of a service model: choices, and what each does to the time of a call."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from fedloom.workload.config.faults import KeyPath
from fedloom.workload.config.findings import Findings
from fedloom.workload.config.section import LARGEST_FACTOR
from fedloom.workload.config.service_model import Choice, Option
from fedloom.workload.config.wording import hint_at, show

__all__ = ["resolve_options", "spell_choice"]

_LARGEST_POWER = 4
_LARGEST_CHOICE = 10**100
"""Larger ones are far out of range, and whole ones fit into no floating-point number."""


def spell_choice(choice: Choice) -> str:
    """Return a choice as a key of `option_time_factors`.

    Example:
        >>> spell_choice(512), spell_choice("euler"), spell_choice(True)
        ('512', 'euler', 'true')
    """
    return choice if isinstance(choice, str) else json.dumps(choice)


def resolve_options(
    choices: Mapping[str, Sequence[Choice]],
    factors: Mapping[str, Mapping[str, float]],
    path: KeyPath,
    findings: Findings,
) -> dict[str, Option]:
    """Put choices and time factors together.

    Args:
        choices: option → its choices.
        factors: option → choice as text → factor, or ``per`` and ``power``.
        path: of the model.
        findings: takes faults, and warnings of factors of what cannot be chosen.
    """
    place = (*path, "option_time_factors")
    for option in factors:
        if option not in choices:
            hint = hint_at(option, choices)
            findings.warn((*place, option), f"has no option {option!r} in config; {hint}")
    return {
        option: Option(
            tuple(listed),
            _find_factors(listed, factors.get(option, {}), (*place, option), findings),
        )
        for option, listed in choices.items()
    }


def _find_factors(
    choices: Sequence[Choice], stated: Mapping[str, float], path: KeyPath, findings: Findings
) -> tuple[float, ...]:
    texts = [spell_choice(choice) for choice in choices]
    if "per" in stated and "per" not in texts and stated.keys() <= {"per", "power"}:
        return tuple(_scale(choice, stated, path, findings) for choice in choices)
    found = [_match(choice, stated) for choice in choices]
    for key in stated:
        if choices and key not in found:
            findings.warn((*path, key), f"is the factor of no choice; {hint_at(key, texts)}")
    return tuple(1.0 if key is None else float(stated[key]) for key in found)


def _match(choice: Choice, stated: Mapping[str, float]) -> str | None:
    """Return the key that spells a choice; 1.50 spells 1.5."""
    if (text := spell_choice(choice)) in stated:
        return text
    if isinstance(choice, int | float) and not isinstance(choice, bool):
        return next((key for key in stated if _as_number(key) == choice), None)
    return None


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _scale(choice: Choice, stated: Mapping[str, float], path: KeyPath, findings: Findings) -> float:
    """Return (choice ÷ per) to a whole power, by multiplying: the same on every machine."""
    power = stated.get("power", 1.0)
    if power not in range(1, _LARGEST_POWER + 1):
        right = f"must be a whole number, 1 to {_LARGEST_POWER}"
        findings.fault((*path, "power"), f"is {show(power)}", right)
        return 1.0
    if isinstance(choice, bool) or not isinstance(choice, int | float) or choice <= 0:
        problem = f"is per {stated['per']:g}, but a choice is {show(choice)}"
        findings.fault(path, problem, "choices must be numbers greater than 0")
        return 1.0
    factor = 1.0
    for _ in range(int(power)):
        factor *= min(choice, _LARGEST_CHOICE) / stated["per"]
    if not 0 < factor <= LARGEST_FACTOR:
        problem = f"makes a factor of {factor:g} for the choice {show(choice)}"
        findings.fault(path, problem, f"must be greater than 0 and {LARGEST_FACTOR:g} or less")
        return 1.0
    return factor
