"""Level lines of what is reached without federated learning, in the charts of scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

from fedloom.page.card import Trace
from fedloom.page.wording import rounded

__all__ = [
    "BASELINES",
    "ReferenceLine",
    "baseline_score",
    "reference_layout",
    "reference_lines",
    "reference_traces",
]

BASELINES = {
    "central": "central training",
    "alone": "each client alone",
    "constant": "constant guess",
}
"""The baselines by their keys, and what they are called."""

_DASHES = {"central": "longdash", "alone": "dot", "constant": "dashdot"}


class ReferenceLine(NamedTuple):
    """A baseline's key, what stands beside the line, and its height."""

    key: str
    label: str
    value: float


def baseline_score(baseline: Mapping[str, Any], key: str) -> float | None:
    """Return the score of a baseline, or None where it is missing or not finite.

    Example:
        >>> baseline_score({"central": {"score": 0.9}}, "central")
        0.9
    """
    found = baseline.get(key)
    value = found.get("score") if isinstance(found, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value)


def reference_lines(baselines: Sequence[Mapping[str, Any]]) -> list[ReferenceLine]:
    """Return the mean of each baseline over all backends, numbers of clients and repeats."""
    lines = []
    for key, label in BASELINES.items():
        known = [s for b in baselines if (s := baseline_score(b, key)) is not None]
        if known:
            mean = sum(known) / len(known)
            lines.append(ReferenceLine(key, f"{label} {mean:.3f}", mean))
    return lines


def reference_traces(lines: Sequence[ReferenceLine], first: int, last: int) -> list[Trace]:
    """Return a trace for each line, from the first round to the last."""
    margin = 0.5 if last - first < 20 else 0.02 * (last - first)
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "showlegend": False,
            "x": [first - margin, last + margin],
            "y": [rounded(line.value)] * 2,
            "line": {"color": "@muted", "width": 1.25, "dash": _DASHES[line.key]},
            "hoverinfo": "skip",
        }
        for line in lines
    ]


def reference_layout(lines: Sequence[ReferenceLine]) -> Trace:
    """Return the names of the lines, written on them.

    The curves climb from the lower left to the upper right, so that the name of a high line stands
    on the left and that of the lowest on the right.
    """
    if not lines:
        return {}
    return {"annotations": [_name(line, left=line.key != "constant") for line in lines]}


def _name(line: ReferenceLine, *, left: bool) -> Trace:
    return {
        "xref": "paper",
        "x": 0.01 if left else 0.99,
        "xanchor": "left" if left else "right",
        "y": rounded(line.value),
        "yanchor": "bottom",
        "yshift": 1,
        "text": line.label,
        "showarrow": False,
        "bgcolor": "@surface/0.7",
        "borderpad": 1,
        "font": {"size": 11, "color": "@muted"},
    }
