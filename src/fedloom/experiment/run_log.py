"""The log of a run, in its folder."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fedloom.files import output_errors

__all__ = ["logging_to"]


class _LogFile(logging.FileHandler):
    """A log file that says so when it cannot be written, instead of printing a traceback."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's own
        error = sys.exc_info()[1]
        if error is not None:
            with output_errors(Path(self.baseFilename)):
                raise error


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Append the package's log to a file while the block runs.

    Raises:
        OutputError: the file cannot be written or the disk is full; also from within the block.
    """
    with output_errors(path):
        handler = _LogFile(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("fedloom")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        with suppress(OSError):  # a full disk has been reported when the line was written
            handler.close()
