"""Violations: what makes a schedule impossible, each with one line that says why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

__all__ = ["SHOWN_PER_KIND", "Violation", "ViolationKind", "Violations"]

SHOWN_PER_KIND = 20
"""Violations of a kind that are kept with their line; the others are counted."""


class ViolationKind(StrEnum):
    """What can be wrong with a schedule."""

    SHAPE = "shape"
    """A column does not fit the problem, so nothing else can be checked."""
    UNACCOUNTED = "unaccounted"
    """A request is neither completed nor named as unfinished."""
    UNKNOWN = "unknown"
    """The log names a request, a node, a model or a device that the problem does not have."""
    DUPLICATE = "duplicate"
    """A task was executed more than once."""
    TIMES = "times"
    """A task ends before it starts, has a negative time, or only half of its times."""
    ARRIVAL_TIME = "arrival-time"
    """The arrival that is stated is not the one that the problem demands."""
    ARRIVAL = "arrival"
    """A task starts before its request has arrived."""
    DEPENDENCY = "dependency"
    """A task starts before one that it waits for has ended."""
    READY = "ready"
    """The time that is stated as ready is not the one at which the task became ready."""
    GANG = "gang"
    """A task has too few or too many devices, one of them twice, or one that is not there."""
    SPAN = "span"
    """A gang spans servers where that is not allowed."""
    EXECUTION = "execution"
    """The execution does not take what the duration and the devices' speed make of it."""
    OCCUPATION = "occupation"
    """Execution and switch together take longer than the devices were occupied."""
    OVERLAP = "overlap"
    """Two tasks occupy a device at once."""
    NOT_LOADED = "not-loaded"
    """A task paid no switch, but its model had never been loaded there."""
    SWITCH = "switch"
    """A switch is shorter than loading the model takes."""
    MEMORY = "memory"
    """The models that must have been resident at one moment need more memory than there is."""
    EVICTION = "eviction"
    """Models must have been evicted, but the switches leave no time for it."""
    SUMMARY = "summary"
    """The summary of a log does not agree with its executions."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that could not have happened.

    Attributes:
        kind: what is wrong.
        message: one line, with all names and numbers, for people.
        task: number of the task; None where it concerns none.
        request: name of the request; None where it concerns none.
        gpu: number of the device; None where it concerns none.
        numbers: the numbers of the message by name, times in seconds, memory in MB.
    """

    kind: ViolationKind
    message: str
    task: int | None = None
    request: str | None = None
    gpu: int | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


class Violations(list[Violation]):
    """A list of violations that keeps at most some of each kind, and counts all.

    Attributes:
        shown_per_kind: how many of a kind are kept.
        counts: how many of each kind there are, kept or not.
    """

    def __init__(self, shown_per_kind: int = SHOWN_PER_KIND) -> None:
        super().__init__()
        self.shown_per_kind = shown_per_kind
        self.counts: Counter[ViolationKind] = Counter()

    @property
    def total(self) -> int:
        """How many violations there are, kept or not."""
        return self.counts.total()

    def report(
        self,
        kind: ViolationKind,
        rows: Sequence[int] | NDArray[np.int64],
        describe: Callable[[int], Violation],
    ) -> None:
        """Count violations of one kind, and keep the first ones.

        Args:
            kind: what is wrong with all of them.
            rows: whatever `describe` takes, one for each violation.
            describe: makes the violation; only called for those that are kept.
        """
        if len(rows) == 0:
            return
        room = max(0, self.shown_per_kind - self.counts[kind])
        self.counts[kind] += len(rows)
        self.extend(describe(int(row)) for row in rows[:room])

    def lines(self) -> Iterator[str]:
        """Yield one line for each kept violation, and one for each kind of which some are not."""
        shown = Counter(violation.kind for violation in self)
        for kind, count in self.counts.items():
            yield from (str(violation) for violation in self if violation.kind == kind)
            if count > shown[kind]:
                yield f"{kind}: {count - shown[kind]:,} more like these"
