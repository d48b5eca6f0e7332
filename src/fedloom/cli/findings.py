"""What `fedloom doctor` reports: things that were looked for, and how they are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "State"]


class State(StrEnum):
    """How a thing that was looked for is."""

    OK = "ok"
    ABSENT = "absent"  # and not needed until it is asked for
    MISSING = "missing"  # and nothing works without it


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for.

    Attributes:
        group: what it belongs to ("services").
        name: what it is called ("PostgreSQL").
        state: whether it is there.
        detail: what was found: a version, a place, a size.
        remedy: the command that brings it; empty where nothing is missing.
    """

    group: str
    name: str
    state: State
    detail: str
    remedy: str = ""
