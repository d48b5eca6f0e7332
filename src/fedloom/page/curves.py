"""Curves by round: the global model as a line, the clients as a band or as single lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from fedloom.page.card import Card, Key, KeyShape, Trace, base_trace, plain, round_axis, run_keys
from fedloom.page.view import FEW_CLIENTS, RunView
from fedloom.page.wording import clip, named

__all__ = ["Curve", "curve_card", "divergence_card", "loss_card", "score_card"]

BANDED_RUNS = 4
"""Up to so many runs are drawn with a band each; more would hide one another."""

LOG_RATIO = 100
"""Positive values that span more than this are drawn on a logarithmic axis."""


@dataclass(frozen=True)
class Curve:
    """What a curve card shows.

    Attributes:
        name: short name of the card.
        title: of the card.
        axis: title of the vertical axis, with the unit.
        global_column: column of the rounds for the global line, if any.
        client_column: column of the clients for their spread.
        format: d3 format of the values.
        log: whether a wide span of values may have a logarithmic axis.
        from_zero: whether the axis begins at zero.
    """

    name: str
    title: str
    axis: str
    global_column: str | None
    client_column: str
    format: str = ",.4~r"
    log: bool = False
    from_zero: bool = False


def score_card(views: Sequence[RunView]) -> Card | None:
    """Return score by round: of the global model, and of the clients' own models."""
    tasks = {view.summary.task for view in views} - {None}
    title, axis, form = "Score", "Score", ",.4~r"
    if tasks <= {"classification"}:
        title, axis, form = "Accuracy", "Accuracy on the test part", ".1%"
    elif tasks == {"regression"}:
        title, axis = "R² score", "R² on the test part"
    return curve_card(views, Curve("score", title, axis, "global_score", "local_score", form))


def loss_card(views: Sequence[RunView]) -> Card | None:
    """Return loss by round: of the global model, and of the clients' own models."""
    axis = "Loss on the test part"
    return curve_card(views, Curve("loss", "Loss", axis, "global_loss", "local_loss", log=True))


def divergence_card(views: Sequence[RunView]) -> Card | None:
    """Return how far the clients' weights moved from those the round started with."""
    axis = "L2 norm of local − global weights"
    curve = Curve("divergence", "Divergence", axis, None, "divergence", log=True)
    return curve_card(views, curve)


def curve_card(views: Sequence[RunView], curve: Curve) -> Card | None:
    """Return the card of a curve, or None where no run has a value for it."""
    shown = [view for view in views if _has_global(view, curve) or view.has(curve.client_column)]
    if not shown:
        return None
    data = [trace for view in shown for trace in _traces(view, curve, len(shown))]
    axis: Trace = {
        "title": {"text": curve.axis},
        "tickformat": "~%" if curve.format.endswith("%") else curve.format,
    }
    if curve.log and _spans_widely(data):
        axis |= {"type": "log", "title": {"text": f"{curve.axis} (log)"}, "nticks": 6}
    elif curve.from_zero:
        axis |= {"rangemode": "tozero"}
    layout = {"xaxis": round_axis(shown), "yaxis": axis, "hovermode": "x unified"}
    legend = _keys(shown[0], curve) if shown[0].alone else run_keys(shown)
    return Card(curve.name, curve.title, _note(shown, curve), data, layout, legend)


def _has_global(view: RunView, curve: Curve) -> bool:
    return bool(curve.global_column and view.rounds[curve.global_column].count())


def _note(views: Sequence[RunView], curve: Curve) -> str:
    banded = [view for view in views if _is_banded(view, curve, len(views))]
    if views[0].alone or not banded:
        return ""
    return "Band: 10–90 % of the clients"


def _is_banded(view: RunView, curve: Curve, runs: int) -> bool:
    many = len(view.client_ids) > FEW_CLIENTS
    return many and view.has(curve.client_column) and runs <= BANDED_RUNS


def _keys(view: RunView, curve: Curve) -> tuple[Key, ...]:
    single = view.rounds.height == 1
    line: KeyShape = "dot" if single else "line"
    keys = [Key("Global model", view.color, line)] if _has_global(view, curve) else []
    if not view.has(curve.client_column):
        return tuple(keys)
    color = view.client_color
    if len(view.client_ids) <= FEW_CLIENTS:
        return (*keys, Key("Each client", color, "dot" if single else "thin"))
    median: KeyShape = "dash" if keys and not single else line
    band = Key("Clients, 10–90 %", color, "band")
    return (*keys, Key("Clients, median", color, median), band)


def _traces(view: RunView, curve: Curve, runs: int) -> list[Trace]:
    traces: list[Trace] = []
    if view.has(curve.client_column):
        traces += _client_traces(view, curve, runs)
    if curve.global_column and _has_global(view, curve):
        rounds = view.rounds
        label = "Global" if view.alone else view.name
        values = plain(rounds[curve.global_column])
        traces.append(_line(view, label, rounds["round"], values, curve, color=view.color))
    return traces


def _client_traces(view: RunView, curve: Curve, runs: int) -> list[Trace]:
    has_global = _has_global(view, curve)
    if view.alone and len(view.client_ids) <= FEW_CLIENTS:
        return _single_lines(view, curve)
    spread = view.spread(curve.client_column)
    traces = _band(view, spread) if _is_banded(view, curve, runs) else []
    if view.alone or not has_global:
        label = "Clients, median" if view.alone else view.name
        values = plain(spread["median"])
        line = _line(view, label, spread["round"], values, curve, color=view.client_color)
        if has_global:
            line["line"] |= {"width": 1.75, "dash": "dash"}
            line["marker"] |= {"size": 4}
        traces.append(line | _range_hover(view, spread, curve))
    return traces


def _range_hover(view: RunView, spread: pl.DataFrame, curve: Curve) -> Trace:
    if len(view.client_ids) <= FEW_CLIENTS:
        return {}
    shown = curve.format
    between = f"%{{customdata[0]:{shown}}} – %{{customdata[1]:{shown}}}"
    return {
        "customdata": [
            list(row) for row in zip(plain(spread["low"]), plain(spread["high"]), strict=True)
        ],
        "hovertemplate": f"%{{y:{shown}}} (10–90 %: {between})",
    }


def _line(
    view: RunView,
    label: str,
    rounds: pl.Series,
    values: list[float | None],
    curve: Curve,
    *,
    color: str,
) -> Trace:
    few = len(values) <= 40
    return base_trace(
        view,
        type="scatter",
        name=named(clip(label, 32)),
        x=rounds.to_list(),
        y=values,
        mode="lines+markers" if few else "lines",
        line={"color": color, "width": 2.5, "dash": view.dash},
        marker={"color": color, "size": 6 if len(values) > 1 else 10},
        hovertemplate=f"%{{y:{curve.format}}}",
    )


def _band(view: RunView, spread: pl.DataFrame) -> list[Trace]:
    """The 10–90 % band as one polygon; with a single round, an upright bar."""
    known = spread.drop_nulls("median")
    x, low, high = known["round"].to_list(), plain(known["low"]), plain(known["high"])
    if len(x) == 1:
        x = [x[0] - 0.06, x[0] + 0.06]
        low, high = low * 2, high * 2
    fill = f"{view.client_color}/{0.2 if view.alone else 0.13}"
    return [
        base_trace(
            view,
            type="scatter",
            x=x + x[::-1],
            y=high + low[::-1],
            mode="lines",
            line={"width": 0},
            fill="toself",
            fillcolor=fill,
            hoverinfo="skip",
        )
    ]


def _single_lines(view: RunView, curve: Curve) -> list[Trace]:
    traces = []
    for client_id in view.client_ids:
        own = view.clients.filter(pl.col("client_id") == client_id)
        values = view.rounds.select("round").join(
            own.select("round", curve.client_column).unique("round"), on="round", how="left"
        )
        line = _line(
            view,
            client_id,
            values["round"],
            plain(values[curve.client_column]),
            curve,
            color=view.client_color,
        )
        line["line"] |= {"width": 1.25}
        line["marker"] |= {"size": 4 if values.height > 1 else 8}
        traces.append(line | {"opacity": 0.75})
    return traces


def _spans_widely(data: Sequence[Trace]) -> bool:
    values = [value for trace in data for value in trace["y"] if value is not None]
    return bool(values) and min(values) > 0 and max(values) / min(values) > LOG_RATIO
