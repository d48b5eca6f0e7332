"""What a package fleet has to tell while it works, on standard error."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["show_news"]

_LOGGER = "fedloom.fleet.package.news"


class _Shown(logging.Handler):
    """Prints to what standard error is now: a progress bar puts itself in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


@contextmanager
def show_news(*, shown: bool) -> Iterator[None]:
    """Show preparations and how clients failed, with their last lines, while the block runs.

    Args:
        shown: whether to show anything; the run's log holds all of it anyway.
    """
    handler = _Shown() if shown else logging.NullHandler()
    logger = logging.getLogger(_LOGGER)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
