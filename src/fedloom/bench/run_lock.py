"""Keeping a second launcher away from a run."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedloom.errors import OutputError
from fedloom.files import output_errors

__all__ = ["lock_run"]


@contextmanager
def lock_run(folder: Path) -> Iterator[None]:
    """Hold a run's folder, which is made if it is missing, while the block runs.

    The system lets go of it when the process ends, however it does.

    Raises:
        OutputError: another process holds it, or it cannot be made.
    """
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputError(
                f"another 'fedloom bench' is at work in {folder}; wait for it, or choose another "
                "--run"
            ) from error
        yield
