"""From rows of rounds and clients to what is plotted: numbers by name, bands, thinned lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeAlias

import numpy as np

from fedloom.records.schema import ClientRecord, RoundRecord, describe_columns

__all__ = [
    "MAX_POINTS",
    "Band",
    "Metric",
    "band_of",
    "describe_metric",
    "order_metrics",
    "read_scalars",
    "thin",
]

MAX_POINTS = 300
"""Points of a line that are sent to a browser: more than a plot has pixels helps nobody."""

Scalars: TypeAlias = dict[str, float]
"""Numbers by name; names of inner objects are joined with dots."""

_NOT_PLOTTED = frozenset({"round", "partition_param", "seed"})
_FIRST = ("global_score", "global_loss", "train_loss", "local_score", "local_loss", "score", "loss")
_LAST = ("_seconds", "_bytes", "_percent")
_TITLES = {"global_score": "Score", "global_loss": "Loss", "train_loss": "Training loss"}


@dataclass(frozen=True)
class Band:
    """How the clients of a round spread: the 10 % and 90 % quantiles, and the median."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Metric:
    """What a plot is called.

    Attributes:
        name: the column, or the name that a client gave it.
        title: for people.
        meaning: one line, or empty.
        unit: of its values, or empty.
        costs: whether it measures time or traffic, not learning.
    """

    name: str
    title: str
    meaning: str = ""
    unit: str = ""
    costs: bool = False


def read_scalars(row: Mapping[str, Any]) -> Scalars:
    """Return the numbers of a row that can be plotted.

    Example:
        >>> read_scalars({"round": 1, "global_loss": 0.5, "model": "mlp", "metrics": {"f1": 0.9}})
        {'global_loss': 0.5, 'f1': 0.9}
    """
    found: Scalars = {}
    for name, value in row.items():
        if name not in _NOT_PLOTTED:
            _collect(name, value, found)
    return found


def _collect(name: str, value: Any, found: Scalars) -> None:
    if isinstance(value, Mapping):
        prefix = "" if name == "metrics" else f"{name}."
        for key, inner in value.items():
            _collect(f"{prefix}{key}", inner, found)
    elif isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
        found[name] = float(value)


def band_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, Band]:
    """Return how each number spreads over clients; those that miss one are left out of it.

    Example:
        >>> band_of([{"loss": 1.0}, {"loss": 2.0}, {"loss": 3.0}])["loss"].median
        2.0
    """
    values: dict[str, list[float]] = {}
    for row in rows:
        for name, value in read_scalars(row).items():
            values.setdefault(name, []).append(value)
    return {name: Band(*_quantiles(found)) for name, found in values.items()}


def _quantiles(values: Sequence[float]) -> tuple[float, float, float]:
    low, median, high = np.quantile(np.asarray(values), (0.1, 0.5, 0.9))
    return float(low), float(median), float(high)


def order_metrics(names: Iterable[str]) -> list[Metric]:
    """Return metrics in the order of their plots: what is learnt first, what it costs last."""
    return sorted((describe_metric(name) for name in set(names)), key=_rank)


def _rank(metric: Metric) -> tuple[bool, int, str]:
    place = _FIRST.index(metric.name) if metric.name in _FIRST else len(_FIRST)
    return metric.costs, place, metric.title


def describe_metric(name: str) -> Metric:
    """Return what people call a metric, with its meaning where it is one of ours."""
    meaning, unit = _KNOWN.get(name, ("", ""))
    readable = name.replace("_", " ")
    title = _TITLES.get(name, readable[:1].upper() + readable[1:])
    costs = name.endswith(_LAST) or name in _COUNTS
    return Metric(name, title, meaning, unit, costs)


_COUNTS = frozenset({"cohort_size", "participants", "num_examples"})
_KNOWN = {
    column.name: (column.meaning, column.unit)
    for table in (ClientRecord, RoundRecord)
    for column in describe_columns(table)
}


def thin(numbers: Sequence[int], most: int = MAX_POINTS) -> list[int]:
    """Return at most so many of the numbers, evenly, with the first and the last.

    Example:
        >>> thin([1, 2, 3, 4, 5], 3)
        [1, 3, 5]
    """
    if len(numbers) <= most:
        return list(numbers)
    places = np.unique(np.linspace(0, len(numbers) - 1, most).round().astype(int))
    return [numbers[place] for place in places]
