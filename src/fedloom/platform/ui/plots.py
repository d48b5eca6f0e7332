"""A task's numbers by round as ECharts sees them.

Colours are names of the page's own (``c1``, ``muted``): the browser looks them up whenever a plot
is drawn, so a switch of theme needs no other options. Nothing that a user wrote stands as a key:
NiceGUI would run the value of a key that begins with a colon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from fedloom.platform.ui.feed import FEW_CLIENTS, Line, TaskView
from fedloom.platform.ui.series import Metric, order_metrics, read_scalars, thin

__all__ = ["format_value", "metrics_of", "plot_metric", "summarize_metric"]

Options: TypeAlias = dict[str, Any]
Points: TypeAlias = list[list[float]]

_FEW_POINTS = 40
_LOOKED_AT = 50
_CLIENT_COLORS = ("c2", "c3", "c4", "c5", "c6", "c7", "c8")


def metrics_of(view: TaskView) -> list[Metric]:
    """Return all metrics that a task's rounds or clients have, in the order of their plots."""
    names: set[str] = set()
    for place in thin(range(len(view.rounds)), _LOOKED_AT):
        names |= read_scalars(view.rounds[place]).keys()
    for number in thin(sorted(view.bands), _LOOKED_AT):
        names |= view.bands[number].keys()
    return order_metrics(names)


def summarize_metric(view: TaskView, metric: Metric) -> str:
    """Return the last value in words, of the global model, or else of the clients."""
    if points := _global_points(view, metric):
        return format_value(points[-1][1])
    if points := _median_points(view, metric):
        return f"median {format_value(points[-1][1])}"
    return ""


def plot_metric(view: TaskView, metric: Metric, chosen: Mapping[str, Line]) -> Options:
    """Return the options of a plot: the global line, the clients' band, and chosen clients."""
    whole = _global_points(view, metric)
    series = _client_series(view, metric, chosen, {int(n): value for n, value in whole})
    if whole:
        series.append(_line("Global", whole, "c1", width=2.5))
    last = max([view.task.num_global_iterations, *view.bands, 1])
    return {
        "animation": False,
        "grid": {"left": 4, "right": 14, "top": 34, "bottom": 4, "containLabel": True},
        "legend": _legend(series),
        "tooltip": {
            "trigger": "axis",
            "confine": True,
            ":backgroundColor": "flmColor('surface')",
            ":borderColor": "flmColor('line')",
            "textStyle": {":color": "flmColor('text')", "fontSize": 12},
            ":valueFormatter": "flmValue",
        },
        "xAxis": _axis()
        | {"min": 0, "max": max(2, last), "minInterval": 1}
        | {"splitLine": {"show": False}},
        "yAxis": _axis() | {"scale": True, "splitNumber": 4},
        "series": series,
    }


def _client_series(
    view: TaskView, metric: Metric, chosen: Mapping[str, Line], whole: Mapping[int, float]
) -> list[Options]:
    """Return the clients' lines, or their band; what only repeats the round's own is left out."""
    few = len(view.last_clients) <= FEW_CLIENTS and bool(view.lines)
    lines = {**view.lines, **chosen} if few else dict(chosen)
    series = [] if few else _band_series(view, metric, whole)
    for place, (name, line) in enumerate(sorted(lines.items())):
        color = _CLIENT_COLORS[(place + (not few)) % len(_CLIENT_COLORS)]
        points = [(n, line[n][metric.name]) for n in _rounds(line) if metric.name in line[n]]
        if any(whole.get(n) != value for n, value in points):
            series.append(_line(name[:40], points, color, width=1.4))
    return series


def _band_series(view: TaskView, metric: Metric, whole: Mapping[int, float]) -> list[Options]:
    """The band as two stacked areas, the lower of which cannot be seen, and the median."""
    known = [n for n in _rounds(view.bands) if metric.name in view.bands[n]]
    bands = [(n, view.bands[n][metric.name]) for n in known]
    if all(band.low == band.high == whole.get(n) for n, band in bands):
        return []
    hidden = {"silent": True, "tooltip": {"show": False}, "stack": "band", "stackStrategy": "all"}
    low = _line("", [[n, band.low] for n, band in bands], "c2", width=0) | hidden
    high = _line(
        "Clients, 10–90 %", [[n, band.high - band.low] for n, band in bands], "c2", width=0
    )
    fill = {":color": "flmColor('c2')", "opacity": 0.2}
    median = _line("Clients, median", [[n, band.median] for n, band in bands], "c2", width=1.6)
    median["lineStyle"]["type"] = "dashed"
    no_dots = {"showSymbol": len(known) == 1, "symbolSize": 0 if len(known) > 1 else 4}
    return [low | no_dots, high | hidden | no_dots | {"areaStyle": fill}, median]


def _global_points(view: TaskView, metric: Metric) -> Points:
    by_round = {int(row["round"]): row for row in view.rounds}
    found = []
    for number in thin(list(by_round)):
        value = read_scalars(by_round[number]).get(metric.name)
        if value is not None:
            found.append([float(number), value])
    return found


def _median_points(view: TaskView, metric: Metric) -> Points:
    known = [n for n in sorted(view.bands) if metric.name in view.bands[n]]
    return [[float(n), view.bands[n][metric.name].median] for n in known[-1:]]


def _rounds(rows: Mapping[int, Any]) -> list[int]:
    return thin(sorted(rows))


def _line(name: str, points: Sequence[Sequence[float]], color: str, width: float) -> Options:
    few = len(points) <= _FEW_POINTS
    return {
        "type": "line",
        "name": name,
        "data": [list(point) for point in points],
        "showSymbol": few,
        "symbolSize": 5 if len(points) > 1 else 9,
        "symbol": "circle",
        "itemStyle": {":color": f"flmColor('{color}')"},
        "lineStyle": {":color": f"flmColor('{color}')", "width": width},
    }


def _legend(series: Sequence[Options]) -> Options:
    return {
        "type": "scroll",
        "top": 0,
        "left": 0,
        "icon": "roundRect",
        "itemHeight": 4,
        "itemWidth": 16,
        "textStyle": {":color": "flmColor('muted')"},
        "pageIconSize": 10,
        "pageTextStyle": {":color": "flmColor('muted')"},
        "data": [one["name"] for one in series if one["name"]],
    }


def _axis() -> Options:
    return {
        "type": "value",
        "axisLabel": {":color": "flmColor('muted')", "hideOverlap": True},
        "axisLine": {"lineStyle": {":color": "flmColor('line')"}},
        "axisTick": {"show": False},
        "splitLine": {"lineStyle": {":color": "flmColor('grid')"}},
    }


def format_value(value: float) -> str:
    """Return a number with four digits that say something.

    Example:
        >>> format_value(0.98765), format_value(123456.0), format_value(3.0)
        ('0.9877', '123,456', '3')
    """
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:.4g}"
