"""What a plan's run is made of, whatever brings data and model."""

from __future__ import annotations

from typing import Protocol

from fedloom.experiment.assemble import assemble
from fedloom.experiment.assembly import Assembly
from fedloom.experiment.folder import RunFolder
from fedloom.experiment.package_parts import PackageParts
from fedloom.experiment.plan import Plan
from fedloom.experiment.plan_file import digest_data
from fedloom.experiment.split import split_dataset

__all__ = ["Parts", "SplitParts", "open_parts"]


class Parts(Protocol):
    """Data and model of a run.

    Attributes:
        plan: with what could be told only after they were looked at.
        digest: tells whether a resumed run sees the same.
        changed: what to say if it does not.
    """

    plan: Plan
    digest: str

    @property
    def changed(self) -> str:
        """What to say where the digest differs from an earlier one."""

    def assemble(self, plan: Plan, folder: RunFolder, *, going_on: bool) -> Assembly:
        """Build what carries out the run; nothing is written into its folder yet.

        Raises:
            InputError: something in the plan cannot be had.
        """

    def close(self) -> None:
        """Release what was held; may be called twice."""


class SplitParts:
    """A data set that Fedloom loads and splits; see `Parts` for the calls."""

    def __init__(self, plan: Plan) -> None:
        self._split = split_dataset(plan)
        self.plan = plan
        self.digest = digest_data(self._split.dataset)

    @property
    def changed(self) -> str:
        """What to say where the digest differs from an earlier one."""
        return f"the rows of {self.plan.dataset} have changed"

    def assemble(self, plan: Plan, folder: RunFolder, *, going_on: bool) -> Assembly:  # noqa: ARG002
        """Build model, trainer and fleet."""
        return assemble(plan, self._split)

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


def open_parts(plan: Plan) -> Parts:
    """Return what a plan's run is made of; the caller closes it.

    Raises:
        InputError: the data set or the package is missing, malformed, or not as the plan needs it.
    """
    return SplitParts(plan) if plan.package is None else PackageParts(plan)
