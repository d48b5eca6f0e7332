"""The summary table: a row per cell, a column per measure, what limits it, sorted and searched."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from itertools import groupby

from fedloom.bench.report.measures import MEASURES, Kind, Measure
from fedloom.bench.report.shares import Limit
from fedloom.bench.report.spelling import spell, spell_interval
from fedloom.bench.report.summary import CellSummary
from fedloom.bench.report.troubles import Severity, Trouble
from fedloom.page.part import Part
from fedloom.page.wording import MISSING

__all__ = ["cells_part"]


def cells_part(cells: Sequence[CellSummary], troubles: Sequence[Trouble]) -> Part:
    """Return the table with its own script; "" where there is no cell.

    Args:
        cells: the rows.
        troubles: what is wrong with some of them.
    """
    if not cells:
        return Part("")
    shown = [m for m in MEASURES if any(cell.measures[m.name].count for cell in cells)]
    worst = {id(t.cell): t for t in reversed(troubles)}  # the worst is last, and stays
    rows = "".join(_row(cell, shown, worst.get(id(cell))) for cell in cells)
    return Part(
        '<section class="card table policies cells" id="cells"><div class="card-head">'
        f'<h2>All cells</h2><p class="note">{escape(_note(cells))}</p>'
        '<label class="cells-find">Find <input type="search" placeholder="jax FedAvg 5" '
        'aria-label="find cells"></label></div>'
        f'<div class="scroll" tabindex="0"><table><thead>{_head(shown)}</thead>'
        f"<tbody>{rows}</tbody></table></div></section>",
        _asset("cells.css"),
        _asset("cells.js"),
    )


def _asset(name: str) -> str:
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")


def _note(cells: Sequence[CellSummary]) -> str:
    repeats = max(cell.repeats for cell in cells)
    if repeats == 1:
        return "One run per cell: no intervals, and small differences may be chance"
    return (
        f"Mean of up to {repeats} repeats ± half of its 95 % interval (Student's t, wide because "
        "repeats are few); without ±: one run"
    )


def _head(shown: Sequence[Measure]) -> str:
    groups = [(name, list(held)) for name, held in groupby(shown, key=lambda m: m.group)]
    tops = "".join(
        f'<th class="first" colspan="{len(held)}">{escape(name)}</th>' for name, held in groups
    )
    labels = "".join(
        _label(m.label, m.meaning, "first" if i == 0 else "")
        for _, held in groups
        for i, m in enumerate(held)
    )
    name = '<th class="text name" rowspan="2"><button type="button">Cell</button></th>'
    run = _label("Repeats", "that began", "first") + _label("Status", "how they ended", "text")
    limit = _label("Largest share of a round", "see “Where the time goes”", "first text")
    return (
        f'<tr>{name}<th class="first" colspan="2">Run</th>{tops}'
        f'<th class="first">Limit</th></tr><tr>{run}{labels}{limit}</tr>'
    )


def _label(text: str, meaning: str, names: str) -> str:
    return (
        f'<th class="{names}" title="{escape(meaning)}">'
        f'<button type="button">{escape(text)}</button></th>'
    )


def _row(cell: CellSummary, shown: Sequence[Measure], trouble: Trouble | None) -> str:
    groups = [list(held) for _, held in groupby(shown, key=lambda m: m.group)]
    figures = "".join(
        _figure(cell, measure, first=i == 0) for held in groups for i, measure in enumerate(held)
    )
    key = f"{cell.backend} {cell.strategy} {cell.clients:06d}"
    return (
        f'<tr><td class="text name" data-value="{escape(key)}">{escape(cell.name)}</td>'
        f'<td class="first" data-value="{cell.repeats}">{cell.repeats}</td>'
        f"{_status(cell, trouble)}{figures}{_limit(cell)}</tr>"
    )


def _status(cell: CellSummary, trouble: Trouble | None) -> str:
    words = ", ".join(
        status if len(cell.statuses) == 1 else f"{number} {status}"
        for status, number in cell.statuses.items()
    )
    if trouble and trouble.severity is Severity.DIVERGED and "diverged" not in words:
        words = f"diverged ({words})"
    bad = trouble is not None and trouble.severity is not Severity.DOUBTFUL
    title = f' title="{escape(trouble.text)}"' if trouble else ""
    mark = " ⚠" if trouble else ""
    names = "text bad" if bad else "text"
    return f'<td class="{names}" data-value="{escape(words)}"{title}>{escape(words)}{mark}</td>'


def _figure(cell: CellSummary, measure: Measure, *, first: bool) -> str:
    found = cell.measures[measure.name]
    names = ' class="first"' if first else ""
    if found.mean is None:
        missed = measure.name == "target_seconds" and cell.target_score is not None
        return f"<td{names}>{'never' if missed else MISSING}</td>"
    text = escape(spell_interval(found, measure.kind))
    of = f"{found.count} of {cell.repeats}"
    note = "" if found.count == cell.repeats else f' <span class="note">({of})</span>'
    return f'<td{names} data-value="{found.mean!r}">{text}{note}</td>'


def _limit(cell: CellSummary) -> str:
    found = cell.limitation
    if found is None:
        return f'<td class="first text">{MISSING}</td>'
    shares = ", ".join(f"{limit} {100 * share:.0f} %" for limit, share in found.shares.items())
    text = f"{found.limit} {100 * found.share:.0f} %"
    busy = cell.measures["fit_machine_cpu_percent"].mean
    if found.limit is Limit.COMPUTE and busy is not None:
        text += f" (machine {spell(busy, Kind.PERCENT)} busy)"
    return (
        f'<td class="first text" data-value="{escape(text)}" title="{escape(shares)}">'
        f"{escape(text)}</td>"
    )
