"""The overview: how many tasks and nodes, what runs, what happened last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nicegui import ui

from fedloom.platform.identity import Identity, Permission
from fedloom.platform.store import Event
from fedloom.platform.task import Task, TaskStatus
from fedloom.platform.ui.frame import LineList, card, frame, heading, link, tile
from fedloom.platform.ui.live import keep_fresh
from fedloom.platform.ui.pages.rows import TASK_FIELDS, task_row
from fedloom.platform.ui.tables import make_table, show_rows
from fedloom.platform.ui.wording import say_event, say_time

if TYPE_CHECKING:
    from fedloom.platform.service import Service

__all__ = ["event_line", "overview_page"]

_MOST = 12
_CAPTIONS = {
    TaskStatus.RUNNING: "tasks run",
    TaskStatus.PENDING: "tasks wait",
    TaskStatus.SUCCESS: "tasks succeeded",
    TaskStatus.FAILED: "tasks failed",
    TaskStatus.CANCELLED: "tasks cancelled",
}
_SHOWN = ("id", "run_name", "status", "progress", "took")


@dataclass(frozen=True)
class _State:
    counts: tuple[tuple[TaskStatus, int], ...]
    active: Sequence[Task]
    online: int
    known: int
    events: Sequence[Event]


def _read(service: Service, who: Identity) -> _State:
    counts = {
        status: service.list_tasks(who, status=status, limit=1).total for status in TaskStatus
    }
    active = [
        task
        for status in (TaskStatus.RUNNING, TaskStatus.PENDING)
        for task in service.list_tasks(who, status=status, limit=_MOST).tasks
    ]
    nodes = service.nodes(who)
    last = service.store.last_event_id()
    events = service.events(who, after_id=max(0, last - 200), limit=200)
    shown = [event for event in events if event.kind not in ("log", "clients")][-_MOST:]
    online = sum(node.online for node in nodes)
    return _State(tuple(counts.items()), active[:_MOST], online, len(nodes), shown[::-1])


async def overview_page() -> None:
    """Build the overview."""
    with frame("Overview", "/") as visit:
        with ui.element("div").classes("flm-head"):
            heading("Overview").classes("flm-grow")
            if visit.may(Permission.CREATE_TASK):
                ui.button("New task", on_click=lambda: ui.navigate.to("/tasks/new"))
        with ui.element("div").classes("flm-tiles"):
            tiles = {status: tile(caption) for status, caption in _CAPTIONS.items()}
            nodes = tile("nodes online")
        with ui.element("div").classes("flm-two"):
            with card("Running and waiting"):
                fields = [field for field in TASK_FIELDS if field.name in _SHOWN]
                table = make_table(fields, [], key="id", nothing="Nothing runs")
                link("All tasks", "/tasks").classes("flm-small")
            with card("Last events"):
                events = LineList()

        async def refresh() -> None:
            state = await visit.shared("overview", _read)
            for status, count in state.counts:
                tiles[status].set_text(f"{count:,}")
            nodes.set_text(f"{state.online} of {state.known}")
            show_rows(table, [task_row(task) for task in state.active])
            events.show([event_line(event) for event in state.events], "Nothing happened yet")

        await refresh()
        keep_fresh(visit, refresh, lambda _: True, every_s=15.0)


def event_line(event: Event) -> tuple[str, str, str]:
    """Return an event as a line: what it says, when, and the address of its task."""
    gone = event.task_id is None
    return say_event(event), say_time(event.at)[11:19], "" if gone else f"/tasks/{event.task_id}"
