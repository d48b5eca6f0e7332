"""What stands in a request file before, between and after its requests."""

from __future__ import annotations

import json
from dataclasses import dataclass

from fedloom.workload.formats.file_format import FileFormat
from fedloom.workload.formats.header import Header
from fedloom.workload.formats.layout_table import COLUMNS
from fedloom.workload.formats.layout_yaml import dump_yaml

__all__ = ["Frame", "frame_of"]


@dataclass(frozen=True, slots=True)
class Frame:
    """The bytes around requests.

    Attributes:
        head: at the beginning of the file.
        first: before the first request.
        between: between two requests.
        end: after the last request.
        end_if_empty: after the head, if there are no requests.
        num_requests: what the head says of their number; None: nothing.
    """

    head: bytes
    first: bytes
    between: bytes
    end: bytes
    end_if_empty: bytes
    num_requests: int | None = None


def frame_of(format: FileFormat, header: Header | None) -> Frame:  # noqa: A002
    """Return the frame of a file; the tables and JSONL have no place for a header."""
    stated = header.num_requests if header else None
    metadata = {"metadata": header.to_dict()} if header else {}
    if format is FileFormat.JSON:
        text = json.dumps({**metadata, "requests": []}, indent=2)
        head = text.removesuffix("]\n}").encode()
        return Frame(head, b"\n", b",\n", b"\n  ]\n}", b"]\n}", stated)
    if format is FileFormat.YAML:
        head = dump_yaml({**metadata, "requests": []}).removesuffix(" []\n").encode()
        return Frame(head, b"\n", b"\n", b"\n", b" []\n", stated)
    if format is FileFormat.JSONL:
        return Frame(b"", b"", b"\n", b"\n", b"")
    return Frame(",".join(COLUMNS).encode(), b"\n", b"\n", b"\n", b"\n")
