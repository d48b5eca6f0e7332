"""Cards of lying bars: one named bar under another, with its value beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from fedloom.page.card import Card, Key, Trace
from fedloom.page.palette import SERIES
from fedloom.page.wording import clip, named, rounded

__all__ = [
    "OTHERS_COLOR",
    "Bar",
    "LyingCard",
    "bar_card",
    "colors_by_rank",
    "largest",
    "level",
    "lying_card",
]

OTHERS_COLOR = f"@c{SERIES}"
"""The grey that stands for all that have no colour of their own."""

NAME_WIDTH, WIDE_NAME_WIDTH = 26, 44

FRAME = 64
"""Pixels of a card's height that its plot needs for the axis below."""

Amount = TypeVar("Amount", int, float)


class Bar(NamedTuple):
    """A bar: its name, its length, what is written beside it, and the token of its colour."""

    name: str
    value: float
    text: str
    color: str = "@c1"


def bar_card(
    name: str, title: str, note: str, axis: str, bars: Sequence[Bar], legend: tuple[Key, ...] = ()
) -> Card:
    """Return a card of bars in the order given, from the top.

    Args:
        name: of the card.
        title: what it shows.
        note: how to read it.
        axis: title of the axis, with the unit.
        bars: at least one.
        legend: what the colours mean.
    """
    trace: Trace = {
        "type": "bar",
        "orientation": "h",
        "showlegend": False,
        "x": [rounded(bar.value) for bar in bars],
        "y": list(range(len(bars))),
        "text": [f" {named(bar.text)} " for bar in bars],
        "textposition": "auto",
        "insidetextanchor": "end",
        "insidetextfont": {"color": "@surface"},
        "textangle": 0,
        "constraintext": "none",
        "customdata": [named(clip(bar.name, 90)) for bar in bars],
        "hovertemplate": "%{customdata}<br>%{text}<extra></extra>",
        "marker": {"color": [bar.color for bar in bars]},
        "width": 0.72,
    }
    longest = max((bar.value for bar in bars), default=0) or 1
    layout = {
        "xaxis": {"title": {"text": axis}, "range": [0, 1.03 * longest], "nticks": 6},
        "hovermode": "closest",
    }
    return lying_card(Card(name, title, note, [trace], layout, legend), [bar.name for bar in bars])


@dataclass(frozen=True)
class LyingCard(Card):
    """A card whose vertical axis names things at 0, 1, …, the first at the top.

    Attributes:
        names: of the things.
        pixels: height of each, at least.
    """

    names: tuple[str, ...] = ()
    pixels: int = 24

    @property
    def needed(self) -> int:
        """The height at which nothing is cramped."""
        return max(150, round(FRAME + 1.5 * self.pixels * len(self.names)))

    def at_height(self, height: int) -> LyingCard:
        """Return the card with a height, and its things no thicker than need be."""
        places = max(len(self.names), (height - FRAME) / (1.8 * self.pixels))
        width = WIDE_NAME_WIDTH if self.wide else NAME_WIDTH
        axis = {
            "tickvals": list(range(len(self.names))),
            "ticktext": [named(clip(name, width)) for name in self.names],
            "range": [places - 0.5, -0.5],
            "showgrid": False,
        }
        return replace(self, layout={**self.layout, "yaxis": axis}, height=height)


def lying_card(card: Card, names: Sequence[str], pixels: int = 24) -> LyingCard:
    """Return the card with a vertical axis of named things.

    Few things leave room below them, so that the card is as high as its neighbour; many make it
    higher, and then it takes the whole width.

    Args:
        card: without its vertical axis.
        names: of the things.
        pixels: height of each, at least.
    """
    least = FRAME + pixels * len(names)
    fields = {field: getattr(card, field) for field in Card.__dataclass_fields__}
    lying = LyingCard(**fields, names=tuple(names), pixels=pixels)
    if least > card.height:
        return replace(lying, wide=True).at_height(least)
    return lying.at_height(card.height)


def level(cards: Sequence[Card]) -> list[Card]:
    """Return the cards with those lower that need not be so high, neighbours alike.

    A lying card beside one of another kind keeps its height.
    """
    levelled: list[Card] = []
    row: list[Card] = []
    for card in [*cards, None]:
        if card is None or card.wide or len(row) == 2:
            levelled += _lowered(row)
            row = []
        if card is not None and card.wide:
            levelled += _lowered([card])
        elif card is not None:
            row.append(card)
    return levelled


def _lowered(row: Sequence[Card]) -> list[Card]:
    lying = [card for card in row if isinstance(card, LyingCard)]
    if len(lying) < len(row):
        return list(row)
    height = max((card.needed for card in lying), default=0)
    return [card.at_height(min(height, card.height)) for card in lying]


def largest(
    amounts: Mapping[str, Amount], most: int
) -> tuple[list[tuple[str, Amount]], list[tuple[str, Amount]]]:
    """Return the `most` largest entries, largest first, and the others; of equals, in their order.

    One entry too many is shown rather than called "others".
    """
    order = sorted(amounts.items(), key=lambda entry: -entry[1])
    cut = most if len(order) > most + 1 else len(order)
    return order[:cut], order[cut:]


def colors_by_rank(amounts: Mapping[str, float]) -> dict[str, str]:
    """Return a colour for each name, the largest first; beyond seven or eight they share a grey."""
    order = sorted(amounts, key=lambda name: -amounts[name])
    own = len(order) if len(order) <= SERIES else SERIES - 1
    return {name: f"@c{i + 1}" if i < own else OTHERS_COLOR for i, name in enumerate(order)}
