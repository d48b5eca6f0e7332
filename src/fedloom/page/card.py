"""A card: one plot with its title, the line that says how to read it, and its legend."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fedloom.page.view import RunView
from fedloom.page.wording import clip, rounded

__all__ = [
    "Card",
    "Key",
    "Trace",
    "axis_of_rounds",
    "base_trace",
    "plain",
    "round_axis",
    "run_keys",
]

Trace = dict[str, Any]
"""A trace or a layout as Plotly reads it, with colour tokens in place of colours."""

KeyShape = Literal["line", "dash", "thin", "band", "dot", "ring", "square"]


@dataclass(frozen=True)
class Key:
    """One entry of a legend: what it is called, its colour's token, and how it is drawn."""

    label: str
    color: str
    shape: KeyShape = "line"


@dataclass(frozen=True)
class Card:
    """One plot of a page.

    Attributes:
        name: short and unique on the page; part of the element's id.
        title: what the plot shows.
        note: one line on how to read it; may be empty.
        data: the traces.
        layout: what the layout adds to the page's own (axes with titles and units).
        legend: the entries of the legend, which the page draws beside the title.
        height: of the plot, in pixels.
        wide: whether it takes the whole width of the page.
    """

    name: str
    title: str
    note: str
    data: list[Trace]
    layout: Trace
    legend: tuple[Key, ...] = ()
    height: int = 300
    wide: bool = False


def base_trace(view: RunView, **rest: Any) -> Trace:
    """Return a trace that belongs to a run, so that the page can hide it with the run."""
    return {"meta": {"run": view.index}, "showlegend": False, **rest}


def round_axis(views: Iterable[RunView]) -> Trace:
    """Return the horizontal axis of rounds: whole numbers, with half a round around them."""
    return axis_of_rounds([number for view in views for number in view.rounds["round"]])


def axis_of_rounds(numbers: Sequence[int]) -> Trace:
    """Return the horizontal axis for these numbers of rounds, as `round_axis`."""
    first, last = min(numbers), max(numbers)
    margin = 0.5 if last - first < 20 else 0.02 * (last - first)
    ticks = {"dtick": 1} if last - first < 12 else {"nticks": 12}
    title = {"title": {"text": "Round"}, "unifiedhovertitle": {"text": "Round %{x}"}}
    return {**title, "range": [first - margin, last + margin], "tickformat": "d", **ticks}


def run_keys(views: Iterable[RunView]) -> tuple[Key, ...]:
    """Return one legend entry per run."""
    return tuple(
        Key(clip(view.name, 24), view.color, "line" if view.dash == "solid" else "dash")
        for view in views
    )


def plain(values: Iterable[float | None]) -> list[float | None]:
    """Return values as a plot carries them: five significant digits, None where there is none."""
    return [rounded(value) for value in values]
