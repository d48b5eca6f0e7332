"""Opening request files for reading: compressed or not, their format by name or by content."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO, cast

from fedloom.errors import InputError
from fedloom.workload.formats.file_format import SUFFIXES, FileFormat, format_of, is_gzip_name

__all__ = ["Found", "Source", "open_source", "reading_errors"]

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_SNIFFED_BYTES = 1 << 16


@dataclass(slots=True)
class Found:
    """What a reader meets besides requests.

    Attributes:
        metadata: the file's header, as it is spelt; None: not met (yet).
    """

    metadata: object = None


@dataclass(frozen=True, slots=True)
class Source:
    """A request file.

    Attributes:
        path: where it is.
        format: how it spells requests.
        zipped: whether it is compressed with gzip.
    """

    path: Path
    format: FileFormat
    zipped: bool

    @contextmanager
    def open_text(self, newline: str | None = None) -> Iterator[TextIOWrapper]:
        """Open the file as UTF-8 text; a byte order mark is skipped.

        Raises:
            InputError: inside the ``with`` block too, when reading fails.
        """
        with reading_errors(self.path), self._open() as file:
            yield TextIOWrapper(file, "utf-8-sig", newline=newline)

    @contextmanager
    def open_bytes(self) -> Iterator[IO[bytes]]:
        """Open the file's bytes, unpacked.

        Raises:
            InputError: inside the ``with`` block too, when reading fails.
        """
        with reading_errors(self.path), self._open() as file:
            yield file

    def _open(self) -> IO[bytes]:
        if self.zipped:
            return cast("IO[bytes]", gzip.open(self.path, "rb"))
        return self.path.open("rb")

    def ends_with_line_break(self) -> bool:
        """Return whether the last line is complete; compressed files say by themselves if not."""
        if self.zipped:
            return True
        with self.open_bytes() as file:
            file.seek(-1, 2)
            return file.read(1) in b"\r\n"


def open_source(path: Path) -> Source:
    """Return a file with its format, by its name or, if that says nothing, by its content.

    Raises:
        InputError: there is no such file, it is empty, or holds no requests.
    """
    with reading_errors(path), path.open("rb") as file:
        start = file.read(len(_PARQUET))
    if not start:
        raise InputError(f"{path}: the file is empty; a file of requests is right")
    if start == _PARQUET:
        return Source(path, FileFormat.PARQUET, zipped=False)
    zipped = start[:2] == _GZIP or (is_gzip_name(path) and len(start) < 2)
    named = path.with_suffix("") if is_gzip_name(path) else path
    if named.suffix.lower() in SUFFIXES:
        return Source(path, format_of(named), zipped)
    return Source(path, _sniff(path, zipped), zipped)


@contextmanager
def reading_errors(path: Path) -> Iterator[None]:
    """Turn a failure to read or decode a file into an `InputError`."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: the compressed file is cut or damaged ({error})") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: byte {error.object[error.start]:#04x} is no UTF-8; save the file as UTF-8"
        ) from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _sniff(path: Path, zipped: bool) -> FileFormat:
    with Source(path, FileFormat.JSON, zipped).open_bytes() as file:
        start = file.read(_SNIFFED_BYTES).decode("utf-8-sig", errors="replace").lstrip()
    first = start.partition("\n")[0]
    if start.startswith("{"):
        return FileFormat.JSONL if _is_object(first) else FileFormat.JSON
    if start.startswith("["):
        return FileFormat.JSON
    if re.match(r'["\w]+,', first) and "request_id" in first:
        return FileFormat.CSV
    if re.search(r"^(- |(requests|metadata):)", start, re.MULTILINE):
        return FileFormat.YAML
    raise InputError(
        f"{path}: neither the name nor the content is that of a request file; "
        f"known endings are {', '.join(SUFFIXES)}"
    )


def _is_object(line: str) -> bool:
    try:
        return "request_id" in json.loads(line)
    except ValueError:
        return False
