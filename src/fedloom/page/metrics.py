"""What packages' clients report of the global model: a card per number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from fedloom.page.card import Card
from fedloom.page.curves import Curve, curve_card
from fedloom.page.view import RunView
from fedloom.page.wording import clip

__all__ = ["MOST_METRICS", "metric_cards"]

MOST_METRICS = 8
"""So many numbers get a card each; the table of metrics holds all of them."""

_VALUE = "metric"


def metric_cards(views: Sequence[RunView]) -> list[Card]:
    """Return a card per number that `validate` reported, by round: the spread of the clients."""
    cards = []
    for number, name in enumerate(_names(views)[:MOST_METRICS]):
        title = clip(name, 40)
        curve = Curve(f"metric-{number}", title, title, None, _VALUE)
        cards.append(curve_card([_with_metric(view, name) for view in views], curve))
    return [card for card in cards if card is not None]


def _names(views: Sequence[RunView]) -> list[str]:
    names: dict[str, None] = {}
    for view in views:
        names |= dict.fromkeys(_validated(view)["name"].unique(maintain_order=True).to_list())
    return list(names)


def _validated(view: RunView) -> pl.DataFrame:
    """Return the finite numbers that clients reported of the global weights."""
    metrics = view.tables.metrics
    if metrics.is_empty():
        return pl.DataFrame(schema={"name": pl.String})
    return metrics.filter((pl.col("phase") == "validate") & pl.col("value").is_finite())


def _with_metric(view: RunView, name: str) -> RunView:
    """Return the run with one number as a column of its clients."""
    found = _validated(view).filter(pl.col("name") == name)
    if found.is_empty():
        clients = view.clients.with_columns(pl.lit(None, pl.Float64).alias(_VALUE))
    else:
        values = found.select("round", "client_id", pl.col("value").alias(_VALUE))
        clients = view.clients.join(values, on=["round", "client_id"], how="left")
    return replace(view, tables=replace(view.tables, clients=clients))
