"""What happened, and what a task says, at full length."""

from __future__ import annotations

from nicegui import ui

from fedloom.platform.ui.frame import LineList, card, empty, frame, heading
from fedloom.platform.ui.live import keep_fresh
from fedloom.platform.ui.pages.overview import event_line
from fedloom.platform.ui.pages.task_log import LogPanel

__all__ = ["logs_page"]

_EVENTS = 100
_TASKS = 100


async def logs_page(task: int | None = None) -> None:
    """Build the logs: of one task, and the events of all."""
    with frame("Logs", "/logs") as visit:
        heading("Logs")
        page = await visit.shared(
            "newest tasks", lambda service, who: service.list_tasks(who, limit=_TASKS)
        )
        choices = {one.id: f"Task {one.id}: {one.run_name}" for one in page.tasks}
        if task is not None:
            choices.setdefault(task, f"Task {task}")
        chosen = task if task is not None else next(iter(choices), None)
        log = None
        with card("Log of a task"):
            if chosen is None:
                empty("There is no task yet")
            else:
                ui.select(
                    choices,
                    value=chosen,
                    label="Task",
                    with_input=True,
                    on_change=lambda event: ui.navigate.to(f"/logs?task={event.value}"),
                ).props("outlined dense")
                await visit.ask(visit.service.get_task, visit.who, chosen)
                log = LogPanel(visit, chosen)
        with card("Events"):
            events = LineList()

        async def refresh() -> None:
            last = visit.desk.broadcaster.position
            found = await visit.shared(
                "events",
                lambda service, who: service.events(who, max(0, last - _EVENTS), limit=_EVENTS),
            )
            events.show([event_line(event) for event in found[::-1]], "Nothing happened yet")
            if log is not None:
                await log.show()

        await refresh()
        keep_fresh(visit, refresh, lambda _: True)
