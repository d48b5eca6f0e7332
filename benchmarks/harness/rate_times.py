"""Rates: how many requests, tasks or executions a second, and what that is compared with."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from harness.one_core import stay_on_one_core
from harness.stopwatch import MARK
from harness.turns import Turns

__all__ = [
    "RateOptions",
    "RateTimes",
    "describe_rate",
    "make_times",
    "parse_rate_options",
    "print_rates",
    "read_rates",
]


@dataclass(frozen=True)
class RateTimes:
    """The times of one figure.

    Attributes:
        figure: its name.
        count: what one call gets through.
        seconds: wall time of each call.
        cpu_seconds: processor time of each call; steadier where the machine is not quiet.
        beside_count: the same of what it is compared with, which is slower and gets less.
        beside: its wall times; each had its turn right before or after.
        memory_mb: most memory during the call above that before it, in MB (10⁶ bytes); 0 where it
            was not measured.
        failure: why there are no times; empty where there are.
    """

    figure: str
    count: int = 0
    seconds: tuple[float, ...] = ()
    cpu_seconds: tuple[float, ...] = ()
    beside_count: int = 0
    beside: tuple[float, ...] = ()
    memory_mb: float = 0.0
    failure: str = ""

    @property
    def per_second(self) -> float:
        """How many a second, by the median of the calls."""
        return self.count / median(self.seconds)

    @property
    def per_cpu_second(self) -> float:
        """How many in a second of processor time."""
        return self.count / median(self.cpu_seconds)

    @property
    def busy(self) -> float:
        """The share of the time that it had the core; 1 where that was not measured."""
        return median(self.cpu_seconds) / median(self.seconds) if self.cpu_seconds else 1.0

    @property
    def beside_per_second(self) -> float:
        """How many what it is compared with gets through in a second."""
        return self.beside_count / median(self.beside)

    @property
    def speedup(self) -> float:
        """How many times as many a second: median over the turns."""
        share = self.count / self.beside_count
        return median(b / s for s, b in zip(self.seconds, self.beside, strict=True)) * share


@dataclass(frozen=True)
class RateOptions:
    """What a measuring module is told.

    Attributes:
        repeats: timed calls of each kind.
        quick: whether figures without a goal may take smaller inputs.
        part: which of the module's parts is asked for, where it has several.
    """

    repeats: int
    quick: bool
    part: str


def make_times(figure: str, count: int, turns: Turns, beside_count: int = 0) -> RateTimes:
    """Return the times of calls that got through `count` each."""
    return RateTimes(
        figure, count, turns.seconds, turns.cpu_seconds, beside_count, beside=turns.beside
    )


def describe_rate(times: RateTimes) -> str:
    """Return one line of progress."""
    if times.failure:
        return f"{times.figure}: {times.failure}"
    told = f"{median(times.seconds):.4f} s"
    if times.count > 1:
        told += f", {times.per_second:,.0f} per second"
    if times.beside:
        told += f", {times.speedup:.1f}× what is beside it"
    if times.memory_mb:
        told += f", {times.memory_mb:.0f} MB"
    return f"{times.figure}: {told}"


def parse_rate_options() -> RateOptions:
    """Read the command line of a measuring module, and stay on one core from then on."""
    parser = argparse.ArgumentParser()
    parser.add_argument("part", nargs="?", default="", help="part of the module")
    parser.add_argument("--repeats", type=int, default=3, help="timed calls of each kind")
    parser.add_argument("--quick", action="store_true", help="smaller inputs where no goal is")
    given = parser.parse_args()
    stay_on_one_core()
    return RateOptions(given.repeats, given.quick, given.part)


def print_rates(times: Sequence[RateTimes]) -> None:
    """Print the one line of JSON by which a module tells what it measured."""
    print(MARK + json.dumps([asdict(one) for one in times]), flush=True)


def read_rates(rows: Sequence[dict[str, object]]) -> list[RateTimes]:
    """Return times from their JSON, in which tuples are lists."""
    kept = [
        {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
        for row in rows
    ]
    return [RateTimes(**row) for row in kept]  # type: ignore[arg-type]
