"""The label × client heatmap: who holds how many rows of which label."""

from __future__ import annotations

import json
import re
from ast import literal_eval
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fedloom.page.card import Card, Trace
from fedloom.page.view import RunView
from fedloom.page.wording import clip, count, named

__all__ = ["Counts", "heatmap_card", "heatmap_cards", "read_counts"]

Counts = Mapping[str, Mapping[str, int]]
"""client → label → rows."""

LYING = 4
"""Up to so many clients lie under one another, with the labels along."""

NAMED_CLIENTS = 40
"""Up to so many clients keep their order and their names; more are sorted and unnamed."""

COLUMNS = 1000
"""More clients are put together, so many to a column: no screen shows more."""

CELLS = 200_000
"""Cells of all heatmaps of a page together, so that a page stays light."""

MAPS = 6
"""So many different splits are shown at most."""


def heatmap_cards(views: Sequence[RunView]) -> list[Card]:
    """Return a heatmap for each different split of the runs."""
    splits: dict[str, tuple[Counts, list[RunView]]] = {}
    for view in views:
        if counts := read_counts(view):
            key = json.dumps(counts, sort_keys=True)
            splits.setdefault(key, (counts, []))[1].append(view)
    chosen = list(splits.values())[:MAPS]
    cards = []
    for number, (counts, holders) in enumerate(chosen):
        title = "Rows by label and client"
        if len(chosen) > 1:
            title += ": " + clip(", ".join(view.name for view in holders), 60)
        elif not holders[0].alone and len(holders) == len(views):
            title += ": the same in all runs"
        cards.append(heatmap_card(counts, title, f"labels-{number}", CELLS // len(chosen)))
    return cards


def read_counts(view: RunView) -> Counts:
    """Return client → label → rows from a run's records; empty where they hold none.

    JSON is read, and the Python literal that older tables hold.
    """
    known = view.clients.select("client_id", "label_counts").drop_nulls()
    first = known.unique("client_id", keep="first", maintain_order=True)
    read = {client: _read_label_counts(text) for client, text in first.rows()}
    return read if any(read.values()) else {}


def heatmap_card(counts: Counts, title: str, name: str = "labels", cells: int = CELLS) -> Card:
    """Return the heatmap of one split."""
    labels = sorted({label for held in counts.values() for label in held}, key=_natural)
    clients = list(counts)
    rows = np.array([[counts[c].get(label, 0) for label in labels] for c in clients], np.float64)
    rows = rows.reshape(len(clients), len(labels)).T
    named_clients = len(clients) <= NAMED_CLIENTS
    if not named_clients:
        order = _sort_clients(rows)
        rows, clients = rows[:, order], [clients[i] for i in order]
    per_column = max(-(-len(clients) // COLUMNS), -(-rows.size // max(cells, len(labels))))
    values, names = _put_together(rows, clients, per_column)
    trace = _heat(values, names, labels, per_column)
    if values.size <= 400 and named_clients:
        trace["texttemplate"] = "%{z:,}"
    axes = _client_axis(names, clients, named_clients), _label_axis(labels)
    if lying := 2 * len(names) <= min(len(labels), 2 * LYING):
        trace, axes = _lay(trace) | {"showscale": False}, axes[::-1]
    upright = len(names) if lying else len(labels)
    height = int(np.clip(26 * upright + 70, 120, 620))
    layout = {"xaxis": axes[0], "yaxis": axes[1] | {"autorange": "reversed"}}
    return Card(
        name, title, _note(rows, per_column, named_clients), [trace], layout, (), height, True
    )


def _read_label_counts(text: str) -> dict[str, int]:
    try:
        held = json.loads(text)
    except ValueError:
        held = _read_literal(text)
    if not isinstance(held, dict):
        return {}
    return {str(k): int(v) for k, v in held.items() if isinstance(v, int | float)}


def _read_literal(text: str) -> object:
    try:
        return literal_eval(text)
    except (ValueError, SyntaxError):
        return None


def _natural(label: str) -> list[tuple[int, float, str]]:
    """Sort key that puts 2 before 10."""
    parts = re.split(r"(\d+)", label)
    return [(0, float(p), "") if p.isdecimal() else (1, 0.0, p) for p in parts if p]


def _sort_clients(rows: NDArray[np.float64]) -> NDArray[np.intp]:
    """Order clients by the label they hold most of, then by how much of them it is."""
    total = np.maximum(rows.sum(axis=0), 1)
    share = rows / total
    return np.lexsort((-share.max(axis=0), share.argmax(axis=0)))


def _put_together(
    rows: NDArray[np.float64], clients: Sequence[str], per_column: int
) -> tuple[NDArray[np.float64], list[str]]:
    if per_column == 1:
        return rows, list(clients)
    starts = np.arange(0, len(clients), per_column)
    sizes = np.diff(np.append(starts, len(clients)))
    names = [
        f"{clients[start]} and {size - 1:,} more"
        for start, size in zip(starts.tolist(), sizes.tolist(), strict=True)
    ]
    return np.add.reduceat(rows, starts, axis=1) / sizes, names


def _heat(
    values: NDArray[np.float64], names: list[str], labels: list[str], per_column: int
) -> Trace:
    top = float(values.max()) if values.size else 0.0
    held = values[values > 0]
    skew = top / float(np.median(held)) if held.size else 1.0
    power = 1 + (skew > 6) + (skew > 24)  # so that a few large cells do not fade all others
    gap = 1 if len(names) <= 2 * NAMED_CLIENTS else 0
    what = "rows" if per_column == 1 else "rows per client"
    return {
        "type": "heatmap",
        "x": [named(name) for name in names],
        "y": [named(label) for label in labels],
        "z": (values.astype(int) if per_column == 1 else values.round(1)).tolist(),
        "zmin": 0,
        "zmax": max(top, 1.0),
        "colorscale": f"@scale/{power}",
        "xgap": gap,
        "ygap": gap,
        "colorbar": {"title": {"text": "Rows"}, "thickness": 12, "outlinewidth": 0, "nticks": 5},
        "hovertemplate": f"%{{x}}<br>label %{{y}}: %{{z:,}} {what}<extra></extra>",
    }


def _lay(trace: Trace) -> Trace:
    """Return the trace with the labels along and the clients down, for a handful of clients."""
    z = [list(row) for row in zip(*trace["z"], strict=True)]
    hover = trace["hovertemplate"].replace("%{x}", "%{Y}").replace("%{y}", "%{x}")
    turned = {"x": trace["y"], "y": trace["x"], "z": z}
    return trace | turned | {"hovertemplate": hover.replace("%{Y}", "%{y}")}


def _client_axis(names: list[str], clients: list[str], named_clients: bool) -> Trace:
    axis: Trace = {"type": "category", "showgrid": False, "ticks": ""}
    if not named_clients:
        return axis | {"title": {"text": f"{len(clients):,} clients"}, "showticklabels": False}
    prefix = _shared_prefix(names)
    short = [named(clip(name[len(prefix) :], 16)) for name in names]
    title = f"Client ({named(prefix)}…)" if prefix else "Client"
    return axis | {"title": {"text": title}, "tickvals": list(range(len(names))), "ticktext": short}


def _shared_prefix(names: list[str]) -> str:
    """Return what all names begin with, up to a separator, or "" where it is not worth cutting."""
    if len(names) < 2:
        return ""
    first, last = min(names), max(names)
    alike = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    match = re.match(r".*[_\- :/]", first[:alike])
    prefix = match.group() if match else ""
    return prefix if len(prefix) >= 3 and all(len(n) > len(prefix) for n in names) else ""


def _label_axis(labels: list[str]) -> Trace:
    axis: Trace = {"type": "category", "showgrid": False, "ticks": ""}
    if len(labels) <= NAMED_CLIENTS:
        ticks = [named(clip(label, 20)) for label in labels]
        axis |= {"tickvals": list(range(len(labels))), "ticktext": ticks}
    return axis | {"title": {"text": "Label"}}


def _note(rows: NDArray[np.float64], per_column: int, named_clients: bool) -> str:
    total = rows.sum(axis=0)
    low, high = int(total.min()), int(total.max())
    held = f"{low:,}" if low == high else f"{low:,}–{high:,}"
    note = f"{count(int(total.sum()), 'row')}; {held} per client"
    if not named_clients:
        note += "; clients sorted by the label they hold most of"
    if per_column > 1:
        note += f"; a column is the mean of {per_column} clients"
    return note
