"""The third table of a run: every number that clients report beside their weights, in long format.

Only packages report such numbers. Documents they come from are kept whole, as JSON files.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fedloom.files import output_errors, write_text
from fedloom.records.csvtext import encode_cell, encode_row
from fedloom.records.cut import cut_after
from fedloom.records.schema import MetricRecord, column_names, describe_columns
from fedloom.records.write import append_rows

__all__ = ["METRICS", "MetricsWriter"]

METRICS = "metrics"
"""Name of the table in a run's folder, without its suffix, and of the folder of documents."""

_COLUMNS = column_names(MetricRecord)
_ROUND = re.compile(r"round_([0-9]{4,})")


class MetricsWriter:
    """Writes ``metrics.csv`` and the folder ``metrics`` of one run.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._csv = folder / f"{METRICS}.csv"

    def append(self, records: Sequence[MetricRecord]) -> None:
        """Write the numbers of one finished round.

        Raises:
            OutputError: the table cannot be written or the disk is full; it ends where it ended.
        """
        kinds = [column.kind for column in describe_columns(MetricRecord)]
        rows = [
            encode_row(
                encode_cell(getattr(record, name), kind)
                for name, kind in zip(_COLUMNS, kinds, strict=True)
            )
            for record in records
        ]
        append_rows(self._csv, _COLUMNS, rows)

    def keep(self, round: int, documents: Mapping[str, Any]) -> None:  # noqa: A002
        """Write the documents of one round, each as the JSON file of its name."""
        for name, document in documents.items():
            path = self._folder / METRICS / f"round_{round:04d}" / f"{name}.json"
            write_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")

    def truncate_after(self, round: int) -> None:  # noqa: A002
        """Remove what belongs to later rounds, to go on after `round`.

        Raises:
            OutputError: a file cannot be removed, or the table belongs to something else.
        """
        with output_errors(self._csv):
            self._csv.with_suffix(".parquet").unlink(missing_ok=True)
        cut_after(self._csv, _COLUMNS, round, reach=0)
        place = self._folder / METRICS
        for folder in list(place.iterdir()) if place.is_dir() else ():
            found = _ROUND.fullmatch(folder.name)
            if found and int(found[1]) > round:
                with output_errors(folder):
                    shutil.rmtree(folder)

    def write_parquet(self) -> None:
        """Write the table as ``metrics.parquet`` too.

        Raises:
            OutputError: it cannot be written or the disk is full.
        """
        from fedloom.records.parquet import write_table

        write_table(self._csv, self._csv.with_suffix(".parquet"), MetricRecord)
