"""HTML pages and plots: a run's report, a partition's heatmap, and pictures of both.

Nothing heavy is imported before it is used: Polars comes with the tables, Plotly with a page.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedloom.page.picture import MissingProgramError, save_png
    from fedloom.page.read import read_runs
    from fedloom.page.report import heatmap_page, render_report, write_report
    from fedloom.page.tables import RunTables

__all__ = [
    "MissingProgramError",
    "RunTables",
    "heatmap_page",
    "read_runs",
    "render_report",
    "save_png",
    "write_report",
]

_HOMES = {
    "MissingProgramError": "picture",
    "RunTables": "tables",
    "heatmap_page": "report",
    "read_runs": "read",
    "render_report": "report",
    "save_png": "picture",
    "write_report": "report",
}


def __getattr__(name: str) -> Any:
    if (home := _HOMES.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
