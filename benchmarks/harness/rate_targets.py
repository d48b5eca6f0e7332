"""What workloads and scheduling set out to reach, and whether they did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.rate_times import RateTimes
from harness.verdicts import COMPARE, Verdict

__all__ = ["judge_rates"]

_QUIET = 0.9
"""Less of its core than that: other processes had it, or the disk kept it waiting."""

_FEW, _MANY, _GROWTH = "fifo-10k", "fifo-1m", 2.0
"""n·log n alone makes a task take 1.5 times as long where there are 100 times as many."""


@dataclass(frozen=True)
class _Goal:
    """What is wanted of a figure: so many a second, or no more memory than that."""

    target: str
    sign: str
    limit: float
    unit: str

    def judge(self, times: RateTimes) -> Verdict:
        """Return the verdict on the times of its figure."""
        wanted = f"{self.sign} {self.limit:,.0f}{self.unit}"
        if times.failure:
            return Verdict(self.target, wanted, times.failure, met=False)
        value = times.per_second if self.unit == "/s" else times.memory_mb
        met = COMPARE[self.sign](value, self.limit)
        return Verdict(self.target, wanted, f"{value:,.0f}{self.unit}{self._more(times)}", met)

    def _more(self, times: RateTimes) -> str:
        """Return what else a reader should know: how often it waited, how it compares."""
        told = ""
        if self.unit == "/s" and times.busy < _QUIET:
            told += f" ({times.per_cpu_second:,.0f} per CPU-s)"
        if times.beside:
            told += f", {times.speedup:,.1f}× beside"
        return told


def _at_least(target: str, limit: float) -> _Goal:
    return _Goal(target, "≥", limit, "/s")


_GOALS: Mapping[str, _Goal] = {
    "jsonl": _at_least("requests: to JSONL", 300_000),
    "json": _at_least("requests: to the seed's JSON", 150_000),
    "yaml": _at_least("requests: to the seed's YAML", 100_000),
    "memory-jsonl": _Goal("requests: memory, 1,000,000 to JSONL", "≤", 200, " MB"),
    "memory-json": _Goal("requests: memory, 1,000,000 to JSON", "≤", 200, " MB"),
    "read-yaml": _at_least("requests: from the seed's YAML", 30_000),
    "fifo-1m": _at_least("scheduling: fifo, 1,000,000 tasks", 200_000),
    "own-100k": _at_least("scheduling: a user's policy with `rank`", 20_000),
    "choose-100k": _at_least("scheduling: a user's policy with `choose`, 32 tasks", 20_000),
    "example-10k": _at_least("scheduling: the example policy, 128 tasks", 20_000),
    "check": _at_least("scheduling: checker, 1,000,000 tasks", 500_000),
}


def judge_rates(rates: Sequence[RateTimes]) -> Iterator[Verdict]:
    """Yield a verdict for every target that what was run can tell about."""
    for times in rates:
        if times.figure in _GOALS:
            yield _GOALS[times.figure].judge(times)
    found = {times.figure: times for times in rates if not times.failure}
    if _FEW in found and _MANY in found:
        growth = found[_FEW].per_cpu_second / found[_MANY].per_cpu_second  # they took no turns
        target = "scheduling: time per task, 1,000,000 tasks against 10,000"
        yield Verdict(target, f"≤ {_GROWTH:g}×", f"{growth:.2f}×", growth <= _GROWTH)
