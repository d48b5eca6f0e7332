"""Metrics as MLflow takes them: numbers, under names without signs that it refuses."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import numpy as np

__all__ = ["ROUND", "make_metrics"]

ROUND = "round"
"""The metric that says which round a run's metrics are of."""

_LONGEST = 250


def make_metrics(metrics: Mapping[str, Any], number: int, at: datetime) -> list[Any]:
    """Return MLflow's metrics of a round; the round's own number comes last.

    Args:
        metrics: by name; what is no number is left out, and of names that fall together the last
            one counts.
        number: of the round, which is their step.
        at: when the round ended.
    """
    from mlflow.entities import Metric

    numbers = dict(_list_numbers(metrics))
    numbers.pop(ROUND, None)
    milliseconds = int(at.timestamp() * 1000)
    named = {**numbers, ROUND: float(number)}
    return [Metric(name, value, milliseconds, number) for name, value in named.items()]


def _list_numbers(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in metrics.items():
        plain = value.item() if isinstance(value, np.generic) else value
        if isinstance(plain, bool | int | float):
            try:
                yield _make_name(str(name)), float(plain)
            except OverflowError:  # an integer of more than 300 digits
                continue


def _make_name(name: str) -> str:
    """Return a name that MLflow takes: a path of plain characters that leads nowhere else."""
    plain = re.sub(r"[^\w. :/-]", "_", name)[:_LONGEST]
    if not plain or posixpath.normpath(plain) != plain or plain.startswith((".", "/")):
        plain = re.sub(r"[./]", "_", plain) or "_"
    return plain
