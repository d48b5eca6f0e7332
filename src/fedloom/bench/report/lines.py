"""Curves by round, one per group of cells, with a band over the repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import polars as pl

from fedloom.bench.report.groups import MOST_GROUPS, Group, Grouping
from fedloom.bench.report.reference_lines import ReferenceLine, reference_layout, reference_traces
from fedloom.bench.report.whole import CELL, NAMES
from fedloom.page.card import Card, Key, Trace, axis_of_rounds, plain
from fedloom.page.wording import clip, count, named

__all__ = ["BANDED_GROUPS", "Line", "line_card", "over_repeats"]

BANDED_GROUPS = 6
"""Up to so many groups are drawn with a band each; more would hide one another."""

MARKED_ROUNDS = 25
"""Up to so many rounds have a dot each."""

UNIFIED_GROUPS = 10
"""Up to so many groups are read in one box; of more, the nearest."""

LOG_RATIO = 100
"""Positive values that span more than this are drawn on a logarithmic axis."""


@dataclass(frozen=True)
class Line:
    """What a card of curves shows.

    Attributes:
        name: of the card, unique on the page.
        title: of the card, less the grouping.
        axis: title of the vertical axis, with the unit.
        column: the values.
        format: d3 format of the values.
        log: whether widely spread values may have a logarithmic axis.
        from_zero: whether the axis begins at zero.
        second: another column to draw dashed in the same colours, and what it is called.
    """

    name: str
    title: str
    axis: str
    column: str
    format: str = ".3f"
    log: bool = False
    from_zero: bool = False
    second: tuple[str, str] | None = None


def over_repeats(table: pl.DataFrame, column: str, grouping: Grouping) -> pl.DataFrame:
    """Return what is drawn: mean, low and high of each group in each round.

    First the rows of each repeat are averaged, each row once; `mean` is the mean of the repeats,
    `low` and `high` are the lowest and the highest of them. `cells` says over how many cells.

    Args:
        table: rows with the columns that name a cell, ``round``, and `column`.
        column: the values; rows without one are left out.
        grouping: what is taken together.
    """
    by = [*grouping.columns, "round"]
    of_repeats = (
        table.drop_nulls(column)
        .group_by([*by, "repeat"])
        .agg(value=pl.mean(column), held=pl.struct(CELL).n_unique())
    )
    return (
        of_repeats.group_by(by)
        .agg(
            mean=pl.mean("value"),
            low=pl.min("value"),
            high=pl.max("value"),
            repeats=pl.len(),
            cells=pl.sum("held"),
        )
        .sort(by)
    )


def line_card(
    table: pl.DataFrame,
    line: Line,
    grouping: Grouping,
    references: Sequence[ReferenceLine] = (),
) -> Card | None:
    """Return a card of curves, or None where there is no value.

    Args:
        table: rows as in `over_repeats`.
        line: what to show.
        grouping: one curve per group.
        references: level lines.
    """
    known = table.drop_nulls(line.column)
    if known.is_empty():
        return None
    every = grouping.groups(known)
    groups = every[:MOST_GROUPS]
    spread = over_repeats(known, line.column, grouping)
    data = [t for g in groups for t in _traces(_of(spread, g, grouping), g, line, len(groups))]
    if line.second:
        data += _second_traces(known, line, grouping, groups)
    rounds = known["round"].unique().sort().to_list()
    data += reference_traces(references, rounds[0], rounds[-1])
    layout: Trace = {
        "xaxis": axis_of_rounds(rounds),
        "yaxis": _axis(line, data),
        "hovermode": "x unified" if len(groups) <= UNIFIED_GROUPS else "closest",
        **reference_layout(references),
    }
    keys = tuple(
        Key(clip(g.label, 28), g.color, "line" if g.dash == "solid" else "dash") for g in groups
    )
    notes = _notes(known, spread, line, len(every))
    title = f"{line.title} by {grouping.words}"
    return Card(line.name, title, "; ".join(notes), data, layout, keys, 320)


def _of(spread: pl.DataFrame, group: Group, grouping: Grouping) -> pl.DataFrame:
    named_so = (pl.col(c) == v for c, v in zip(grouping.columns, group.values, strict=True))
    return spread.filter(*named_so)


def _traces(spread: pl.DataFrame, group: Group, line: Line, groups: int) -> list[Trace]:
    band = _band(spread, group) if groups <= BANDED_GROUPS else []
    return [*band, _curve(spread, group, line)]


def _curve(spread: pl.DataFrame, group: Group, line: Line) -> Trace:
    dots = spread.height <= MARKED_ROUNDS
    hover = f"%{{y:{line.format}}}"
    if spread["repeats"].max() != 1:
        between = "–".join(f"%{{customdata[{i}]:{line.format}}}" for i in (0, 1))
        hover += f" ({between} over %{{customdata[2]}} repeats)"
    return {
        "type": "scatter",
        "showlegend": False,
        "name": named(clip(group.label, 32)),
        "x": spread["round"].to_list(),
        "y": plain(spread["mean"]),
        "customdata": [
            [*plain(row[:2]), row[2]] for row in spread["low", "high", "repeats"].rows()
        ],
        "mode": "lines+markers" if dots else "lines",
        "line": {"color": group.color, "width": 2.25, "dash": group.dash},
        "marker": {"color": group.color, "size": 5.5 if spread.height > 1 else 10},
        "hovertemplate": hover,
    }


def _band(spread: pl.DataFrame, group: Group) -> list[Trace]:
    """From the lowest to the highest repeat, as one polygon; with one round, an upright bar."""
    several = spread.filter(pl.col("repeats") > 1)
    if several.is_empty():
        return []
    x = [float(number) for number in several["round"]]
    low, high = plain(several["low"]), plain(several["high"])
    if len(x) == 1:
        x, low, high = [x[0] - 0.06, x[0] + 0.06], low * 2, high * 2
    return [
        {
            "type": "scatter",
            "showlegend": False,
            "x": x + x[::-1],
            "y": high + low[::-1],
            "mode": "lines",
            "line": {"width": 0},
            "fill": "toself",
            "fillcolor": f"{group.color}/0.18",
            "hoverinfo": "skip",
        }
    ]


def _second_traces(
    table: pl.DataFrame, line: Line, grouping: Grouping, groups: Sequence[Group]
) -> list[Trace]:
    column, words = line.second or ("", "")
    spread = over_repeats(table, column, grouping)
    traces = []
    for group in groups:
        own = _of(spread, group, grouping)
        if own.height:
            curve = _curve(own, group, line)
            curve["line"] |= {"width": 1.5, "dash": "dot"}
            curve |= {"mode": "lines", "name": named(clip(f"{group.label}, {words}", 44))}
            traces.append(curve)
    return traces


def _axis(line: Line, data: Sequence[Trace]) -> Trace:
    values = [v for v in chain.from_iterable(trace["y"] for trace in data) if v is not None]
    if line.log and min(values) > 0 and max(values) / min(values) > LOG_RATIO:
        title = {"text": f"{line.axis}, logarithmic"}
        return {"title": title, "type": "log", "nticks": 6, "exponentformat": "power"}
    zero = {"rangemode": "tozero"} if line.from_zero else {}
    return {"title": {"text": line.axis}, "tickformat": "~g", **zero}


def _notes(known: pl.DataFrame, spread: pl.DataFrame, line: Line, groups: int) -> list[str]:
    notes = []
    if spread["repeats"].max() != 1:
        banded = "Band: lowest to highest repeat"
        notes.append(banded if groups <= BANDED_GROUPS else "No bands: too many groups")
    if line.second:
        notes.append(f"Dotted: {line.second[1]}")
    if short := _shorter(known):
        notes.append(f"{count(short, 'run')} without the last rounds: the means are of the others")
    if groups > MOST_GROUPS:
        notes.append(f"{groups - MOST_GROUPS:,} more groups are left out")
    return notes


def _shorter(known: pl.DataFrame) -> int:
    """How many repeats of cells end before the longest ones."""
    last = known.group_by(NAMES).agg(pl.max("round"))["round"]
    return int((last < last.max()).sum())
