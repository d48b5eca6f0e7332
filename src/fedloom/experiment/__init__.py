"""Plan and run: what `fedloom.simulate`, the command line and the platform's tasks all call."""

from __future__ import annotations

from fedloom.experiment.options import PlanOptions, SplitOptions
from fedloom.experiment.plan import ALGORITHM_PARAMETERS, FleetName, KeepWeights, Plan, make_plan
from fedloom.experiment.reading import read_plan
from fedloom.experiment.run import Run, open_run
from fedloom.experiment.simulate import carry_out, simulate
from fedloom.experiment.split import Split, partition, split_dataset

__all__ = [
    "ALGORITHM_PARAMETERS",
    "FleetName",
    "KeepWeights",
    "Plan",
    "PlanOptions",
    "Run",
    "Split",
    "SplitOptions",
    "carry_out",
    "make_plan",
    "open_run",
    "partition",
    "read_plan",
    "simulate",
    "split_dataset",
]
