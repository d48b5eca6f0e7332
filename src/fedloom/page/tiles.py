"""Tiles: the figures that come first on a page."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import NamedTuple

__all__ = ["Tile", "tile_list"]


class Tile(NamedTuple):
    """One figure: what it is, its value as people read it, and one line more."""

    label: str
    value: str
    more: str = ""


def tile_list(tiles: Iterable[Tile]) -> str:
    """Return tiles as HTML; the first one stands out."""
    return f'<dl class="tiles">{"".join(_tile(i == 0, tile) for i, tile in enumerate(tiles))}</dl>'


def _tile(main: bool, tile: Tile) -> str:
    return (
        f'<div class="tile{" main" if main else ""}"><dt>{escape(tile.label)}</dt>'
        f'<dd class="value">{escape(tile.value)}</dd>'
        f'<dd class="more">{escape(tile.more)}</dd></div>'
    )
