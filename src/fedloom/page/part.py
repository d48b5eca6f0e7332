"""A part of a page that draws itself: HTML with a style and a script of its own."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Part"]


@dataclass(frozen=True, slots=True)
class Part:
    """What is no Plotly card.

    The script appends an object to ``window.pageParts``. The page calls its ``start(tools)`` once
    and waits for it, and its ``draw()`` whenever the theme or the medium changes. ``tools`` has
    ``color(token)``, which resolves a token of the palette, and ``unpack(element)``, which gives
    the bytes that an element holds as base64 of gzip.

    Attributes:
        html: what stands in the grid of the page, after the cards.
        style: CSS.
        script: JavaScript, which runs before the page's own.
    """

    html: str
    style: str = ""
    script: str = ""
