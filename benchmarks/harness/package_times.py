"""The times of compute packages: what is measured of them, and how that is told."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from harness.stopwatch import MARK

__all__ = [
    "FIGURES",
    "PackageFigure",
    "PackageTimes",
    "describe_times",
    "find_figure",
    "parse_repeats",
    "print_times",
    "read_times",
]


@dataclass(frozen=True)
class PackageFigure:
    """One thing that is timed.

    Attributes:
        name: what `PackageTimes.figure` says.
        module: what measures it, in `packages`.
        title: its row in the table.
        beside: what it is compared with, call by call; empty for nothing.
    """

    name: str
    module: str
    title: str
    beside: str = ""


FIGURES = (
    PackageFigure("train", "entry_point", "PyTorch `train`, cold", "warm"),
    PackageFigure("archive", "archive", "`create_archive`"),
    PackageFigure("save", "model_files", "`numpyhelper` save", "`np.savez`"),
    PackageFigure("load", "model_files", "`numpyhelper` load", "`np.load`"),
    PackageFigure("environment", "environment", "`prepare_environment`, from the cache"),
)


@dataclass(frozen=True)
class PackageTimes:
    """The times of one figure.

    Attributes:
        figure: its name.
        seconds: wall time of each call.
        beside: that of what it is compared with, which had its turn right before or after.
        megabytes: what one call reads or writes, in MB (10⁶ bytes); 0 where that tells nothing.
        failure: why there are no times; empty where there are.
    """

    figure: str
    seconds: tuple[float, ...] = ()
    beside: tuple[float, ...] = ()
    megabytes: float = 0.0
    failure: str = ""

    @property
    def median_seconds(self) -> float:
        """The middle of its times."""
        return median(self.seconds)

    @property
    def ratio(self) -> float:
        """How many times as long it takes as what it is compared with: median over the turns."""
        return median(own / other for own, other in zip(self.seconds, self.beside, strict=True))

    @property
    def pace(self) -> float:
        """MB per second."""
        return self.megabytes / self.median_seconds


def find_figure(name: str) -> PackageFigure:
    """Return the figure called `name`."""
    return next(figure for figure in FIGURES if figure.name == name)


def describe_times(times: PackageTimes) -> str:
    """Return one line of progress."""
    told = times.failure or f"{times.median_seconds:.4f} s"
    if times.beside:
        told += f", {times.ratio:.2f}× {find_figure(times.figure).beside}"
    return f"packages {times.figure}: {told}"


def parse_repeats() -> int:
    """Read the one option of a module in `packages`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3, help="timed calls of each kind")
    repeats: int = parser.parse_args().repeats
    return repeats


def print_times(*times: PackageTimes) -> None:
    """Print the one line of JSON by which a module in `packages` tells what it measured."""
    print(MARK + json.dumps([asdict(one) for one in times]), flush=True)


def read_times(rows: Sequence[dict[str, object]]) -> list[PackageTimes]:
    """Return times from their JSON, in which tuples are lists."""
    kept = [
        {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
        for row in rows
    ]
    return [PackageTimes(**row) for row in kept]  # type: ignore[arg-type]
