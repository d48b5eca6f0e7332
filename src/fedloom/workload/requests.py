"""Following requests as they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fedloom.workload.formats.read import RequestFile
from fedloom.workload.request import Request

__all__ = ["with_progress"]

_STEP = 4096


def with_progress(
    file: RequestFile, progress: Callable[[int, int], None] | None
) -> Iterator[Request]:
    """Yield a file's requests; `progress` hears how many, and of how many (0: unknown)."""
    total = file.header.num_requests if file.header else 0
    count = 0
    for count, request in enumerate(file.requests, start=1):
        yield request
        if progress and count % _STEP == 0:
            progress(count, total)
    if progress:
        progress(count, total or count)
