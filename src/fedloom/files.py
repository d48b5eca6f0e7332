"""Writing files so that nobody ever finds half of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from fedloom.errors import OutputError

__all__ = ["open_replacing", "output_errors", "write_text"]


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn an operating system's refusal to write `path` into an `OutputError`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"cannot write {path}: {reason}; free space or choose another place"
        ) from error


@contextmanager
def open_replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary file beside `path` that replaces it when the block ends well.

    On an error the old file stays as it was and nothing is left beside it.

    Raises:
        OutputError: the place cannot be written, is no file, or the disk is full.
    """
    with output_errors(path):
        if path.exists() and not path.is_file():
            # A device would be gone: renaming puts a file in its place.
            raise OutputError(f"{path} is there and is no file; choose another place")
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            beside = Path(file.name)
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                beside.chmod(0o644)
                beside.replace(path)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to `path` in one step (see `open_replacing`)."""
    with open_replacing(path) as file:
        file.write(text.encode())
