"""Cards of utilisation: what the GPUs did, over all and one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedloom.page.bars import lying_card
from fedloom.page.card import Card, Key, Trace, plain
from fedloom.page.wording import clip, named, percent
from fedloom.scheduling.page.view import PolicyView

__all__ = ["gpu_card", "usage_card"]

COLUMNS = 500
"""More GPUs are put together, so many to a column: no screen shows more."""

STATES = (("executing", "@c1"), ("switching", "@c2"), ("idle", "@c8/0.3"))


def usage_card(views: Sequence[PolicyView]) -> Card | None:
    """Return what each policy's GPUs did, all together."""
    known = [view for view in views if view.number("utilisation", "mean") is not None]
    if not known:
        return None
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "showlegend": False,
            "name": state.capitalize(),
            "x": plain(_overall(view, state) for view in known),
            "y": list(range(len(known))),
            "text": [_spelt(_overall(view, state)) for view in known],
            "constraintext": "none",
            "textposition": "inside",
            "insidetextanchor": "start",
            "textangle": 0,
            "insidetextfont": {"color": "@text" if state == "idle" else "@surface"},
            "marker": {"color": color},
            "customdata": [named(clip(view.name, 60)) for view in known],
            "hovertemplate": f"%{{customdata}}<br>{state} %{{x:.1%}}<extra></extra>",
            "width": 0.72,
        }
        for state, color in STATES
    ]
    axis = {"title": {"text": "Share of GPU-time"}, "tickformat": ".0%", "range": [0, 1]}
    layout = {"xaxis": axis, "barmode": "stack", "hovermode": "closest"}
    card = Card("usage", "Utilisation", "Until the last execution's end", data, layout, _keys())
    return lying_card(card, [view.name for view in known])


def gpu_card(views: Sequence[PolicyView]) -> Card | None:
    """Return what each GPU did: stacks for one policy, a map of executing for several."""
    known = [(view, rows) for view in views if (rows := _by_gpu(view))]
    if not known or len(known[0][1]) < 2:
        return None
    return _stacks_card(known[0][1]) if len(known) == 1 else _map_card(known)


def _keys() -> tuple[Key, ...]:
    return tuple(
        Key(state.capitalize(), color.partition("/")[0], "band" if "/" in color else "square")
        for state, color in STATES
    )


def _overall(view: PolicyView, state: str) -> float | None:
    if state == "executing":
        return view.number("utilisation", "mean")
    if (share := view.number("utilisation", state)) is not None:
        return share
    rows = _by_gpu(view)
    return sum(_share(row, state) for row in rows) / len(rows) if rows else None


def _spelt(share: float | None) -> str:
    """A share as its bar shows it; a narrow bar has no room."""
    return percent(share) if share and share > 0.1 else ""


def _by_gpu(view: PolicyView) -> Sequence[Mapping[str, Any]]:
    usage = view.metrics.get("utilisation")
    rows = usage.get("by_gpu") if isinstance(usage, Mapping) else None
    return rows if isinstance(rows, Sequence) else ()


def _share(row: Mapping[str, Any], state: str) -> float:
    return float(row.get(state) or 0)


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[Sequence[Mapping[str, Any]]]:
    """Neighbouring GPUs that are shown as one."""
    size = -(-len(rows) // COLUMNS)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _mean(rows: Sequence[Mapping[str, Any]], state: str) -> float:
    return sum(_share(row, state) for row in rows) / len(rows)


def _name(rows: Sequence[Mapping[str, Any]]) -> str:
    first = named(clip(str(rows[0].get("gpu", "")), 40))
    return first if len(rows) == 1 else f"{first} and {len(rows) - 1} more"


def _gpu_axis(columns: list[Sequence[Mapping[str, Any]]]) -> Trace:
    names = [_name(column) for column in columns]
    axis: Trace = {"title": {"text": "GPU"}, "showgrid": False}
    if len(names) <= 32:
        return axis | {"tickvals": list(range(len(names))), "ticktext": names}
    return axis | {"showticklabels": False, "title": {"text": f"{sum(map(len, columns))} GPUs"}}


def _stacks_card(rows: Sequence[Mapping[str, Any]]) -> Card:
    columns = _columns(rows)
    data = [
        {
            "type": "bar",
            "showlegend": False,
            "name": state.capitalize(),
            "x": list(range(len(columns))),
            "y": plain(_mean(column, state) for column in columns),
            "customdata": [_name(column) for column in columns],
            "marker": {"color": color},
            "hovertemplate": f"%{{customdata}}<br>{state} %{{y:.1%}}<extra></extra>",
        }
        for state, color in STATES
    ]
    layout = {
        "xaxis": _gpu_axis(columns),
        "yaxis": {"title": {"text": "Share of time"}, "tickformat": ".0%", "range": [0, 1]},
        "barmode": "stack",
        "bargap": 0.25 if len(columns) <= 64 else 0,
        "hovermode": "closest",
    }
    return Card("gpus", "Utilisation by GPU", "", data, layout, _keys(), wide=True)


def _map_card(known: Sequence[tuple[PolicyView, Sequence[Mapping[str, Any]]]]) -> Card:
    columns = [_columns(rows) for _, rows in known]
    names = [_name(column) for column in columns[0]]
    values = [[_mean(column, "executing") for column in row] for row in columns]
    trace: Trace = {
        "type": "heatmap",
        "x": list(range(len(names))),
        "y": list(range(len(known))),
        "z": [plain(row) for row in values],
        "text": [names] * len(known),
        "zmin": 0,
        "zmax": 1,
        "colorscale": "@scale",
        "xgap": 1 if len(names) <= 128 else 0,
        "ygap": 2,
        "colorbar": {
            "title": {"text": "Executing"},
            "thickness": 12,
            "outlinewidth": 0,
            "nticks": 5,
            "tickformat": ".0%",
        },
        "hovertemplate": "%{text}<br>executing %{z:.1%}<extra></extra>",
    }
    layout = {"xaxis": _gpu_axis(columns[0]), "hovermode": "closest"}
    height = 100 + 26 * len(known)
    card = Card("gpus", "Utilisation by GPU", "", [trace], layout, (), height, wide=True)
    return lying_card(card, [view.name for view, _ in known])
