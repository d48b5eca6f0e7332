"""Records: one row per client and round, one row per round; writing, reading, merging them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedloom.records.merging import MergeSummary, merge, merge_files
from fedloom.records.mlaas import Columns
from fedloom.records.schema import ClientRecord, RoundRecord, column_names
from fedloom.records.write import RecordWriter

if TYPE_CHECKING:
    from fedloom.records.quality import rate_services
    from fedloom.records.read import read_metrics, read_records, read_rounds

__all__ = [
    "ClientRecord",
    "Columns",
    "MergeSummary",
    "RecordWriter",
    "RoundRecord",
    "column_names",
    "merge",
    "merge_files",
    "rate_services",
    "read_metrics",
    "read_records",
    "read_rounds",
]

_NEED_POLARS = {
    "rate_services": "quality",
    "read_metrics": "read",
    "read_records": "read",
    "read_rounds": "read",
}


def __getattr__(name: str) -> Any:
    """Import what needs Polars only when it is asked for, so that `merge` starts at once."""
    if name not in _NEED_POLARS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_NEED_POLARS[name]}"), name)
