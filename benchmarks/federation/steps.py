"""A training step as a federation does it, beside stock Flower with the same app."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from federation.stock import time_stock_steps
from federation.world import open_federation, time_steps
from harness.federation_times import (
    FederationTimes,
    parse_federation_options,
    print_federation,
)

__all__ = ["measure_steps"]

_STOCK_SECONDS = 500.0


@dataclass(frozen=True)
class _Kind:
    """How many nodes and float32 numbers, how many steps a turn, and how many of stock Flower."""

    figure: str
    nodes: int
    size: int
    steps: int
    stock_steps: int


_KINDS = {
    "4mb": _Kind("step-4mb", 2, 1_000_000, 10, 3),
    "100mb": _Kind("step-100mb", 10, 25_000_000, 2, 1),
}


def measure_steps(part: str, repeats: int, *, quick: bool) -> FederationTimes:
    """Time both in turn, each with processes of its own; a value is the median of a turn's steps.

    Args:
        part: a key of the kinds.
        repeats: turns.
        quick: leave stock Flower out where the model is large.
    """
    kind = _KINDS[part]
    own, beside = [], []
    for _ in range(repeats):
        with open_federation(kind.nodes, 1) as fleet:
            own.append(median(time_steps(fleet, kind.size, kind.steps)))
        if part == "4mb" or not quick:
            stock = time_stock_steps(kind.nodes, kind.size, kind.stock_steps, _STOCK_SECONDS)
            beside.append(median(stock))
    return FederationTimes(kind.figure, tuple(own), tuple(beside))


def main() -> None:
    """Run what the command line says."""
    given = parse_federation_options()
    repeats = 1 if given.part == "100mb" else given.repeats
    print_federation(measure_steps(given.part, repeats, quick=given.quick))


if __name__ == "__main__":
    main()
