"""The cards of a workload's page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import exp, sqrt

from fedloom.page.bars import (
    OTHERS_COLOR,
    Bar,
    bar_card,
    colors_by_rank,
    largest,
    level,
    lying_card,
)
from fedloom.page.card import Card, Key, Trace, plain
from fedloom.page.time_axis import time_axis, time_unit
from fedloom.page.wording import clip, count, duration, named, number, percent
from fedloom.workload.statistics.view import Histogram, StatsView

__all__ = ["stats_cards"]

SHOWN = 24
"""Up to so many workflows, tenants or models have a bar each."""


def stats_cards(view: StatsView) -> list[Card]:
    """Return the cards in reading order, without those of which nothing is known."""
    cards = [
        _arrivals_card(view),
        _gaps_card(view),
        _tokens_card(view),
        _counts_card("mix", "Requests by workflow", "workflow", view.mix),
        _counts_card("tenants", "Requests by tenant", "tenant", view.tenants),
        _hours_card(view),
        _times_card(view),
    ]
    return level([card for card in cards if card is not None])


def _arrivals_card(view: StatsView) -> Card | None:
    """Arrivals over time, one stack per bin."""
    totals = {name: sum(counts) for name, counts in view.arrivals.items()}
    bins = max(map(len, view.arrivals.values()), default=0)
    if not bins:
        return None
    colors = colors_by_rank(totals)
    shown = [name for name in sorted(totals, key=lambda n: -totals[n]) if totals[name]]
    stacks: dict[str, list[int]] = {}
    labels: dict[str, str] = {}
    for name in shown:
        stack = stacks.setdefault(colors[name], [0] * bins)
        for i, arrived in enumerate(view.arrivals[name]):
            stack[i] += arrived
        labels.setdefault(colors[name], name)
    others = sum(color == OTHERS_COLOR for color in colors.values())
    if others > 1:
        labels[OTHERS_COLOR] = count(others, "other")
    unit = time_unit(bins * view.bin_s)
    width = view.bin_s / unit.seconds
    data = [_stack(labels[color], color, values, width) for color, values in stacks.items()]
    layout = {
        "xaxis": time_axis("Time since the first arrival", unit, bins * view.bin_s),
        "yaxis": _whole_axis(f"Arrivals in {duration(view.bin_s)}", stacks.values()),
        "barmode": "stack",
        "bargap": 0,
        "hovermode": "x unified",
    }
    keys = tuple(Key(clip(labels[color], 28), color, "square") for color in stacks)
    return Card("arrivals", "Arrivals over time", "", data, layout, keys, wide=True)


def _whole_axis(title: str, stacks: Iterable[Sequence[int]]) -> Trace:
    """Return an axis of counts; it shows no fractions of one."""
    highest = max(map(sum, zip(*stacks, strict=True)), default=0)
    return {"title": {"text": title}, "tickformat": ",~r"} | ({"dtick": 1} if highest < 6 else {})


def _stack(name: str, color: str, values: list[int], width: float) -> Trace:
    return {
        "type": "bar",
        "name": named(clip(name, 40)),
        "showlegend": False,
        "x": plain((i + 0.5) * width for i in range(len(values))),
        "y": values,
        "width": width,
        "marker": {"color": color, "line": {"width": 0.8, "color": color}},
        "hovertemplate": "%{y:,}",
    }


def _gaps_card(view: StatsView) -> Card | None:
    """The gaps between arrivals, and what they would be if nothing but chance were at work."""
    if view.gaps is None or not view.gaps.total:
        return None
    data = [_steps("Gaps", "@c1", view.gaps)]
    keys = [Key("Gaps", "@c1", "band")]
    if view.gap_mean_s:
        data.append(_exponential(view.gaps, view.gap_mean_s))
        keys.append(Key("Exponential, same mean", "@c2", "line"))
    note = "" if view.gap_cv is None else f"Coefficient of variation {number(view.gap_cv, 3)}"
    if note:
        note += "; 1 is a Poisson process, more is burstier"
    axes = _log_axes("Seconds between arrivals (log)", "Gaps", [view.gaps])
    return Card("gaps", "Time between arrivals", note, data, axes, tuple(keys))


def _exponential(gaps: Histogram, mean_s: float) -> Trace:
    """How many gaps each bin would hold, at the geometric middle of the bin."""
    bins = list(pairwise(gaps.edges))
    return {
        "type": "scatter",
        "name": "Exponential",
        "showlegend": False,
        "mode": "lines" if len(bins) > 1 else "markers",
        "x": plain(sqrt(low * high) for low, high in bins),
        "y": plain(gaps.total * (exp(-low / mean_s) - exp(-high / mean_s)) for low, high in bins),
        "line": {"color": "@c2", "width": 2.5, "shape": "spline"},
        "marker": {"color": "@c2"},
        "hovertemplate": "%{y:,.3~r}",
    }


def _steps(name: str, color: str, histogram: Histogram) -> Trace:
    """The outline of a histogram."""
    counts = [0, *histogram.counts, 0]
    return {
        "type": "scatter",
        "name": name,
        "showlegend": False,
        "mode": "lines",
        "x": plain([histogram.edges[0], *histogram.edges]),
        "y": counts,
        "line": {"color": color, "width": 1.5, "shape": "hv"},
        "fill": "tozeroy",
        "fillcolor": f"{color}/0.25",
        "hovertemplate": "%{y:,}",
    }


def _log_axes(x: str, y: str, shown: Sequence[Histogram]) -> Trace:
    """Axes of histograms; the tens are marked, and their halves where there are few tens."""
    lowest = min(histogram.edges[0] for histogram in shown)
    highest = max(histogram.edges[-1] for histogram in shown)
    return {
        "xaxis": {
            "type": "log",
            "title": {"text": x},
            "exponentformat": "none",
            "separatethousands": True,
            "dtick": 1 if highest > 200 * lowest else "D2",
            "unifiedhovertitle": {"text": "from %{x:,.3~r}"},
        },
        "yaxis": {"title": {"text": y}, "rangemode": "tozero", "tickformat": ",~r"},
        "hovermode": "x unified",
    }


def _counts_card(name: str, title: str, noun: str, counts: Mapping[str, int]) -> Card | None:
    if not any(counts.values()):
        return None
    total = sum(counts.values())
    shown, others = largest(counts, SHOWN)
    bars = [Bar(key, value, f"{value:,} ({percent(value / total)})") for key, value in shown]
    if others:
        rest = sum(value for _, value in others)
        text = f"{rest:,} ({percent(rest / total)})"
        bars.append(Bar(count(len(others), f"other {noun}"), rest, text, OTHERS_COLOR))
    return bar_card(name, title, "", "Requests", bars)


def _hours_card(view: StatsView) -> Card | None:
    """GPU-hours by model, in the colour of its type."""
    hours = {model: value for model, value in view.gpu_hours_by_model.items() if value > 0}
    if not hours:
        return None
    total = sum(hours.values())
    colors = colors_by_rank(view.gpu_hours_by_type)
    shown, others = largest(hours, SHOWN)
    bars = [
        Bar(model, value, _hours(value), colors.get(view.model_types.get(model, ""), "@c1"))
        for model, value in shown
    ]
    if others:
        rest = sum(value for _, value in others)
        bars.append(Bar(count(len(others), "other model"), rest, _hours(rest), "@muted"))
    legend = tuple(
        Key(f"{clip(kind, 24)} {_hours(value)}", colors[kind], "square")
        for kind, value in largest(view.gpu_hours_by_type, 7)[0]
        if value > 0
    )
    note = f"{_hours(total)} in all: execution time × GPUs"
    return bar_card("hours", "GPU-hours by model", note, "GPU-hours", bars, legend)


def _hours(value: float) -> str:
    return f"{number(value, 3)} h"


def _tokens_card(view: StatsView) -> Card | None:
    known = {kind: tokens for kind, tokens in view.tokens.items() if tokens.total}
    if not known:
        return None
    colors = {"input": "@c1", "output": "@c2"}
    data, keys = [], []
    for kind, tokens in known.items():
        color = colors.get(kind, "@c3")
        data.append(_steps(named(kind), color, tokens))
        median = number(round(tokens.quantile(0.5)), 3)
        keys.append(Key(f"{kind}, median {median}", color, "band"))
    axes = _log_axes("Tokens per call (log)", "Calls", list(known.values()))
    return Card("tokens", "Tokens", "", data, axes, tuple(keys))


def _times_card(view: StatsView) -> Card | None:
    """A lying box per workflow for the critical path, and one for the sum of its nodes."""
    known = {name: times.total for name, times in view.total_s.items() if times.total}
    if not known:
        return None
    shown, others = largest(known, SHOWN)
    names = [name for name, _ in shown]
    groups = [("Sum of all nodes", "@c2", view.total_s)]
    if view.critical_s:
        groups.insert(0, ("Critical path", "@c1", view.critical_s))
    data = [
        _boxes(label, color, names, times, (i - (len(groups) - 1) / 2) * 0.36)
        for i, (label, color, times) in enumerate(groups)
    ]
    note = "On a device of speed 1: median, middle half, whiskers 5–95 %"
    if others:
        note += f"; {count(len(others), 'rarer workflow')} left out"
    axis = {"title": {"text": "Seconds"}, "rangemode": "tozero"}
    layout = {"xaxis": axis, "hovermode": "closest"}
    keys = tuple(Key(label, color, "square") for label, color, _ in groups)
    card = Card("times", "Execution time by workflow", note, data, layout, keys)
    return lying_card(card, names, pixels=16 + 14 * len(groups))


def _boxes(
    label: str, color: str, names: list[str], times: Mapping[str, Histogram], offset: float
) -> Trace:
    places = [(i, times[name]) for i, name in enumerate(names) if name in times]
    spread = {
        key: plain(held.quantile(share) for _, held in places)
        for key, share in (
            ("lowerfence", 0.05),
            ("q1", 0.25),
            ("median", 0.5),
            ("q3", 0.75),
            ("upperfence", 0.95),
        )
    }
    return {
        "type": "box",
        "orientation": "h",
        "name": label,
        "showlegend": False,
        "y": [i + offset for i, _ in places],
        **spread,
        "line": {"color": color, "width": 1.5},
        "fillcolor": f"{color}/0.22",
        "width": 0.3,
        "hoverinfo": "x",
    }
