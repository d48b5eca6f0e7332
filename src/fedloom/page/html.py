"""Putting a page together: one HTML file that loads nothing, from anywhere."""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from fedloom._version import __version__
from fedloom.page.card import Card, Key
from fedloom.page.palette import PALETTES
from fedloom.page.part import Part

__all__ = ["compose_page"]

_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def compose_page(
    title: str,
    subtitle: str,
    head: str,
    cards: Sequence[Card],
    foot: str,
    parts: Sequence[Part] = (),
) -> str:
    """Return a whole page.

    Args:
        title: plain text.
        subtitle: plain text under the title.
        head: HTML between the title and the plots.
        cards: the plots, in order.
        foot: HTML of further cards after the plots.
        parts: what draws itself, after the foot.
    """
    plots = "".join(_card(card) for card in _arrange(cards))
    return _TEMPLATE.format(
        title=escape(title),
        subtitle=escape(subtitle),
        style=_theme_rules() + _asset("page.css") + "".join(part.style for part in parts),
        mark=_asset("mark.svg").strip(),
        toggle=_asset("theme.svg").strip(),
        head=head,
        plots=plots,
        foot=foot + "".join(part.html for part in parts),
        version=__version__,
        data=_to_json({"palettes": PALETTES, "cards": [_plot_of(card) for card in cards]}),
        plotly_notice=_plotly()[0],
        plotly=_plotly()[1],
        script="".join(part.script for part in parts) + _asset("page.js"),
    )


_TEMPLATE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="Fedloom {version}">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
{style}</style>
</head>
<body>
<main>
<header>{mark}<div class="what"><h1>{title}</h1><p class="sub">{subtitle}</p></div>
<button id="theme" type="button" title="Light or dark" aria-label="Switch between light and dark">\
{toggle}</button></header>
<p id="trouble" class="card"></p>
<noscript><p class="card">The plots need JavaScript; the tables do not.</p></noscript>
{head}
<div class="grid">{plots}{foot}</div>
<footer>Fedloom {version}. This page loads nothing from anywhere.</footer>
</main>
<script type="application/json" id="page-data">{data}</script>
<!-- {plotly_notice} -->
<script type="text/plain" id="plotly-gz">{plotly}</script>
<script>
{script}</script>
</body>
</html>
"""


def _arrange(cards: Sequence[Card]) -> list[Card]:
    """Widen a narrow card that has its row to itself, so that no row has a hole."""
    arranged: list[Card] = []
    pending = 0
    for card in [*cards, None]:
        if (card is None or card.wide) and pending % 2:
            arranged[-1] = replace(arranged[-1], wide=True)
        if card is not None:
            arranged.append(card)
            pending = 0 if card.wide else pending + 1
    return arranged


def _card(card: Card) -> str:
    note = f'<p class="note">{escape(card.note)}</p>' if card.note else ""
    keys = f'<ul class="keys">{"".join(map(_key, card.legend))}</ul>' if card.legend else ""
    return (
        f'<section class="card{" wide" if card.wide else ""}"><div class="card-head">'
        f"<h2>{escape(card.title)}</h2>{note}{keys}</div>"
        f'<div class="plot" id="plot-{card.name}" style="height:{card.height}px" role="img" '
        f'aria-label="{escape(card.title)}"></div></section>'
    )


def _key(key: Key) -> str:
    style = f"--key:var(--{key.color[1:]})"
    return f'<li><span class="key {key.shape}" style="{style}"></span>{escape(key.label)}</li>'


def _plot_of(card: Card) -> dict[str, Any]:
    return {"name": card.name, "data": card.data, "layout": card.layout, "height": card.height}


def _theme_rules() -> str:
    """Return the palettes as CSS variables, for the reader's preference and for the button."""
    light, dark = (_variables(PALETTES[theme]["colors"]) for theme in ("light", "dark"))
    return (
        f":root {{ {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
        f':root[data-theme="light"] {{ {light} color-scheme: light; }}\n'
        f':root[data-theme="dark"] {{ {dark} color-scheme: dark; }}\n'
    )


def _variables(colors: Mapping[str, str]) -> str:
    return " ".join(f"--{name}: {color};" for name, color in colors.items())


def _to_json(value: object) -> str:
    """Return JSON that may stand inside a script element; NaN and infinity are refused."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


@cache
def _asset(name: str) -> str:
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")


@cache
def _plotly() -> tuple[str, str]:
    """Return the licence notice of plotly.js, and plotly.js itself, compressed, as base64."""
    from plotly.offline import get_plotlyjs

    code = get_plotlyjs()
    banner = re.match(r"\s*/\*+(.*?)\*/", code, re.DOTALL)
    notice = " ".join(banner.group(1).replace("*", " ").split()) if banner else "plotly.js, MIT"
    packed = gzip.compress(code.encode(), compresslevel=9, mtime=0)
    return notice.replace("--", "–"), b64encode(packed).decode()
