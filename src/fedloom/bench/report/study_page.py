"""The report of a study: one HTML page that loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fedloom.bench.report.baseline_table import baseline_card
from fedloom.bench.report.beside import side_by_side
from fedloom.bench.report.cell_table import cells_part
from fedloom.bench.report.charts import study_cards
from fedloom.bench.report.head import alerts, facts, tiles
from fedloom.bench.report.limit_table import limit_card
from fedloom.bench.report.summary import summarise_cells
from fedloom.bench.report.troubles import Severity, find_troubles
from fedloom.bench.report.whole import complete_results
from fedloom.bench.results.frames import StudyResults
from fedloom.files import write_text
from fedloom.page.html import compose_page
from fedloom.page.wording import count

__all__ = ["render_study", "write_study"]

_EMPTY = '<section class="card alert mild"><p>No cell has any results yet.</p></section>'


def render_study(studies: Sequence[StudyResults]) -> str:
    """Return the report of a study, or of several side by side.

    What was not measured is left out, so that the page of a study that has only begun, or of logs
    that hold little, shows what there is.

    Args:
        studies: at least one; of several, each backend's name is followed by its study's.

    Raises:
        InputError: there is no study.
    """
    given = side_by_side(studies)
    whole = complete_results(given)
    cells = summarise_cells(whole)
    troubles = find_troubles(given, cells)
    diverged = len({id(t.cell) for t in troubles if t.severity is Severity.DIVERGED})
    table = cells_part(cells, troubles)
    return compose_page(
        "Performance study" if len(studies) == 1 else f"{len(studies)} performance studies",
        f"{given.name} · {count(len(cells), 'cell')}",
        alerts(troubles, given.warnings, cells)
        + (tiles(cells, troubles) if cells else _EMPTY)
        + facts(given, cells),
        study_cards(whole, diverged),
        table.html + limit_card(cells) + baseline_card(given.baselines, cells),
        [type(table)("", table.style, table.script)],
    )


def write_study(studies: Sequence[StudyResults], path: Path) -> None:
    """Write the report to `path` in one step, replacing what was there.

    Raises:
        InputError: there is no study.
        OutputError: the place cannot be written or the disk is full.
    """
    write_text(path, render_study(studies))
