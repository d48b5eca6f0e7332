"""A stream: the requests that share one arrival process, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fedloom.errors import InputError
from fedloom.workload.arrivals.closed_loop import ClosedLoopUsers
from fedloom.workload.arrivals.settings import ArrivalSettings
from fedloom.workload.arrivals.stream import arrival_times
from fedloom.workload.block import BLOCK_REQUESTS, ClosedLoopColumns, RequestBlock
from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.draw.block import LATEST_US, DrawnCalls, draw_calls, place_calls

__all__ = ["Size", "Stream", "rebatch"]

Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Size:
    """How large a stream is.

    Attributes:
        requests: how many it has.
        end_us: no request arrives later, microseconds since the start.
    """

    requests: int
    end_us: int


@dataclass(frozen=True)
class Stream:
    """Requests that share one arrival process; their draws depend on no other stream.

    Attributes:
        config: the configuration.
        key: the tenant with arrivals of its own, or "" for all others.
        arrivals: when its requests arrive.
        tenants: positions of the tenants that ask in it; empty: there are no tenants.
        count: how many requests, or the most where their number is random; None: no limit.
        start_us: when it begins, microseconds since 1970.
        duration_us: for how long.
        seed: of the workload.
        whole_replay: whether a replay goes on to its end, beyond the duration.
    """

    config: WorkloadConfig
    key: str
    arrivals: ArrivalSettings
    tenants: tuple[int, ...]
    count: int | None
    start_us: int
    duration_us: int
    seed: int
    whole_replay: bool = True

    @cached_property
    def size(self) -> Size:
        """How large it is; where that is random, found by a pass over the arrivals."""
        if self.arrivals.closed_loop is not None:
            return Size(sum(len(block) for block in self.blocks()), self.duration_us)
        if self.count is not None and not self.arrivals.sets_number:
            return Size(self.count, self.duration_us)
        requests = end_us = 0
        for chunk in self._times():
            requests, end_us = requests + len(chunk), int(chunk[-1])
        replayed = self.arrivals.replay is not None
        return Size(requests, end_us if replayed else self.duration_us)

    def blocks(self) -> Iterator[RequestBlock]:
        """Yield its requests in blocks, all but the last of `BLOCK_REQUESTS`."""
        if self.count == 0:
            return
        yield from self._looped() if self.arrivals.closed_loop else self._open()

    def _times(self) -> Iterator[Whole]:
        times = arrival_times(
            self.arrivals,
            count=self.count,
            duration_us=self.duration_us,
            seed=self.seed,
            key=self.key,
        )
        return times if self.arrivals.replay is None else self._replayed(times)

    def _replayed(self, times: Iterator[Whole]) -> Iterator[Whole]:
        """Yield the times of a replay that are wanted.

        Raises:
            InputError: one of them is later than files can say.
        """
        for chunk in times:
            wanted = len(chunk)
            if not self.whole_replay:
                wanted = int(np.searchsorted(chunk, self.duration_us))
            if wanted and self.start_us + chunk[wanted - 1] > LATEST_US:
                raise InputError(
                    f"{self.arrivals.replay}: requests arrive after the year 9999; "
                    "begin earlier (--start), or end earlier (--duration)"
                )
            if wanted:
                yield chunk[:wanted]
            if wanted < len(chunk):
                return

    def _open(self) -> Iterator[RequestBlock]:
        first = 0
        for block, arrival_us in enumerate(rebatch(self._times(), BLOCK_REQUESTS)):
            calls = self._draw(block, len(arrival_us))
            yield place_calls(self.config, calls, first, arrival_us + self.start_us)
            first += len(arrival_us)

    def _looped(self) -> Iterator[RequestBlock]:
        """Users wait for their answer, so what is called decides when the next request comes."""
        assert self.arrivals.closed_loop is not None
        users = ClosedLoopUsers(
            self.arrivals.closed_loop, duration_us=self.duration_us, seed=self.seed, key=self.key
        )
        first = block = 0
        while self.count is None or first < self.count:
            left = BLOCK_REQUESTS if self.count is None else self.count - first
            asked = min(BLOCK_REQUESTS, left)
            calls = self._draw(block, asked)
            arrival_us, after, think_us = users.next_block(calls.critical_us)
            made = len(arrival_us)
            if 0 < made < asked:
                calls = self._draw(block, made)
            if made:
                loop = ClosedLoopColumns(after, think_us)
                yield place_calls(self.config, calls, first, arrival_us + self.start_us, loop)
            if made < asked:
                return
            first, block = first + made, block + 1

    def _draw(self, block: int, count: int) -> DrawnCalls:
        return draw_calls(
            self.config,
            self.tenants,
            seed=self.seed,
            stream=self.key,
            block=block,
            count=count,
        )


def rebatch(chunks: Iterator[Whole], size: int) -> Iterator[Whole]:
    """Yield the same numbers in arrays of `size`; the last may be shorter.

    Example:
        >>> [a.tolist() for a in rebatch(iter([np.arange(3), np.arange(3, 5)]), 2)]
        [[0, 1], [2, 3], [4]]
    """
    held: list[Whole] = []
    waiting = 0
    for chunk in chunks:
        held.append(chunk)
        waiting += len(chunk)
        if waiting < size:
            continue
        joined = np.concatenate(held)
        whole = len(joined) - len(joined) % size
        for at in range(0, whole, size):
            yield joined[at : at + size]
        held, waiting = [joined[whole:]], len(joined) - whole
    if waiting:
        yield np.concatenate(held)
