"""From what a user gives, in files and options, to a plan."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from fedloom.experiment.device_files import read_devices
from fedloom.experiment.plan import Plan, make_plan
from fedloom.experiment.plan_file import read_options

__all__ = ["read_plan"]


def read_plan(plan: str | PathLike[str] | Plan | None, options: Mapping[str, Any]) -> Plan:
    """Return the plan that a file, or another plan, and options describe together.

    Args:
        plan: a plan, or a file with one (see `fedloom.experiment.plan_file.read_options`).
        options: take precedence; ``devices`` and ``distribution`` may name files. None counts as
            not given.

    Raises:
        DataError: a file is missing or malformed.
        InputError: an option is unknown or impossible.
    """
    merged: dict[str, Any] = {}
    if isinstance(plan, Plan):
        merged = plan.model_dump(exclude_unset=True, exclude_none=True)
    elif plan is not None:
        merged = read_options(Path(plan))
    merged |= {key: value for key, value in options.items() if value is not None}
    if merged.get("devices") is not None:
        merged["devices"] = read_devices(merged["devices"])
    if isinstance(merged.get("distribution"), str | PathLike):
        from fedloom.data import read_distribution

        merged["distribution"] = read_distribution(Path(merged["distribution"]))
    return make_plan(merged)
