"""Cells taken together: by backend, by strategy, by number of clients, or by two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from fedloom.bench.study import STRATEGIES as STRATEGY_NAMES
from fedloom.naming import fold_name
from fedloom.page.palette import DASHES, SERIES, color_of, dash_of
from fedloom.page.wording import count

__all__ = [
    "BACKENDS",
    "BACKENDS_AND_CLIENTS",
    "CLIENTS",
    "MOST_GROUPS",
    "STRATEGIES",
    "Group",
    "Grouping",
    "strategy_order",
]

MOST_GROUPS = SERIES * len(DASHES)
"""So many groups can be told apart by colour and line style, together."""


@dataclass(frozen=True)
class Group:
    """Cells that share something.

    Attributes:
        label: what it is called in a legend.
        values: what its cells share, in the order of the grouping's columns.
        index: its position, from 0.
    """

    label: str
    values: tuple[str | int, ...]
    index: int

    @property
    def color(self) -> str:
        """Token of its colour."""
        return color_of(self.index)

    @property
    def dash(self) -> str:
        """Its line style."""
        return dash_of(self.index)


@dataclass(frozen=True)
class Grouping:
    """By what cells are taken together.

    Attributes:
        name: short, for the names of cards.
        words: how a title says it.
        columns: what the cells of a group share.
    """

    name: str
    words: str
    columns: tuple[str, ...]

    def groups(self, table: pl.DataFrame) -> list[Group]:
        """Return the groups that a table has rows of, in order; numbers of clients as numbers."""
        found = sorted(table.select(self.columns).unique().rows(), key=self._order)
        return [Group(_label(values), values, i) for i, values in enumerate(found)]

    def _order(self, values: Sequence[str | int]) -> list[tuple[int, str | int]]:
        return [
            strategy_order(str(v)) if column == "strategy" else (0, v)
            for column, v in zip(self.columns, values, strict=True)
        ]


def strategy_order(name: str) -> tuple[int, str]:
    """Return a key that sorts strategies as a study carries them out, and others after them.

    Example:
        >>> sorted(["Krum", "FedAdam", "FedAdaGrad", "FedAvg"], key=strategy_order)
        ['FedAvg', 'FedAdaGrad', 'FedAdam', 'Krum']
    """
    known = [fold_name(strategy) for strategy in STRATEGY_NAMES]
    folded = fold_name(name)
    return (known.index(folded) if folded in known else len(known), name)


def _label(values: Sequence[str | int]) -> str:
    if len(values) == 1 and isinstance(values[0], int):
        return count(values[0], "client")
    return " · ".join(map(str, values))


BACKENDS = Grouping("backend", "backend", ("backend",))
STRATEGIES = Grouping("strategy", "strategy", ("strategy",))
CLIENTS = Grouping("clients", "number of clients", ("clients",))
BACKENDS_AND_CLIENTS = Grouping(
    "backend-clients", "backend and number of clients", ("backend", "clients")
)
