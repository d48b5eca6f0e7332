"""The cards of a comparison: curves over time and over requests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedloom.page.bars import Bar, bar_card, level
from fedloom.page.card import Card, Key, Trace, plain
from fedloom.page.time_axis import time_axis, time_unit
from fedloom.page.wording import clip, duration, named
from fedloom.scheduling.page.columns import response_times, takes_gpus, waiting_tasks
from fedloom.scheduling.page.dots import slowdown_card, waiting_card
from fedloom.scheduling.page.usage import gpu_card, usage_card
from fedloom.scheduling.page.view import PolicyView
from fedloom.scheduling.problem import Problem
from fedloom.workload.units import MICROSECONDS

__all__ = ["comparison_cards", "policy_keys"]

POINTS = 200
"""Points of a curve; no screen shows many more."""

WIDE_SPAN = 30
"""Response times that differ by more than this factor stand on a logarithmic axis."""


def comparison_cards(views: Sequence[PolicyView], problem: Problem) -> list[Card]:
    """Return the cards in reading order, without those of which nothing is known."""
    cards = [
        _response_card(views, problem),
        _queue_card(views, problem),
        waiting_card(views),
        slowdown_card(views),
        usage_card(views),
        _switches_card(views),
        gpu_card(views),
    ]
    return level([card for card in cards if card is not None])


def policy_keys(views: Sequence[PolicyView]) -> tuple[Key, ...]:
    """Return one legend entry per policy; none where there is only one."""
    if len(views) == 1:
        return ()
    return tuple(
        Key(clip(view.name, 24), view.color, "line" if view.dash == "solid" else "dash")
        for view in views
    )


def _line(view: PolicyView, x: list[float | None], y: list[float | None], **rest: object) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines" if len(x) > 1 else "markers",
        "meta": {"run": view.index},
        "showlegend": False,
        "name": named(clip(view.name, 30)),
        "x": x,
        "y": y,
        "line": {"color": view.color, "width": 2, "dash": view.dash},
        "marker": {"color": view.color, "size": 9},
        **rest,
    }


def _response_card(views: Sequence[PolicyView], problem: Problem) -> Card | None:
    """Return which share of all requests was done within a time."""
    times = [response_times(problem, view.schedule) for view in views]
    held = [column for column in times if len(column)]
    if not held:
        return None
    shortest = min(int(column[0]) for column in held)
    longest = max(int(column[-1]) for column in held)
    log = longest > WIDE_SPAN * max(1, shortest)
    unit = time_unit(longest / MICROSECONDS)
    data = []
    for view, column in zip(views, times, strict=True):
        if not len(column):
            continue
        rank = _ranks(len(column))
        seconds = np.maximum(column[rank], 1) / MICROSECONDS
        data.append(
            _line(
                view,
                plain((seconds / unit.seconds).tolist()),
                plain(((rank + 1) / problem.requests).tolist()),
                hovertemplate=f"%{{y:.1%}} within %{{x:,.4~r}} {unit.name}",
            )
        )
    axis: Trace = {"title": {"text": f"Response time ({unit.name})"}, "rangemode": "tozero"}
    if log:
        text = f"Response time ({unit.name}, log)"
        axis = {"title": {"text": text}, "type": "log", "exponentformat": "none", "nticks": 8}
    y = {"title": {"text": "Share of all requests"}, "tickformat": ".0%", "range": [0, 1.02]}
    layout = {"xaxis": axis, "yaxis": y, "hovermode": "closest"}
    note = "Further left is better; unfinished requests never get there"
    return Card("response", "Response time", note, data, layout, policy_keys(views), 320)


def _ranks(number: int) -> NDArray[np.int64]:
    """Positions in a sorted column: even steps, finer towards the end, where policies differ."""
    tail = 1 - np.logspace(-1, -4, POINTS // 4)
    share = np.concatenate((np.linspace(0, 1, POINTS), tail))
    return np.unique(np.round(share * (number - 1)).astype(np.int64))


def _queue_card(views: Sequence[PolicyView], problem: Problem) -> Card | None:
    """Return how many tasks were waiting over time."""
    longest_us = max(int(view.schedule.end_us.max(initial=0)) for view in views)
    if not longest_us:
        return None
    unit = time_unit(longest_us / MICROSECONDS)
    edges = np.linspace(0, longest_us, POINTS + 1)
    middles = (edges[1:] + edges[:-1]) / 2 / MICROSECONDS / unit.seconds
    x = plain(middles.tolist())
    queued = takes_gpus(problem)
    data = [
        _line(
            view,
            x,
            plain(waiting_tasks(view.schedule, edges, queued).tolist()),
            hovertemplate="%{y:,.3~r}",
        )
        for view in views
    ]
    layout = {
        "xaxis": time_axis("Time since the first arrival", unit, longest_us / MICROSECONDS),
        "yaxis": {
            "title": {"text": "Tasks that are ready and wait"},
            "rangemode": "tozero",
            "tickformat": ",~r",
        },
        "hovermode": "x unified",
    }
    return Card("queue", "Queue", "", data, layout, policy_keys(views), 320)


def _switches_card(views: Sequence[PolicyView]) -> Card | None:
    known = [
        (view, seconds) for view in views if (seconds := view.number("switch_seconds")) is not None
    ]
    if not known:
        return None
    unit = time_unit(max(seconds for _, seconds in known))
    bars = [
        Bar(view.name, seconds / unit.seconds, _switches(view, seconds), view.color)
        for view, seconds in known
    ]
    title = "Switches between models"
    note = "Time spent on evicting and loading, all switches together"
    return bar_card("switches", title, note, f"Switch time ({unit.name})", bars)


def _switches(view: PolicyView, seconds: float) -> str:
    switches = int(view.number("switches") or 0)
    return f"{switches:,} {'switch' if switches == 1 else 'switches'}, {duration(seconds)}"
