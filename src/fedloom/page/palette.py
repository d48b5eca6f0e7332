"""The colours of a page, one set for light and one for dark, told apart by colour-blind readers.

The series follow Okabe and Ito's palette ("Color Universal Design", 2008), darkened or lightened
until each has a contrast of at least 3 : 1 against the page's surface. Figures name a colour by its
token, ``"@c1"``, ``"@c1/0.2"`` with an opacity, or ``"@scale/2"``, the sequential scale with its
steps raised to a power. The page's script resolves tokens for the theme it shows, so that a switch
of theme restyles every plot.
"""

from __future__ import annotations

from typing import TypedDict

__all__ = ["DASHES", "PALETTES", "SERIES", "Palette", "color_of", "dash_of"]


class Palette(TypedDict):
    """Colours by token, and the steps of the sequential scale from none to most."""

    colors: dict[str, str]
    scale: list[str]


SERIES = 8
"""How many series colours there are: tokens ``@c1`` … ``@c8``."""

DASHES = ("solid", "dash", "dot", "dashdot")
"""Line styles that tell runs apart once the colours begin again."""

PALETTES: dict[str, Palette] = {
    "light": {
        "colors": {
            "c1": "#0067b0",
            "c2": "#d9580d",
            "c3": "#00845f",
            "c4": "#a2478f",
            "c5": "#a97400",
            "c6": "#2a8fcf",
            "c7": "#7b5a3a",
            "c8": "#64707f",
            "bg": "#f4f6f9",
            "surface": "#ffffff",
            "raised": "#f7f9fb",
            "text": "#17202c",
            "muted": "#5a6675",
            "line": "#e2e7ee",
            "grid": "#e9edf2",
        },
        "scale": ["#f3f6fa", "#d3e4f3", "#9cc7e6", "#559fd3", "#1a6fb5", "#0a3d78"],
    },
    "dark": {
        "colors": {
            "c1": "#4ea7f2",
            "c2": "#ff9550",
            "c3": "#37c99b",
            "c4": "#e08bd0",
            "c5": "#f0c04a",
            "c6": "#93d7ff",
            "c7": "#cda57f",
            "c8": "#a3afbf",
            "bg": "#0e131a",
            "surface": "#171e28",
            "raised": "#1d2531",
            "text": "#e8edf4",
            "muted": "#9aa7b8",
            "line": "#2b3645",
            "grid": "#263140",
        },
        "scale": ["#1b2430", "#1c3a5b", "#21609c", "#3f93d6", "#8cc5f2", "#e6f4ff"],
    },
}


def color_of(index: int) -> str:
    """Return the token of a run's colour, by its position on the page from 0."""
    return f"@c{index % SERIES + 1}"


def dash_of(index: int) -> str:
    """Return a run's line style, by its position on the page from 0."""
    return DASHES[index // SERIES % len(DASHES)]
