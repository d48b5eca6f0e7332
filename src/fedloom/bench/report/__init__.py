"""The report of a study: charts, summary table, and what limits each cell."""

from fedloom.bench.report.find import latest_run, page_of
from fedloom.bench.report.study_page import render_study, write_study
from fedloom.bench.report.summary import CellSummary, summarise_cells, summary_document

__all__ = [
    "CellSummary",
    "latest_run",
    "page_of",
    "render_study",
    "summarise_cells",
    "summary_document",
    "write_study",
]
