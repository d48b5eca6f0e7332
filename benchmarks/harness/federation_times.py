"""The figures of a real federation: what is measured, what is wanted, and how it is told."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from harness.stopwatch import MARK
from harness.verdicts import COMPARE, Verdict

__all__ = [
    "FEDERATION_FIGURES",
    "FederationFigure",
    "FederationOptions",
    "FederationTimes",
    "describe_federation",
    "find_federation_figure",
    "judge_federation",
    "parse_federation_options",
    "print_federation",
    "read_federation",
]


@dataclass(frozen=True)
class FederationFigure:
    """One thing that is measured.

    Attributes:
        name: what `FederationTimes.figure` says.
        module: what measures it, in `federation`.
        part: what the module is asked for; a process for each.
        title: its row in the table.
        unit: of its values.
        sign: how a value compares with the limit where it is good.
        limit: what is wanted; None where nothing is.
        ratio: how many times as much stock Flower must take; None where that is not compared.
    """

    name: str
    module: str
    part: str
    title: str
    unit: str = "s"
    sign: str = "<"
    limit: float | None = None
    ratio: float | None = None


_SMALL, _LARGE = "a step, 2 nodes, 4 MB of weights", "a step, 10 nodes, 100 MB of weights"

FEDERATION_FIGURES = (
    FederationFigure("step-4mb", "steps", "4mb", _SMALL, limit=0.5, ratio=15.0),
    FederationFigure("step-100mb", "steps", "100mb", _LARGE, limit=20.0),
    FederationFigure("round-200", "many", "round", "a round of 200 nodes"),
    FederationFigure(
        "idle-100", "many", "idle", "SuperLink with 100 idle nodes, of its most", "%", limit=15.0
    ),
    FederationFigure(
        "client-memory", "idle_client", "", "a client before its first task", "MB", limit=250.0
    ),
    FederationFigure(
        "client-cpu", "idle_client", "", "the same, of a core", "% of a core", limit=1.0
    ),
    FederationFigure(
        "api-posts", "posts", "", "tasks posted to the API, SQLite", "/s", "≥", limit=300.0
    ),
    FederationFigure("up-page", "starts", "", "`fedloom up` to its page", limit=10.0),
    FederationFigure("up-ready", "starts", "", "`fedloom up` to all parts ready", limit=25.0),
    *(
        FederationFigure(
            f"study-{backend}",
            "studies",
            backend,
            f"a round of `fedloom bench`, 2 clients, {backend}",
            ratio=2.0,
        )
        for backend in ("jax", "torch", "tensorflow")
    ),
)


@dataclass(frozen=True)
class FederationTimes:
    """The values of one figure.

    Attributes:
        figure: its name.
        values: one of each turn.
        beside: those of stock Flower, which had its turn in between; empty where not compared.
        failure: why there are no values; empty where there are.
    """

    figure: str
    values: tuple[float, ...] = ()
    beside: tuple[float, ...] = ()
    failure: str = ""

    @property
    def middle(self) -> float:
        """The median of its values."""
        return median(self.values)

    @property
    def ratio(self) -> float:
        """How many times as much stock Flower takes: quotient of the medians."""
        return median(self.beside) / self.middle


@dataclass(frozen=True)
class FederationOptions:
    """What a measuring module is told: the part, how many turns, and whether less is enough."""

    part: str
    repeats: int
    quick: bool


def find_federation_figure(name: str) -> FederationFigure:
    """Return the figure called `name`."""
    return next(figure for figure in FEDERATION_FIGURES if figure.name == name)


def describe_federation(times: FederationTimes) -> str:
    """Return one line of progress."""
    if times.failure:
        return f"federation {times.figure}: {times.failure}"
    told = f"{times.middle:.3g} {find_federation_figure(times.figure).unit}"
    if times.beside:
        told += f", stock Flower {median(times.beside):.3g}, {times.ratio:.1f}×"
    return f"federation {times.figure}: {told}"


def judge_federation(times: FederationTimes) -> list[Verdict]:
    """Return a verdict for each target of a figure."""
    figure = find_federation_figure(times.figure)
    verdicts = []
    for limit, sign, unit, beside in (
        (figure.limit, figure.sign, f" {figure.unit}", False),
        (figure.ratio, "≥", "×", True),
    ):
        if limit is None:
            continue
        target = f"federation: {figure.title}{', to stock Flower' if beside else ''}"
        wanted = f"{sign} {limit:g}{unit}"
        if times.failure or (beside and not times.beside):
            why = times.failure or "stock Flower was not measured"
            verdicts.append(Verdict(target, wanted, why, met=False))
            continue
        value = times.ratio if beside else times.middle
        verdicts.append(Verdict(target, wanted, f"{value:.3g}{unit}", COMPARE[sign](value, limit)))
    return verdicts


def parse_federation_options() -> FederationOptions:
    """Read the command line of a module in `federation`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("part", nargs="?", default="", help="part of the module")
    parser.add_argument("--repeats", type=int, default=3, help="turns")
    parser.add_argument("--quick", action="store_true", help="less of what takes long")
    given = parser.parse_args()
    return FederationOptions(given.part, given.repeats, given.quick)


def print_federation(*times: FederationTimes) -> None:
    """Print the one line of JSON by which a module tells what it measured."""
    print(MARK + json.dumps([asdict(one) for one in times]), flush=True)


def read_federation(rows: Sequence[dict[str, object]]) -> list[FederationTimes]:
    """Return values from their JSON, in which tuples are lists."""
    kept = [
        {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
        for row in rows
    ]
    return [FederationTimes(**row) for row in kept]  # type: ignore[arg-type]
