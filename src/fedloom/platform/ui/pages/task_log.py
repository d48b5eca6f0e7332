"""What a task says, as it says it."""

from __future__ import annotations

from functools import partial
from html import escape
from typing import TYPE_CHECKING

from nicegui import ui

from fedloom.platform.identity import Identity
from fedloom.platform.store import Log
from fedloom.platform.ui.visit import Visit

if TYPE_CHECKING:
    from fedloom.platform.service import Service

__all__ = ["LogPanel"]

_BATCH = 1000
_SHOWN = 500


class LogPanel:
    """The last pieces of a log, at their end; new ones follow."""

    def __init__(self, visit: Visit, task_id: int) -> None:
        self._visit, self._id = visit, task_id
        self._after = 0
        self._shown: list[ui.element] = []
        self._place = (
            ui.element("div").classes("flm-log").props('role=log tabindex=0 aria-label="Log"')
        )

    async def show(self) -> None:
        """Read and show what is new."""
        new = await self._read()
        if not new:
            return
        self._after = new[-1].id
        for old in self._shown[: max(0, len(self._shown) + len(new) - _SHOWN)]:
            old.delete()
        self._shown = self._shown[-max(0, _SHOWN - len(new)) :] if len(new) < _SHOWN else []
        with self._place:
            self._shown += [_line(log) for log in new[-_SHOWN:]]
        self._visit.client.run_javascript(f"flmScroll('{self._place.html_id}')")

    async def _read(self) -> list[Log]:
        """Read all that is new; of a long log, the end is kept."""
        after, found = self._after, list[Log]()
        while True:
            read = partial(_read_logs, task_id=self._id, after=after)
            batch = await self._visit.shared(("log", self._id, after), read)
            found = [*found, *batch][-_SHOWN:]
            if len(batch) < _BATCH:
                return found
            after = batch[-1].id


def _read_logs(service: Service, who: Identity, *, task_id: int, after: int) -> list[Log]:
    return service.logs(who, task_id, after, _BATCH)


def _line(log: Log) -> ui.element:
    """One element a line: hundreds of them stand in a page."""
    at, source, text = f"{log.at:%H:%M:%S}", escape(log.source), escape(log.text)
    return ui.html(
        f'<span class="flm-at">{at}</span> <span class="flm-src">{source}</span> {text}',
        sanitize=False,
    )
