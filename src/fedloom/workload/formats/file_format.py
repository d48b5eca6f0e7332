"""The formats of request files, and which of them a file's name stands for."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from fedloom.errors import InputError

__all__ = ["SUFFIXES", "FileFormat", "format_of", "is_gzip_name"]


class FileFormat(StrEnum):
    """How requests are spelt in a file."""

    JSON = "json"
    YAML = "yaml"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


SUFFIXES = {
    ".json": FileFormat.JSON,
    ".yaml": FileFormat.YAML,
    ".yml": FileFormat.YAML,
    ".jsonl": FileFormat.JSONL,
    ".ndjson": FileFormat.JSONL,
    ".csv": FileFormat.CSV,
    ".parquet": FileFormat.PARQUET,
    ".pq": FileFormat.PARQUET,
}
"""What the end of a file's name says about its format; text formats may add ``.gz``."""


def is_gzip_name(path: Path) -> bool:
    """Return whether the name says that the file is compressed."""
    return path.suffix.lower() == ".gz"


def format_of(path: Path) -> FileFormat:
    """Return the format that a file's name stands for.

    Raises:
        InputError: the name ends in none of `SUFFIXES`, or asks for a compressed Parquet file.

    Example:
        >>> format_of(Path("a.requests.jsonl.gz"))
        <FileFormat.JSONL: 'jsonl'>
    """
    zipped = is_gzip_name(path)
    suffix = (path.with_suffix("") if zipped else path).suffix.lower()
    if (found := SUFFIXES.get(suffix)) is None:
        raise InputError(
            f"{path}: {suffix or 'no ending'} is no format of requests; "
            f"end the name in {', '.join(SUFFIXES)} (text formats also with .gz)"
        )
    if zipped and found is FileFormat.PARQUET:
        raise InputError(f"{path}: Parquet files are compressed inside; leave .gz away")
    return found
