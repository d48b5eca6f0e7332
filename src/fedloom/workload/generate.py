"""A workload: the requests that a configuration, a count or a duration, and a seed determine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from fedloom.errors import InputError
from fedloom.workload.arrivals.pieces import FAR_US
from fedloom.workload.arrivals.settings import ArrivalSettings
from fedloom.workload.arrivals.stream import MOST_ARRIVALS, split_count
from fedloom.workload.block import RequestBlock
from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.draw.block import LATEST_US
from fedloom.workload.draw.merge import merge_blocks
from fedloom.workload.draw.rows import first_rows
from fedloom.workload.draw.stream import Stream
from fedloom.workload.formats.header import Header
from fedloom.workload.units import DEFAULT_START, MICROSECONDS, format_time, parse_time

__all__ = ["DEFAULT_MINUTES", "DEFAULT_REQUESTS", "Workload", "read_start"]

DEFAULT_REQUESTS = 500
"""How many requests there are where neither a count nor a rate is given."""

DEFAULT_MINUTES = 20.0
"""Over which requests arrive where no duration is given."""

_MINUTE_US = 60 * MICROSECONDS
_MOST_MINUTES = FAR_US / _MINUTE_US


@dataclass(frozen=True)
class Workload:
    """Requests, drawn anew in the same way each time they are asked for.

    Attributes:
        config: models, workflows, tenants and arrivals.
        num_requests: how many. Where arrivals have a rate of their own, are replayed or come from
            a closed loop, their number follows from that, and this is the most; None: no limit.
        duration_minutes: the time over which requests arrive; a replay is cut off there. None:
            `DEFAULT_MINUTES`, and a replay goes on to its end.
        seed: decides every draw.
        start: ISO time at which the duration begins, 1970 to 9999.

    Example:
        >>> from fedloom.workload.config.read import read_config
        >>> workload = Workload(read_config(["test_baseline.json"]).config, num_requests=3)
        >>> sum(len(block) for block in workload.blocks())
        3
    """

    config: WorkloadConfig
    num_requests: int | None = None
    duration_minutes: float | None = None
    seed: int = 42
    start: str = DEFAULT_START

    @property
    def duration_us(self) -> int:
        """The duration in microseconds.

        Raises:
            InputError: it is no positive time, or longer than can be counted exactly.
        """
        minutes = DEFAULT_MINUTES if self.duration_minutes is None else self.duration_minutes
        if not 0 < minutes <= _MOST_MINUTES or (found := round(minutes * _MINUTE_US)) < 1:
            raise InputError(
                f"--duration is {minutes:g} minutes; give a number above 0, and at most "
                f"{_MOST_MINUTES:,.0f}"
            )
        return found

    @property
    def start_us(self) -> int:
        """The start in microseconds since 1970.

        Raises:
            InputError: it is no ISO time, or too early or too late.
        """
        return read_start(self.start)

    @cached_property
    def count(self) -> int:
        """How many requests there are; where it is random, found by a pass over the arrivals."""
        found = sum(stream.size.requests for stream in self.streams)
        return found if self.num_requests is None else min(found, self.num_requests)

    @cached_property
    def streams(self) -> tuple[Stream, ...]:
        """The arrival processes: one that all share, and one for each tenant with its own.

        Raises:
            InputError: count, duration or start is impossible.
        """
        start_us, duration_us = self.start_us, self.duration_us
        if start_us + duration_us > LATEST_US:
            raise InputError(
                f"--start {self.start} and a --duration of {duration_us / _MINUTE_US:g} minutes "
                "lead beyond the year 9999; begin earlier"
            )
        sources = self._sources()
        return tuple(
            Stream(
                self.config,
                source.key,
                source.arrivals,
                source.tenants,
                count,
                start_us,
                duration_us,
                self.seed,
                whole_replay=self.duration_minutes is None,
            )
            for source, count in zip(sources, self._counts(sources), strict=True)
        )

    def blocks(self) -> Iterator[RequestBlock]:
        """Yield the requests in order of arrival, some thousand at a time."""
        if len(self.streams) == 1:
            yield from self.streams[0].blocks()
            return
        for block in merge_blocks([stream.blocks() for stream in self.streams]):
            left = len(block) if self.num_requests is None else self.num_requests - block.first
            if left <= 0:
                return
            yield block if left >= len(block) else first_rows(block, left)

    def header(self) -> Header:
        """Return what stands at the top of a file of these requests."""
        return Header(
            generation_time=format_time(self.start_us),
            config_file=self.config.name,
            num_requests=self.count,
            duration_minutes=self._stated_minutes(),
            models_available=tuple(self.config.models),
            workflows_available=tuple(self.config.workflows),
        )

    def _stated_minutes(self) -> float:
        """Return the duration; where a replay sets it, in minutes that have begun."""
        if self.duration_minutes is not None:
            return self.duration_minutes
        ends = [
            stream.size.end_us if stream.arrivals.replay is not None else self.duration_us
            for stream in self.streams
        ]
        return float(max(1, -(-max(ends) // _MINUTE_US)))

    def _sources(self) -> list[_Source]:
        tenants = list(self.config.tenants.values())
        shared = tuple(i for i, tenant in enumerate(tenants) if tenant.arrivals is None)
        weight = sum(tenants[i].weight for i in shared) if tenants else 1.0
        sources = [_Source("", self.config.arrivals, shared, weight)] if weight else []
        for i, tenant in enumerate(tenants):
            if tenant.arrivals is not None:
                sources.append(_Source(tenant.tenant_id, tenant.arrivals, (i,), tenant.weight))
        return sources

    def _counts(self, sources: list[_Source]) -> list[int | None]:
        """Share the requests out among the streams whose number is not their own affair."""
        total = DEFAULT_REQUESTS if self.num_requests is None else self.num_requests
        if not 1 <= total <= MOST_ARRIVALS:
            raise InputError(f"--num-requests is {total:,}; give 1 to {MOST_ARRIVALS:,}")
        weights = [0.0 if s.arrivals.sets_number else s.weight for s in sources]
        shares = split_count(total, weights, self.seed, "") if any(weights) else [0] * len(sources)
        return [
            self.num_requests if source.arrivals.sets_number else share
            for source, share in zip(sources, shares, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class _Source:
    """Who shares an arrival process: tenants by position, together of a weight."""

    key: str
    arrivals: ArrivalSettings
    tenants: tuple[int, ...]
    weight: float


def read_start(text: str) -> int:
    """Return an ISO time that was asked for, in microseconds since 1970.

    Raises:
        InputError: it is no ISO time, or before 1970.
    """
    try:
        start_us = parse_time(text)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"--start is {text!r}; give an ISO time such as {DEFAULT_START}"
        ) from error
    if start_us < 0:
        raise InputError(f"--start is {text!r}; give a time in 1970 or later")
    return start_us
