"""Opening traces: plain or gzipped text, with errors that name the file."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fedloom.errors import InputError

__all__ = ["open_text"]

_GZIP = b"\x1f\x8b"


@contextmanager
def open_text(path: Path) -> Iterator[IO[str]]:
    """Open a text file, unpacking it where it is gzipped (by content, not by name).

    Raises:
        InputError: it cannot be read, is not UTF-8, or its gzip data end early; also when that
            shows only later, while the block reads on.
    """
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == _GZIP
        opener = gzip.open if packed else open
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield file
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8 (byte {error.start})") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is a broken gzip file: {error}; fetch it again") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except csv.Error as error:
        raise InputError(f"{path} is no CSV file: {error}") from error
