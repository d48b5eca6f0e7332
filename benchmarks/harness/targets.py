"""What Fedloom set out to reach, and whether it did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.catalogue import ENGINES, OURS
from harness.commands import CommandTimes
from harness.federation_times import FederationTimes, judge_federation
from harness.package_times import PackageTimes
from harness.rate_targets import judge_rates
from harness.rate_times import RateTimes
from harness.summary import Figures, find_figures
from harness.verdicts import COMPARE, Verdict
from harness.workloads import find_workload

__all__ = ["judge"]

_FASTEST = {"mlp-10": 2.0, "mlp-100": 2.0, "cnn-10": 1.0}
_FLOWER = {"mlp-10": 6.0, "mlp-100": 6.0, "small-1000": 50.0}
_COMMAND_SECONDS = {
    "fedloom --help": 0.3,
    "fedloom workload": 0.3,
    "fedloom schedule": 0.3,
    "fedloom merge": 1.0,
}
_LINEAR = 1.25
_MEMORY_MB = 300.0
_FIRST_SECONDS = 3.0


@dataclass(frozen=True)
class _Bound:
    """A target of packages: what is looked at, and the least or the most that it may be."""

    target: str
    read: Callable[[PackageTimes], float]
    sign: str
    limit: float
    unit: str
    digits: int

    def judge(self, times: PackageTimes) -> Verdict:
        """Return the verdict on the times of its figure."""
        wanted = f"{self.sign} {self.limit:g}{self.unit}"
        if times.failure:
            return Verdict(self.target, wanted, times.failure, met=False)
        value = self.read(times)
        met = COMPARE[self.sign](value, self.limit)
        return Verdict(self.target, wanted, f"{value:.{self.digits}f}{self.unit}", met)


_PACKAGES: Mapping[str, _Bound] = {
    "train": _Bound(
        "packages: PyTorch `train`, cold to warm", lambda t: t.ratio, "≥", 30.0, "×", 1
    ),
    "archive": _Bound("packages: `create_archive`", lambda t: t.pace, "≥", 150.0, " MB/s", 0),
    "save": _Bound("packages: save 100 MB, to NumPy's", lambda t: t.ratio, "≤", 1.5, "×", 2),
    "load": _Bound("packages: load 100 MB, to NumPy's", lambda t: t.ratio, "≤", 1.5, "×", 2),
    "environment": _Bound(
        "packages: environment in the cache", lambda t: t.median_seconds, "<", 0.2, " s", 4
    ),
}


def judge(
    figures: Sequence[Figures],
    commands: Sequence[CommandTimes],
    packages: Sequence[PackageTimes] = (),
    rates: Sequence[RateTimes] = (),
    federation: Sequence[FederationTimes] = (),
) -> list[Verdict]:
    """Return a verdict for every target that what was run can tell about."""
    return [
        *_judge_peers(figures),
        *_judge_flower(figures),
        *_judge_growth(figures),
        *_judge_first_round(figures),
        *_judge_commands(commands),
        *(_PACKAGES[times.figure].judge(times) for times in packages),
        *(verdict for times in federation for verdict in judge_federation(times)),
        *judge_rates(rates),
    ]


def _judge_peers(figures: Sequence[Figures]) -> Iterator[Verdict]:
    peers = {engine.name for engine in ENGINES if engine.peer}
    for workload, wanted in _FASTEST.items():
        rivals = [
            f
            for f in figures
            if f.workload == workload and f.engine in peers and f.ratio is not None
        ]
        if rivals:
            rival = min(rivals, key=lambda f: f.ratio or 0.0)
            measured = f"{rival.ratio:.1f}× ({rival.engine})"
            met = (rival.ratio or 0.0) >= wanted
            yield Verdict(f"{workload}: against the fastest peer", f"≥ {wanted:g}×", measured, met)


def _judge_flower(figures: Sequence[Figures]) -> Iterator[Verdict]:
    for workload, wanted in _FLOWER.items():
        rival = find_figures(figures, workload, "flower")
        if rival and rival.ratio is not None:
            met = rival.ratio >= wanted
            yield Verdict(
                f"{workload}: against Flower", f"≥ {wanted:g}×", f"{rival.ratio:.1f}×", met
            )


def _judge_growth(figures: Sequence[Figures]) -> Iterator[Verdict]:
    few, some, many = (find_figures(figures, f"small-{n}", OURS) for n in (10, 1000, 10000))
    if few and many:
        more = many.peak_mb - few.peak_mb
        target = "memory of 10,000 clients above that of 10"
        yield Verdict(target, f"≤ {_MEMORY_MB:.0f} MB", f"{more:.0f} MB", more <= _MEMORY_MB)
    if some and many:
        growth = (many.seconds / find_workload(many.workload).batches) / (
            some.seconds / find_workload(some.workload).batches
        )
        target = "time per batch, 10,000 clients against 1,000"
        yield Verdict(target, f"≤ {_LINEAR:g}×", f"{growth:.2f}×", growth <= _LINEAR)


def _judge_first_round(figures: Sequence[Figures]) -> Iterator[Verdict]:
    for workload in ("mlp-10", "mlp-100"):
        if ours := find_figures(figures, workload, OURS):
            met = ours.first_seconds < _FIRST_SECONDS
            measured = f"{ours.first_seconds:.1f} s"
            yield Verdict(f"{workload}: first round", f"< {_FIRST_SECONDS:g} s", measured, met)


def _judge_commands(commands: Sequence[CommandTimes]) -> Iterator[Verdict]:
    for times in commands:
        name = " ".join(times.command.split()[:2])
        wanted = _COMMAND_SECONDS[name]
        measured = times.failure or f"{times.median_seconds:.2f} s, {times.peak_mb:.0f} MB"
        met = not times.failure and times.median_seconds < wanted
        yield Verdict(f"`{times.command}`", f"< {wanted:g} s", measured, met)
