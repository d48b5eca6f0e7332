"""A Gantt chart for a page: who was busy with what and when, also with a million bars.

Rows are things that do one thing at a time, in groups; bars are what they did. Several charts, of
the same items on the same rows, share one axis of time. The component draws on a canvas and is
found in ``assets/gantt.js``; this module describes it and puts it into a page.
"""

from __future__ import annotations

from functools import cache
from html import escape
from importlib.resources import files

from fedloom.page.gantt_pack import pack
from fedloom.page.gantt_shape import Chart, Field, Gantt, Row
from fedloom.page.part import Part
from fedloom.page.wording import count

__all__ = ["Chart", "Field", "Gantt", "Row", "gantt_part"]

SHOWN_LINES = 64
"""Charts are shown together from the start while they have so few rows in all."""


def gantt_part(gantt: Gantt) -> Part:
    """Return the chart as a part of a page.

    Raises:
        ValueError: columns differ in length, or a bar names a row or an item that is not there.
    """
    single = any(len(chart.item) <= gantt.limit for chart in gantt.charts)
    html = _TEMPLATE.format(
        title=escape(gantt.title),
        note=escape(_note(gantt)),
        charts=_boxes(gantt),
        charts_label=escape(gantt.charts_label),
        colors="".join(map(_choice, gantt.color_by)),
        colored="" if gantt.color_by and single else " hidden",
        search=escape(gantt.search),
        searched="" if gantt.search and single else " hidden",
        data=pack(gantt),
    )
    return Part(html, _asset("gantt.css"), _script())


_TEMPLATE = """\
<section class="card wide" id="gantt" aria-label="{title}">
<div class="card-head"><h2>{title}</h2><p class="note">{note}</p></div>
<div class="gantt-bar">
<fieldset><legend>{charts_label}</legend>{charts}</fieldset>
<label{colored}>Colour <select name="color">{colors}</select></label>
<label{searched}>{search} <input type="search" name="find" placeholder="Find…" \
autocomplete="off" spellcheck="false"></label>
<span class="gantt-buttons">
<button type="button" name="back" title="Earlier" aria-label="Earlier">←</button>
<button type="button" name="forth" title="Later" aria-label="Later">→</button>
<button type="button" name="in" title="Zoom in" aria-label="Zoom in">+</button>
<button type="button" name="out" title="Zoom out" aria-label="Zoom out">−</button>
<button type="button" name="reset">Show all</button>
</span></div>
<ul class="keys gantt-keys"></ul>
<div class="gantt-stage"><canvas class="gantt-plot" tabindex="0" role="application" \
aria-roledescription="timeline" aria-label="{title}. {note}" aria-describedby="gantt-help"></canvas>
<div class="gantt-tip" hidden></div></div>
<canvas class="gantt-map" aria-hidden="true"></canvas>
<p class="note" role="status"></p>
<p class="note" id="gantt-help">Drag to move. Zoom with the wheel after a click on the chart, or \
with Ctrl and the wheel, or by pinching; Shift and the wheel scroll the rows. Keys: <kbd>←</kbd> \
<kbd>→</kbd> <kbd>↑</kbd> <kbd>↓</kbd> move, <kbd>+</kbd> <kbd>−</kbd> zoom, <kbd>0</kbd> shows \
all, <kbd>N</kbd> <kbd>P</kbd> step from bar to bar.</p>
<script type="text/plain" id="gantt-gz">{data}</script>
</section>
"""


def _boxes(gantt: Gantt) -> str:
    """The charts to tick; ticked are all, or the first where all would be too much to see."""
    together = len(gantt.rows) * len(gantt.charts) <= SHOWN_LINES
    return "".join(
        f'<label><input type="checkbox" name="chart" value="{number}"'
        f"{' checked' if together or number == 0 else ''}>{escape(chart.name)}</label>"
        for number, chart in enumerate(gantt.charts)
    )


def _choice(label: str) -> str:
    return f'<option value="{escape(label)}">{escape(label.lower())}</option>'


def _note(gantt: Gantt) -> str:
    bars = [len(chart.item) for chart in gantt.charts]
    text = f"{count(len(gantt.rows), gantt.row_label)}, {count(sum(bars), 'bar')}"
    limit = gantt.limit
    if any(number > limit for number in bars):
        text += (
            f". Above {limit:,} bars a chart shows how busy each row was, not single bars: "
            "they can be neither told apart by colour nor searched"
        )
    return text if not gantt.note else f"{gantt.note} {text}"


@cache
def _script() -> str:
    """The component's files in one scope."""
    code = "".join(_asset(f"gantt{name}.js") for name in ("", "_pixels", "_hands"))
    return f"(() => {{\n{code}(window.pageParts ??= []).push({{ start, draw }});\n}})();\n"


@cache
def _asset(name: str) -> str:
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")
