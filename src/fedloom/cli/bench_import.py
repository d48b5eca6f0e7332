"""`fedloom bench import`: an older study's logs as a run that can be reported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fedloom.bench.legacy import Imported

__all__ = ["import_logs"]


def import_logs(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="The folder that holds BACKEND/STRATEGY/N/server_log.log, or a tidy table .csv.",
            show_default=False,
        ),
    ],
    run: Annotated[
        str | None, typer.Option(help="Name of the run.", show_default="imported-DIR")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--dir", help="Folder of all runs.", show_default="federated-learning-results"
        ),
    ] = None,
    tidy: Annotated[
        Path | None, typer.Option(help="Also write the logs as a tidy table, .csv.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the cells as JSON.")] = False,
) -> None:
    """Read a folder of logs of the older study, and correct its accuracies.

    What was recorded there is a running mean over all evaluations of a server process; it is kept
    beside what the server had measured. Then: fedloom bench report RUN_FOLDER

    For example: fedloom bench import old-results --tidy eda_logs.csv
    """
    from fedloom.bench.legacy import import_study
    from fedloom.cli.printing import print_warnings

    found = import_study(source, run=run, results=folder, tidy=tidy, overwrite=overwrite)
    print_warnings(found.results.warnings)
    if as_json:
        _print_json(found)
    else:
        _print_table(found, tidy)


def _print_json(found: Imported) -> None:
    from fedloom.cli.printing import print_json

    print_json(
        {
            "folder": str(found.folder),
            "tidy_rows": found.tidy_rows,
            "cells": _rows(found),
            "warnings": list(found.results.warnings),
        }
    )


def _print_table(found: Imported, tidy: Path | None) -> None:
    from fedloom.cli.listing import print_rows

    heads = ["backend", "strategy", "clients", "status", "rounds", "round s", "recorded", "score"]
    names = ["backend", "strategy", "clients", "status", "rounds", "round_seconds"]
    names += ["recorded_score", "score"]
    rows = [[row[name] for name in names] for row in _rows(found)]
    print_rows(heads, rows, none="no cells")
    if tidy is not None:
        typer.echo(f"{tidy}: {found.tidy_rows} rows")
    typer.echo(f"{found.folder}: fedloom bench report {found.folder} makes a page of it")


def _rows(found: Imported) -> list[dict[str, Any]]:
    """Return a row per cell, with its mean round time and its last round's score."""
    from fedloom.bench.results.last import summarise_cells

    return summarise_cells(found.results).to_dicts()
