"""The head of the page: what is wrong first, then the figures that matter, then what was run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape

from fedloom.bench.outcome import CellStatus
from fedloom.bench.report.measures import Kind
from fedloom.bench.report.shares import Limit
from fedloom.bench.report.spelling import spell, spell_interval
from fedloom.bench.report.summary import CellSummary
from fedloom.bench.report.troubles import Severity, Trouble
from fedloom.bench.results.frames import StudyResults
from fedloom.page.tiles import Tile, tile_list
from fedloom.page.wording import clip, count

__all__ = ["alerts", "facts", "tiles"]

OPEN_UP_TO = 12
"""So many troubles or warnings are shown unfolded."""

_HEADINGS = {
    Severity.FAILED: "failed",
    Severity.DIVERGED: "diverged",
    Severity.DOUBTFUL: "to be read with care",
}


_SHORT = {
    Limit.CLIENTS: "waiting",
    Limit.SERVER: "the server",
    Limit.PHASES: "clients",
}


def alerts(
    troubles: Sequence[Trouble], warnings: Sequence[str], cells: Sequence[CellSummary]
) -> str:
    """Return what is wrong, as HTML; empty where nothing is."""
    grave = [s for s in Severity if s is not Severity.DOUBTFUL]
    parts = [_of_severity(s, troubles, len(cells)) for s in grave]
    mild = [_of_severity(Severity.DOUBTFUL, troubles, len(cells))]
    if warnings:
        lines = [escape(warning) for warning in warnings]
        mild.append(_folded(count(len(warnings), "warning"), lines))
    return _section("".join(parts), "") + _section("".join(mild), " mild")


def _section(body: str, names: str) -> str:
    return f'<section class="card alert{names}">{body}</section>' if body else ""


def _of_severity(severity: Severity, troubles: Sequence[Trouble], cells: int) -> str:
    found = [trouble for trouble in troubles if trouble.severity is severity]
    if not found:
        return ""
    affected = len({id(trouble.cell) for trouble in found})
    title = f"{affected:,} of {count(cells, 'cell')} {_HEADINGS[severity]}"
    return _folded(title, [f"<b>{escape(t.cell.name)}</b>: {escape(t.text)}" for t in found])


def _folded(title: str, lines: Sequence[str]) -> str:
    opened = " open" if len(lines) <= OPEN_UP_TO else ""
    items = "".join(f"<li>{line}</li>" for line in lines)
    return f"<details{opened}><summary>{escape(title)}</summary><ul>{items}</ul></details>"


def tiles(cells: Sequence[CellSummary], troubles: Sequence[Trouble]) -> str:
    """Return the figures that come first; empty where there is no cell.

    A cell that has finished and diverged all the same does not count as finished.
    """
    if not cells:
        return ""
    diverged = {id(t.cell) for t in troubles if t.severity is Severity.DIVERGED}
    sound = [cell for cell in cells if id(cell) not in diverged]
    done = sum(cell.statuses.get(CellStatus.FINISHED, 0) for cell in sound)
    runs = sum(cell.repeats for cell in cells)
    first = Tile("Runs finished", f"{done:,} of {runs:,}", f"{count(len(cells), 'cell')}")
    picked = [
        _picked(cells, "Best final score", "final_score", Kind.SCORE, largest=True),
        _picked(cells, "Fastest round", "round_seconds", Kind.SECONDS),
        _picked(cells, "First at the target", "target_seconds", Kind.SECONDS),
        _commonest_limit(cells),
    ]
    return tile_list([first, *(tile for tile in picked if tile is not None)])


def _commonest_limit(cells: Sequence[CellSummary]) -> Tile | None:
    limits = Counter(c.limitation.limit for c in cells if c.limitation is not None)
    if not limits:
        return None
    limit, number = limits.most_common(1)[0]
    return Tile(
        "Mostly limited by", _SHORT.get(limit, limit), f"{number:,} of {len(cells):,} cells"
    )


def _picked(
    cells: Sequence[CellSummary], title: str, name: str, kind: Kind, *, largest: bool = False
) -> Tile | None:
    known = [(mean, cell) for cell in cells if (mean := cell.measures[name].mean) is not None]
    if not known:
        return None
    choose = max if largest else min
    mean, cell = choose(known, key=lambda pair: pair[0])
    interval = cell.measures[name]
    more = "" if interval.half_width is None else f": {spell_interval(interval, kind)}"
    return Tile(title, spell(mean, kind), clip(f"{cell.name}{more}", 60))


def facts(results: StudyResults, cells: Sequence[CellSummary]) -> str:
    """Return what was compared, as short labelled facts."""
    targets = sorted({c.target_score for c in cells if c.target_score is not None})
    known = {
        **results.about,
        "Backends": ", ".join(dict.fromkeys(cell.backend for cell in cells)),
        "Strategies": ", ".join(dict.fromkeys(cell.strategy for cell in cells)),
        "Clients": ", ".join(str(n) for n in sorted({cell.clients for cell in cells})),
        "Rounds": str(max((cell.rounds[1] for cell in cells), default="")),
        "Repeats": str(max((cell.repeats for cell in cells), default="")),
        "Target score": ", ".join(f"{target:g}" for target in targets),
        "Run": results.name,
    }
    items = (
        f"<li><span>{escape(label)}</span>{escape(value)}</li>"
        for label, value in known.items()
        if value
    )
    return f'<ul class="facts">{"".join(items)}</ul>'
