"""Where a task stands: status, reason, rounds, and the round that is under way."""

from __future__ import annotations

from datetime import UTC, datetime

from nicegui import ui

from fedloom.platform.task import Task, TaskStatus
from fedloom.platform.ui.feed import TaskView
from fedloom.platform.ui.frame import badge, card
from fedloom.platform.ui.pages.rows import progress_of
from fedloom.platform.ui.wording import say_span, took

__all__ = ["ProgressPanel"]


class ProgressPanel:
    """A task's status, a bar of its rounds, and in words what goes on."""

    def __init__(self) -> None:
        with card():
            with ui.element("div").classes("flm-row"):
                self._status = badge("pending").props("role=status")
                self._rounds = ui.label().classes("flm-grow")
                self._time = ui.label().classes("flm-muted flm-small")
            with ui.element("div").classes("flm-bar") as self._bar:
                self._bar.props('role=progressbar aria-label="Rounds" aria-valuemin=0')
                self._fill = ui.element("div")
            self._now = ui.label().classes("flm-muted flm-small")
            self._reason = ui.label().classes("flm-reason")

    def show(self, view: TaskView) -> None:
        """Show a task as it was read."""
        task = view.task
        self._status.set_text(str(task.status))
        self._status.classes(replace=f"flm-badge is-{task.status}")
        self._rounds.set_text(f"{task.rounds_done:,} of {task.num_global_iterations:,} rounds")
        self._time.set_text(_say_times(task))
        self._bar.classes(replace=f"flm-bar is-{task.status}")
        self._bar.props(
            f"aria-valuenow={task.rounds_done} aria-valuemax={task.num_global_iterations}"
        )
        self._fill.style(f"width: {100 * progress_of(task):.2f}%")
        self._now.set_text(_say_now(view))
        self._reason.set_text(task.reason or "")
        self._reason.set_visibility(bool(task.reason))


def _say_times(task: Task) -> str:
    if task.started_at is None:
        return "waits for its turn" if not task.status.is_final else ""
    if task.status.is_final:
        return f"took {took(task)}"
    done = task.rounds_done
    if not done:
        return f"for {took(task)}"
    spent = (datetime.now(UTC) - task.started_at).total_seconds()
    left = spent / done * (task.num_global_iterations - done)
    return f"for {took(task)}, about {say_span(left)} left"


def _say_now(view: TaskView) -> str:
    """Say who has answered in the round that is under way, or took part in the last one."""
    if not view.last_clients:
        return "No client has answered yet" if not view.task.status.is_final else ""
    number = int(view.last_clients[0]["round"])
    good = sum(bool(row.get("participated", True)) for row in view.last_clients)
    lost = len(view.last_clients) - good
    lost_text = f", {lost:,} left out" if lost else ""
    attempt = f" · attempt {view.task.attempt}" if view.task.attempt > 1 else ""
    if number > view.task.rounds_done and view.task.status is TaskStatus.RUNNING:
        return f"Round {number} is under way: {good:,} clients answered{lost_text}{attempt}"
    return f"Round {number}: {good:,} clients in the aggregate{lost_text}{attempt}"
