"""Reading request files of any format lazily: a request at a time, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fedloom.workload.formats.file_format import FileFormat
from fedloom.workload.formats.header import Header, parse_header
from fedloom.workload.formats.parse_request import parse_request
from fedloom.workload.formats.read_json import json_items, jsonl_items
from fedloom.workload.formats.read_tables import csv_items, parquet_items
from fedloom.workload.formats.read_yaml import yaml_items
from fedloom.workload.formats.source import Found, Source, open_source
from fedloom.workload.formats.whole import WholeCheck
from fedloom.workload.request import Request

__all__ = ["RequestFile", "Requests", "read_requests"]

_READERS: dict[FileFormat, Callable[[Source, Found], Iterator[tuple[int, Any]]]] = {
    FileFormat.JSON: json_items,
    FileFormat.YAML: yaml_items,
    FileFormat.JSONL: jsonl_items,
    FileFormat.CSV: csv_items,
    FileFormat.PARQUET: parquet_items,
}


@dataclass(frozen=True)
class Requests:
    """The requests of a file; every iteration reads the file anew, one request at a time.

    Iterating raises `InputError` where the file is cut, a request is not as it should be, or there
    are not as many requests as the file's header says.
    """

    source: Source

    def __iter__(self) -> Iterator[Request]:
        source, found = self.source, Found()
        place, whole = _Place(source), WholeCheck(source)
        for line, fields in _READERS[source.format](source, found):
            place.number, place.line = place.number + 1, line
            request = parse_request(fields, place.describe)
            whole.add(fields, request)
            yield request
        header = parse_header(found.metadata, source.path)
        if header is not None:
            whole.finish(header, place.number)


@dataclass(slots=True)
class _Place:
    """Where in a file the current request is; both numbers count from 1."""

    source: Source
    number: int = 0
    line: int = 0

    def describe(self) -> str:
        unit = "row" if self.source.format is FileFormat.PARQUET else "line"
        return f"{self.source.path}: request {self.number} ({unit} {self.line})"


@dataclass(frozen=True)
class RequestFile:
    """A file of requests.

    Attributes:
        path: where it is.
        format: how it spells requests.
        requests: its requests, read when iterated; they may be iterated any number of times.
    """

    path: Path
    format: FileFormat
    requests: Requests

    @cached_property
    def header(self) -> Header | None:
        """What the file says of itself; None in formats that do not, or where it is missing.

        Only a file whose metadata follows its requests must be read to its end for this.
        """
        source, found = self.requests.source, Found()
        if self.format in (FileFormat.JSON, FileFormat.YAML):
            for _ in _READERS[self.format](source, found):
                if found.metadata is not None:
                    break
        return parse_header(found.metadata, self.path)


def read_requests(path: Path) -> RequestFile:
    """Open a file of requests in any of the formats, compressed with gzip or not.

    The format follows from the name or, where that says nothing, from the content. Files of the
    original generator are read as well: times without fixed decimals, timestamps with or without a
    fraction, no ``critical_path_time``.

    Raises:
        InputError: there is no such file, it is empty, or neither name nor content tell the format.

    Example:
        >>> file = read_requests(Path("generated_requests.jsonl"))  # doctest: +SKIP
        >>> sum(len(request.node_execution_times) for request in file.requests)  # doctest: +SKIP
        1000
    """
    source = open_source(Path(path))
    return RequestFile(source.path, source.format, Requests(source))
