"""Cards of dots: a line per workflow or tenant, a dot on it per policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fedloom.page.bars import lying_card
from fedloom.page.card import Card, Key, Trace, plain
from fedloom.page.palette import SERIES
from fedloom.page.time_axis import time_unit
from fedloom.page.wording import clip, count, named
from fedloom.scheduling.page.view import PolicyView

__all__ = ["slowdown_card", "waiting_card"]

SHOWN = 24
"""Up to so many workflows or tenants have a line each."""

SYMBOLS = ("circle", "diamond", "square", "cross")
"""Told apart once the colours begin again."""


class _Measure(NamedTuple):
    """What is compared: of which groups, at which keys, and what the card says."""

    name: str
    title: str
    axis: str
    noun: str
    groups: str
    path: tuple[str, ...]


def waiting_card(views: Sequence[PolicyView]) -> Card | None:
    """Return the mean waiting time of the tasks of each workflow."""
    measure = _Measure(
        "waiting",
        "Waiting by workflow",
        "Mean time from ready to start",
        "workflow",
        "workflows",
        ("waiting_s", "mean"),
    )
    longest = max((max(row) for row in _rows(views, measure).values()), default=0)
    unit = time_unit(longest)
    return _dots_card(views, measure, unit.seconds, unit.name)


def slowdown_card(views: Sequence[PolicyView]) -> Card | None:
    """Return the mean slowdown of each tenant, or of each workflow where there are no tenants."""
    noun = "tenant" if any(view.metrics.get("tenants") for view in views) else "workflow"
    measure = _Measure(
        "slowdown",
        f"Slowdown by {noun}",
        "Mean response time ÷ critical path",
        noun,
        f"{noun}s",
        ("slowdown", "mean"),
    )
    return _dots_card(views, measure, 1, "")


def _rows(views: Sequence[PolicyView], measure: _Measure) -> dict[str, list[float]]:
    """The values of each group that any policy has one for, in the order of the metrics."""
    names = dict.fromkeys(name for view in views for name in view.metrics.get(measure.groups, ()))
    rows = {
        name: [
            v
            for view in views
            if (v := view.number(measure.groups, name, *measure.path)) is not None
        ]
        for name in names
    }
    return {name: values for name, values in rows.items() if values}


def _dots_card(
    views: Sequence[PolicyView], measure: _Measure, scale: float, unit: str
) -> Card | None:
    rows = _rows(views, measure)
    if not rows:
        return None
    shown = sorted(rows, key=lambda name: -max(rows[name]))[:SHOWN]
    spans = [(min(rows[name]) / scale, max(rows[name]) / scale) for name in shown]
    data = [_span_lines(spans)] if len(views) > 1 else []
    data += [_dots(view, shown, measure, scale, unit) for view in views]
    axis = f"{measure.axis} ({unit})" if unit else measure.axis
    layout = {
        "xaxis": {"title": {"text": axis}, "rangemode": "tozero", "nticks": 6},
        "hovermode": "closest",
    }
    note = "Further left is better"
    if len(rows) > len(shown):
        note += f"; {count(len(rows) - len(shown), measure.noun)} with less left out"
    keys = tuple(Key(clip(v.name, 24), v.color, "dot") for v in views) if len(views) > 1 else ()
    card = Card(measure.name, measure.title, note, data, layout, keys)
    return lying_card(card, [name or "no tenant" for name in shown])


def _span_lines(spans: Sequence[tuple[float, float]]) -> Trace:
    """A line from the best policy to the worst, for the eye to follow."""
    ends = [(x, float(y)) for y, (low, high) in enumerate(spans) for x in (low, high, None)]
    return {
        "type": "scatter",
        "mode": "lines",
        "showlegend": False,
        "x": plain(x for x, _ in ends),
        "y": [y for _, y in ends],
        "line": {"color": "@line", "width": 3},
        "hoverinfo": "skip",
    }


def _dots(
    view: PolicyView, names: Sequence[str], measure: _Measure, scale: float, unit: str
) -> Trace:
    values = [view.number(measure.groups, name, *measure.path) for name in names]
    return {
        "type": "scatter",
        "mode": "markers",
        "meta": {"run": view.index},
        "showlegend": False,
        "name": named(clip(view.name, 30)),
        "x": plain(None if value is None else value / scale for value in values),
        "y": list(range(len(names))),
        "customdata": [named(clip(name or "no tenant", 60)) for name in names],
        "marker": {
            "color": view.color,
            "size": 11,
            "symbol": SYMBOLS[view.index // SERIES % len(SYMBOLS)],
            "line": {"width": 1.5, "color": "@surface"},
        },
        "hovertemplate": f"%{{customdata}}<br>%{{x:,.4~r}} {unit}",
    }
