"""Verdicts: what was wanted, what was measured, whether that is enough."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["COMPARE", "Verdict"]

COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "≥": operator.ge,
    "≤": operator.le,
    "<": operator.lt,
}
"""How a target's sign compares what was measured with what was wanted."""


@dataclass(frozen=True)
class Verdict:
    """One target: what was wanted, what was measured, whether that is enough."""

    target: str
    wanted: str
    measured: str
    met: bool
