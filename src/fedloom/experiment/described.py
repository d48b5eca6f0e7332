"""What records say about the data and the model of a run: the columns that no round changes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fedloom.experiment.plan import Plan
from fedloom.experiment.split import Split

__all__ = ["Described", "describe_package", "describe_split"]


@dataclass(frozen=True)
class Described:
    """What is the same in all rows of a run.

    Attributes:
        common: the columns of both tables.
        label_counts: JSON text per client.
    """

    common: dict[str, Any]
    label_counts: Sequence[str]


def describe_split(plan: Plan, split: Split) -> Described:
    """Describe a run on a data set that Fedloom split."""
    common = {
        "run_id": plan.run_id,
        "dataset": plan.dataset_name,
        "task": str(split.dataset.task),
        "model": plan.model_name,
        "algorithm": plan.algorithm,
        "backend": plan.backend,
        "partition": split.partition.strategy,
        "partition_param": split.partition.param,
    }
    counts = [json.dumps(c, separators=(",", ":"), ensure_ascii=False) for c in split.label_counts]
    return Described(common, counts)


def describe_package(plan: Plan, name: str) -> Described:
    """Describe a run of a package, whose data nobody but its clients knows."""
    common = {
        "run_id": plan.run_id,
        "dataset": f"package:{name}",
        "task": "",
        "model": name,
        "algorithm": plan.algorithm,
        "backend": "package",
        "partition": "",
        "partition_param": None,
    }
    return Described(common, ["{}"] * plan.clients)
