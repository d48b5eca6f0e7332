"""Fedloom's simulated fleet. What it builds is in `engines.fedloom_round`."""

from __future__ import annotations

from engines.fedloom_round import build_round
from harness.assignment import parse_assignment
from harness.stopwatch import drive

__all__: list[str] = []


def main() -> None:
    """Run what the command line says."""
    drive(parse_assignment(), build_round)


if __name__ == "__main__":
    main()
