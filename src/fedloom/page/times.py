"""Cards of time: what the clients took by round, what their size explains, and simulated time."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from fedloom.page.card import Card, Key, Trace, base_trace, plain, round_axis, run_keys
from fedloom.page.curves import Curve, curve_card
from fedloom.page.view import FEW_CLIENTS, RunView
from fedloom.page.wording import clip, named

__all__ = ["simulated_card", "size_card", "time_card"]

BOXED_ROUNDS = 40
"""Up to so many rounds have a box each; more are drawn as a band."""

FEWEST_DOTS = 3
"""Fewer clients show nothing in a scatter."""

SHOWN_CLIENTS = 1000
"""More clients are thinned evenly by size in the scatter of time against rows."""


def time_card(views: Sequence[RunView]) -> Card | None:
    """Return the clients' training time: a box per round, or per run where there are several."""
    return _spread_card(
        views, "time", "train_seconds", "Client training time", "Seconds (measured)"
    )


def simulated_card(views: Sequence[RunView]) -> Card | None:
    """Return the time on the modelled devices, apart from what the host measured."""
    axis = "Seconds (device model)"
    return _spread_card(views, "simulated", "simulated_seconds", "Simulated client time", axis)


def size_card(views: Sequence[RunView]) -> Card | None:
    """Return every client's median training time against its rows."""
    shown = [view for view in views if view.has("train_seconds") and view.has("num_examples")]
    if sum(len(view.client_ids) for view in shown) < FEWEST_DOTS:
        return None
    data = [_dots(view) for view in shown]
    layout = {
        "xaxis": {"title": {"text": "Training rows"}, "rangemode": "tozero", "tickformat": ","},
        "yaxis": {"title": {"text": "Median seconds per round"}, "rangemode": "tozero"},
        "hovermode": "closest",
    }
    note = "One dot per client"
    legend = () if shown[0].alone else run_keys(shown)
    return Card("size", "Training time against data", note, data, layout, legend)


def _spread_card(
    views: Sequence[RunView], name: str, column: str, title: str, axis: str
) -> Card | None:
    shown = [view for view in views if view.has(column)]
    if not shown:
        return None
    if not shown[0].alone:
        return _runs_card(shown, name, column, title, axis)
    view = shown[0]
    if len(view.client_ids) <= FEW_CLIENTS:
        return curve_card(views, Curve(name, title, axis, None, column, from_zero=True))
    boxed = view.rounds.height <= BOXED_ROUNDS
    data = _boxes(view, column) if boxed else _bands(view, column)
    y: Trace = {"title": {"text": axis}, "rangemode": "tozero"}
    layout = {"xaxis": round_axis(shown), "yaxis": y, "hovermode": "x unified"}
    legend: tuple[Key, ...] = (Key("Middle half; whiskers 10–90 %", "@c2", "square"),)
    if not boxed:
        legend = (Key("Clients, median", "@c2"), Key("Clients, 10–90 %", "@c2", "band"))
    return Card(name, title, "", data, layout, (*legend, Key("Slowest client", "@c4", "dot")))


def _box_values(low: pl.DataFrame) -> Trace:
    return {
        "q1": plain(low["q1"]),
        "median": plain(low["median"]),
        "q3": plain(low["q3"]),
        "lowerfence": plain(low["low"]),
        "upperfence": plain(low["high"]),
    }


def _boxes(view: RunView, column: str) -> list[Trace]:
    spread = view.spread(column).drop_nulls("median")
    box = base_trace(
        view,
        type="box",
        name="Clients",
        x=spread["round"].to_list(),
        **_box_values(spread),
        line={"color": "@c2", "width": 1.5},
        fillcolor="@c2/0.22",
        hoverinfo="skip",
    )
    if spread.height == 1:
        box["width"] = 0.3
    return [box, *_bands(view, column)[1:]]


def _bands(view: RunView, column: str) -> list[Trace]:
    """The 10–90 % band, the median with the numbers on hover, and the slowest client."""
    spread = view.spread(column).drop_nulls("median")
    x = spread["round"].to_list()
    shared = {"type": "scatter", "x": x}
    band = base_trace(
        view,
        type="scatter",
        x=x + x[::-1],
        y=plain(spread["high"]) + plain(spread["low"])[::-1],
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor="@c2/0.2",
        hoverinfo="skip",
    )
    boxed = len(x) <= BOXED_ROUNDS
    median = base_trace(
        view,
        **shared,
        name="Median",
        y=plain(spread["median"]),
        mode="markers" if boxed else "lines",
        marker={"opacity": 0, "color": "@c2"},
        line={"color": "@c2", "width": 2.5},
        hovertemplate="%{y:,.4~r} s",
    )
    slowest = base_trace(
        view,
        **shared,
        name="Slowest",
        y=plain(spread["max"]),
        mode="markers" if boxed else "lines",
        marker={"color": "@c4", "size": 6},
        line={"color": "@c4", "width": 1.25, "dash": "dot"},
        hovertemplate="%{y:,.4~r} s",
    )
    return [band, median, slowest]


def _runs_card(views: Sequence[RunView], name: str, column: str, title: str, axis: str) -> Card:
    """One lying box per run over all its rounds and clients."""
    data = []
    for view in views:
        value = pl.col(column)
        spread = view.clients.select(
            low=value.quantile(0.1, "linear"),
            q1=value.quantile(0.25, "linear"),
            median=value.median(),
            q3=value.quantile(0.75, "linear"),
            high=value.quantile(0.9, "linear"),
        )
        data.append(
            base_trace(
                view,
                type="box",
                orientation="h",
                name=named(clip(view.name, 18)),
                y=[view.index],
                **_box_values(spread),
                line={"color": view.color, "width": 1.75},
                fillcolor=f"{view.color}/0.22",
                width=0.5,
                hoverinfo="x",
            )
        )
    ticks = [view.index for view in views]
    names = [named(clip(view.name, 18)) for view in views]
    y = {"tickvals": ticks, "ticktext": names, "autorange": "reversed", "showgrid": False}
    x = {"title": {"text": axis}, "rangemode": "tozero"}
    note = "All rounds together: median, middle half, whiskers 10–90 %"
    layout = {"xaxis": x, "yaxis": y, "hovermode": "closest"}
    return Card(name, title, note, data, layout, height=max(300, 60 + 26 * len(views)))


def _dots(view: RunView) -> Trace:
    clients = (
        view.clients.group_by("client_id", maintain_order=True)
        .agg(pl.col("num_examples").max(), pl.col("train_seconds").median())
        .drop_nulls()
        .sort("num_examples")
    )
    clients = clients.gather_every(max(1, -(-clients.height // SHOWN_CLIENTS)))
    label = "" if view.alone else f"{named(view.name)}<br>"
    return base_trace(
        view,
        type="scatter",
        mode="markers",
        x=clients["num_examples"].to_list(),
        y=plain(clients["train_seconds"]),
        text=[named(client) for client in clients["client_id"]],
        marker={
            "color": f"{view.client_color}/{0.75 if clients.height <= 100 else 0.35}",
            "size": 9 if clients.height <= 100 else 6,
            "line": {"width": int(clients.height <= 100), "color": "@surface"},
        },
        hovertemplate=f"{label}%{{text}}<br>%{{x:,}} rows, %{{y:,.4~r}} s<extra></extra>",
    )
