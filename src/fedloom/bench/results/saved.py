"""A study's three tables as files: how imported logs are kept, and how results are exported."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from fedloom.bench.results.frames import CELLS, CLIENTS, ROUNDS, StudyResults
from fedloom.errors import DataError
from fedloom.files import open_replacing, output_errors, write_text

__all__ = ["has_saved", "load_results", "save_results"]

_TABLES = {"cells": CELLS, "rounds": ROUNDS, "clients": CLIENTS}
_ABOUT = "results.json"


def has_saved(folder: Path) -> bool:
    """Whether `save_results` has written here."""
    return (folder / _ABOUT).is_file()


def save_results(results: StudyResults, folder: Path) -> None:
    """Write the tables as Parquet and as CSV; what tells that they are whole comes last.

    Raises:
        OutputError: they cannot be written.
    """
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name in _TABLES:
        table: pl.DataFrame = getattr(results, name)
        with open_replacing(folder / f"{name}.parquet") as file:
            table.write_parquet(file)
        with open_replacing(folder / f"{name}.csv") as file:
            table.write_csv(file)
    about = {
        "name": results.name,
        "baselines": list(results.baselines),
        "warnings": list(results.warnings),
        "about": dict(results.about),
    }
    write_text(folder / _ABOUT, json.dumps(about, indent=2, ensure_ascii=False) + "\n")


def load_results(folder: Path) -> StudyResults:
    """Read what `save_results` wrote.

    Raises:
        DataError: a table is missing or has other columns.
    """
    try:
        about = json.loads((folder / _ABOUT).read_text("utf-8"))
        tables = {
            name: pl.read_parquet(folder / f"{name}.parquet").select(
                pl.col(column).cast(kind) for column, kind in schema.items()
            )
            for name, schema in _TABLES.items()
        }
        return StudyResults(
            name=about["name"],
            baselines=about["baselines"],
            warnings=about["warnings"],
            about=about["about"],
            **tables,
        )
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"the tables in {folder} cannot be read ({error}); import the logs again"
        ) from error
