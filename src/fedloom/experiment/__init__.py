"""Plan and run: what `fedloom.simulate`, the command line and the platform's tasks all call."""

from __future__ import annotations

from fedloom.experiment.plan import ALGORITHM_PARAMETERS, FleetName, KeepWeights, Plan, make_plan
from fedloom.experiment.run import Run, open_run
from fedloom.experiment.simulate import carry_out, read_plan, simulate
from fedloom.experiment.split import Split, partition, split_dataset

__all__ = [
    "ALGORITHM_PARAMETERS",
    "FleetName",
    "KeepWeights",
    "Plan",
    "Run",
    "Split",
    "carry_out",
    "make_plan",
    "open_run",
    "partition",
    "read_plan",
    "simulate",
    "split_dataset",
]
