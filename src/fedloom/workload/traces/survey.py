"""The first look through a trace: what a configuration has to know before the requests come."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from math import log1p

from fedloom.workload.traces.imported import ImportOptions
from fedloom.workload.traces.job import Job, TraceModel
from fedloom.workload.traces.moments import Comoment, Moments
from fedloom.workload.traces.order import (
    OutOfOrderError,
    in_time_order,
    needed_buffer,
    require_order,
)
from fedloom.workload.units import to_microseconds

__all__ = ["ModelUse", "Survey", "take_survey", "take_window"]


@dataclass(slots=True)
class ModelUse:
    """What the calls of one model needed.

    Attributes:
        model: what was called.
        duration_us: execution times.
        inputs: tokens of the prompts.
        outputs: tokens that were generated.
        tokens: of log(1 + input) and log(1 + output).
    """

    model: TraceModel
    duration_us: Moments = field(default_factory=Moments)
    inputs: Moments = field(default_factory=Moments)
    outputs: Moments = field(default_factory=Moments)
    tokens: Comoment = field(default_factory=Comoment)

    def add(self, job: Job) -> None:
        """Take in one job."""
        self.duration_us.add(job.duration_us)
        if job.tokens is not None:
            given, made = job.tokens
            self.inputs.add(given)
            self.outputs.add(made)
            self.tokens.add(log1p(given), log1p(made))


@dataclass(slots=True)
class Survey:
    """What a trace holds, within the window that was asked for.

    Attributes:
        count: requests.
        first_us: the first arrival.
        buffer: rows to hold back for time order.
        workflows: workflow → its model, in order of appearance.
        requests: workflow → requests.
        models: id of a model → its use.
        tenants: tenant → requests.
    """

    count: int = 0
    first_us: int = 0
    buffer: int = 1
    workflows: dict[str, TraceModel] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    models: dict[str, ModelUse] = field(default_factory=dict)
    tenants: Counter[str] = field(default_factory=Counter)

    def add(self, job: Job) -> None:
        """Take in one job."""
        if not self.count:
            self.first_us = job.time_us
        self.count += 1
        if job.workflow not in self.workflows:
            self.workflows[job.workflow] = job.model
        self.requests[job.workflow] += 1
        if (use := self.models.get(job.model.model_id)) is None:
            use = self.models[job.model.model_id] = ModelUse(job.model)
        use.add(job)
        if job.tenant:
            self.tenants[job.tenant] += 1


def take_window(jobs: Iterable[Job], options: ImportOptions) -> Iterator[Job]:
    """Yield the jobs that were asked for, from jobs in time order; stop reading after the last."""
    return islice(_within(jobs, options), options.limit)


def _within(jobs: Iterable[Job], options: ImportOptions) -> Iterator[Job]:
    skip_us = to_microseconds(options.skip_seconds)
    window = options.window_seconds
    first: int | None = None
    for job in jobs:
        if first is None:
            first = job.time_us
        since = job.time_us - first - skip_us
        if window is not None and since >= to_microseconds(window):
            return
        if since >= 0:
            yield job


def take_survey(read: Callable[[], Iterator[Job]], options: ImportOptions) -> Survey:
    """Look through a trace once, or three times where its rows are not in time order.

    Memory is constant for rows in time order; otherwise 8 bytes a row for their times, and as
    many jobs (about 0.5 kB each) as lie between a row and its place in time.

    Args:
        read: begins to read the trace anew.
        options: the window and the limit.
    """
    try:
        return _survey(require_order(read()), options, 1)
    except OutOfOrderError:
        buffer = needed_buffer(array("q", (job.time_us for job in read())))
        return _survey(in_time_order(read(), buffer), options, buffer)


def _survey(jobs: Iterable[Job], options: ImportOptions, buffer: int) -> Survey:
    survey = Survey(buffer=buffer)
    for job in take_window(jobs, options):
        survey.add(job)
    return survey
