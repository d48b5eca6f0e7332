"""Work that may take long: a bar on standard error, and an end when it is asked to end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

from fedloom.cli.signals import end_like_interrupt

__all__ = ["Progress", "show_bar"]

Progress = Callable[[int, int], None]
"""Called with how much is done, and of how much (0: not known)."""

_PATIENCE_S = 0.5
"""Work that ends sooner shows nothing."""


@contextmanager
def show_bar(what: str, *, shown: bool) -> Iterator[Progress | None]:
    """Show a bar while the block runs, on a terminal only.

    A request to end the program stops the block as Ctrl-C does, so that nothing half-written is
    left; one that is ignored, as under ``nohup``, stays so.

    Args:
        what: one word for the work.
        shown: whether to show anything.
    """
    with end_like_interrupt():
        if shown and sys.stderr.isatty():
            yield from _show(what)
        else:
            yield None


def _show(what: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, visible=False)
        # Shown in time even where nothing is told yet, as while the simulator is compiled.
        show = Timer(_PATIENCE_S, bar.update, (task,), {"visible": True})
        show.daemon = True
        show.start()
        try:
            yield lambda done, total: bar.update(task, completed=done, total=total or None)
        finally:
            show.cancel()
