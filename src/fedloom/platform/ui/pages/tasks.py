"""All tasks: filtered, page by page, live."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from fedloom.platform.identity import Permission
from fedloom.platform.store import EventKind
from fedloom.platform.task import TaskStatus
from fedloom.platform.ui.frame import card, frame, heading
from fedloom.platform.ui.live import keep_fresh
from fedloom.platform.ui.pages.rows import TASK_FIELDS, task_row
from fedloom.platform.ui.tables import make_table, show_rows
from fedloom.platform.ui.visit import Visit

__all__ = ["tasks_page"]

_PAGE = 25
_ALL = "all"
_MATTERS = frozenset(
    {
        EventKind.TASK_CREATED,
        EventKind.TASK_STATUS,
        EventKind.TASK_RESUMED,
        EventKind.TASK_DELETED,
        EventKind.ROUND,
        EventKind.ROUNDS_CUT,
    }
)


class _TaskList:
    """The list with its filters, and where in it somebody is."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._offset = 0
        with ui.element("div").classes("flm-form"):
            states = [_ALL, *TaskStatus]
            self._status = ui.select(states, value=_ALL, label="Status", on_change=self._restart)
            self._texts = {
                name: self._text(label)
                for name, label in (
                    ("use_case", "Use case"),
                    ("model_name", "Model"),
                    ("user_id", "By"),
                )
            }
        self._status.props("outlined dense")
        self.table = make_table(TASK_FIELDS, [], key="id", nothing="No task fits")
        with ui.element("div").classes("flm-row"):
            self._back = ui.button("Newer", on_click=lambda: self._turn(-_PAGE)).props("flat dense")
            self._on = ui.button("Older", on_click=lambda: self._turn(_PAGE)).props("flat dense")
            self._where = ui.label().classes("flm-muted flm-small").props("role=status")

    def _text(self, label: str) -> ui.input:
        made = ui.input(label, on_change=self._restart)
        return made.props("outlined dense clearable debounce=400")

    async def _restart(self) -> None:
        self._offset = 0
        await self.refresh()

    async def _turn(self, step: int) -> None:
        self._offset = max(0, self._offset + step)
        await self.refresh()

    async def refresh(self) -> None:
        """Read and show the tasks that fit."""
        wanted: dict[str, Any] = {
            name: text.value.strip() for name, text in self._texts.items() if text.value
        }
        if self._status.value != _ALL:
            wanted["status"] = TaskStatus(self._status.value)
        where = (*sorted(wanted.items()), self._offset)
        offset = self._offset
        page = await self._visit.shared(
            ("tasks", where),
            lambda service, who: service.list_tasks(who, limit=_PAGE, offset=offset, **wanted),
        )
        show_rows(self.table, [task_row(task) for task in page.tasks])
        last = self._offset + len(page.tasks)
        first = self._offset + 1 if page.tasks else 0
        self._where.set_text(f"{first:,}–{last:,} of {page.total:,}")
        self._back.set_enabled(self._offset > 0)
        self._on.set_enabled(last < page.total)


async def tasks_page() -> None:
    """Build the list of tasks."""
    with frame("Tasks", "/tasks") as visit:
        with ui.element("div").classes("flm-head"):
            heading("Tasks").classes("flm-grow")
            if visit.may(Permission.CREATE_TASK):
                ui.button("New task", on_click=lambda: ui.navigate.to("/tasks/new"))
        with card():
            tasks = _TaskList(visit)
            await tasks.refresh()
        keep_fresh(visit, tasks.refresh, lambda event: event.kind in _MATTERS, every_s=30.0)
