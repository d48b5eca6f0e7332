"""Cards with a row per group: what a round's time is made of, and how busy the processors are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from fedloom.bench.report.groups import Group, Grouping
from fedloom.page.bars import lying_card
from fedloom.page.card import Card, Key, Trace, plain
from fedloom.page.wording import duration, named

__all__ = ["PARTS", "Part", "cpu_card", "parts_card"]

MOST_ROWS = 60
"""More rows than these are left out; the summary table holds all."""


class Part(NamedTuple):
    """A part of a round: its column, its name, its colour."""

    column: str
    label: str
    color: str


PARTS = (
    Part("fit_seconds", "Fit", "@c1"),
    Part("evaluate_seconds", "Central evaluation", "@c2"),
    Part("validate_seconds", "Clients' evaluation", "@c3"),
    Part("other_seconds", "Other", "@c8"),
)

_CPU = (
    Part("fit", "Fit", "@c1"),
    Part("evaluate", "Evaluation", "@c2"),
)
_SYMBOLS = ("circle", "diamond")


def parts_card(rounds: pl.DataFrame, grouping: Grouping) -> Card | None:
    """Return stacked bars of the mean round's parts, a bar per group.

    Args:
        rounds: whole, as of `complete_results`.
        grouping: what is taken together; each round of each cell counts once.
    """
    timed = rounds.filter((pl.col("round") > 0) & pl.col("round_seconds").is_not_null())
    if timed.is_empty():
        return None
    every = grouping.groups(timed)
    groups = every[:MOST_ROWS]
    means = _mean_parts(timed, groups, grouping)
    shown = [p for p in PARTS if means[p.column].sum()]
    data = [_bar(means, part, groups) for part in shown]
    if data:
        data[-1] |= _totals(means)
    longest = max(means["round_seconds"], default=0.0) or 1.0
    layout = {
        "xaxis": {"title": {"text": "Mean time of a round (s)"}, "range": [0, 1.18 * longest]},
        "barmode": "stack",
        "hovermode": "closest",
    }
    keys = tuple(Key(part.label, part.color, "square") for part in shown)
    title = f"Parts of a round by {grouping.words}"
    note = _left_out(len(every))
    card = Card(f"parts-{grouping.name}", title, note, data, layout, keys, 320)
    return lying_card(card, [group.label for group in groups])


def cpu_card(clients: pl.DataFrame, grouping: Grouping, *, machine: bool) -> Card | None:
    """Return the mean CPU at fit and at evaluation, a row per group with a dot each.

    The line through a dot goes from the lowest repeat to the highest.

    Args:
        clients: whole, as of `complete_results`.
        grouping: what is taken together; each client's row counts once.
        machine: whether the whole machine's CPU is meant, or the client's own process's.
    """
    kind = "machine_cpu_percent" if machine else "cpu_percent"
    columns = [f"{part.column}_{kind}" for part in _CPU]
    known = clients.filter(pl.any_horizontal(pl.col(columns).is_not_null()))
    if known.is_empty():
        return None
    groups = grouping.groups(known)[:MOST_ROWS]
    data = [
        _dots(known, groups, grouping, column, part, i)
        for i, (column, part) in enumerate(zip(columns, _CPU, strict=True))
    ]
    axis = "CPU of the machine (%, all cores = 100)" if machine else "CPU (%, one core = 100)"
    layout = {
        "xaxis": {"title": {"text": axis}, "rangemode": "tozero", "nticks": 6},
        "hovermode": "closest",
    }
    keys = tuple(Key(part.label, part.color, "dot") for part in _CPU)
    name = f"cpu-{grouping.name}{'-machine' if machine else ''}"
    title = f"{'Machine CPU' if machine else 'CPU'} by {grouping.words}"
    note = _left_out(len(grouping.groups(known)))
    return lying_card(
        Card(name, title, note, data, layout, keys, 320), [group.label for group in groups]
    )


def _mean_parts(timed: pl.DataFrame, groups: Sequence[Group], grouping: Grouping) -> pl.DataFrame:
    """Return the mean round and its parts, a row per group in their order."""
    parts = pl.sum_horizontal(part.column for part in PARTS[:-1])
    other = pl.max_horizontal(pl.lit(0.0), pl.col("round_seconds") - parts)
    columns = list(grouping.columns)
    means = (
        timed.with_columns(other_seconds=other)
        .group_by(columns)
        .agg(pl.mean("round_seconds", *(part.column for part in PARTS)))
    )
    order = pl.DataFrame(
        [group.values for group in groups],
        schema={name: timed.schema[name] for name in columns},
        orient="row",
    )
    return order.join(means, on=columns, how="left", maintain_order="left")


def _left_out(groups: int) -> str:
    return f"{groups - MOST_ROWS:,} more are left out" if groups > MOST_ROWS else ""


def _bar(means: pl.DataFrame, part: Part, groups: Sequence[Group]) -> Trace:
    values = means[part.column]
    spelt = [[named(g.label), duration(v)] for g, v in zip(groups, values, strict=True)]
    return {
        "type": "bar",
        "orientation": "h",
        "showlegend": False,
        "x": plain(values),
        "y": list(range(len(groups))),
        "customdata": spelt,
        "hovertemplate": f"%{{customdata[0]}}<br>{part.label}: %{{customdata[1]}}<extra></extra>",
        "marker": {"color": part.color},
        "width": 0.66,
    }


def _totals(means: pl.DataFrame) -> Trace:
    """Written beside the last part of each bar."""
    return {
        "text": [f" {duration(value)}" for value in means["round_seconds"]],
        "textposition": "outside",
        "cliponaxis": False,
        "textangle": 0,
        "constraintext": "none",
    }


def _dots(
    clients: pl.DataFrame,
    groups: Sequence[Group],
    grouping: Grouping,
    column: str,
    part: Part,
    index: int,
) -> Trace:
    spread = (
        clients.drop_nulls(column)
        .group_by([*grouping.columns, "repeat"])
        .agg(value=pl.mean(column))
        .group_by(grouping.columns)
        .agg(mean=pl.mean("value"), low=pl.min("value"), high=pl.max("value"))
    )
    found = {tuple(row[:-3]): row[-3:] for row in spread.rows()}
    values = [found.get(group.values, (None, None, None)) for group in groups]
    return {
        "type": "scatter",
        "mode": "markers",
        "showlegend": False,
        "x": plain(mean for mean, _, _ in values),
        "y": list(range(len(groups))),
        "customdata": [named(group.label) for group in groups],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": plain(None if m is None else high - m for m, _, high in values),
            "arrayminus": plain(None if m is None else m - low for m, low, _ in values),
            "color": part.color,
            "thickness": 1.5,
            "width": 4,
        },
        "marker": {
            "color": part.color,
            "size": 10,
            "symbol": _SYMBOLS[index],
            "line": {"width": 1.5, "color": "@surface"},
        },
        "hovertemplate": f"%{{customdata}}<br>{part.label}: %{{x:.1f}} %<extra></extra>",
    }
