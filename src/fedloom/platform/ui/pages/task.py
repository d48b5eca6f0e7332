"""One task: where it stands, what it learns, who takes part, what it says; live."""

from __future__ import annotations

from nicegui import ui

from fedloom.platform.identity import Permission, may_cancel
from fedloom.platform.store import Event, EventKind
from fedloom.platform.task import Task, TaskStatus
from fedloom.platform.ui.confirm import confirm
from fedloom.platform.ui.feed import TaskView
from fedloom.platform.ui.frame import card, facts, frame, heading
from fedloom.platform.ui.live import keep_fresh
from fedloom.platform.ui.pages.task_clients import ClientTable
from fedloom.platform.ui.pages.task_documents import DocumentPanel
from fedloom.platform.ui.pages.task_log import LogPanel
from fedloom.platform.ui.pages.task_plots import PlotPanel
from fedloom.platform.ui.pages.task_progress import ProgressPanel
from fedloom.platform.ui.visit import Visit
from fedloom.platform.ui.wording import model_path, say_time

__all__ = ["task_page"]


async def task_page(task_id: int) -> None:
    """Build the page of a task."""
    with frame(f"Task {task_id}", "/tasks") as visit:
        view = await visit.ask(visit.desk.feeds.get(task_id).read)
        page = _TaskPage(visit, task_id, view)
        await page.show(view)
        keep_fresh(visit, page.refresh, page.wants, every_s=10.0)


class _TaskPage:
    """The parts of the page, and what brings them up to date."""

    def __init__(self, visit: Visit, task_id: int, view: TaskView) -> None:
        self._visit, self._id = visit, task_id
        task = view.task
        with ui.element("div").classes("flm-head"):
            heading(f"{task.run_name}").classes("flm-grow")
            self._cancel = self._add_cancel(task)
            self._delete = self._add_delete()
        self._progress = ProgressPanel()
        self._plots = PlotPanel(visit, task_id)
        with ui.element("div").classes("flm-two"):
            with card("Clients of the last round"):
                self._clients = ClientTable()
            with card("About"):
                _facts(task)
                self._downloads = ui.element("div").classes("flm-row")
        with card("Log"):
            self._log = LogPanel(visit, task_id)
        with card("What clients said, whole"):
            self._documents = DocumentPanel(visit, task_id)
        self._offered: tuple[bool, bool] | None = None

    def wants(self, event: Event) -> bool:
        """Say whether an event is about this task."""
        return event.task_id == self._id or event.kind is EventKind.TASK_DELETED

    async def refresh(self) -> None:
        """Read and show what is new."""
        feed = self._visit.desk.feeds.get(self._id)
        await self.show(
            await self._visit.shared(("task", self._id), lambda _service, _who: feed.read())
        )

    async def show(self, view: TaskView) -> None:
        """Show a task as it was read."""
        task = view.task
        self._progress.show(view)
        if self._cancel:
            self._cancel.set_visibility(not task.status.is_final)
        if self._delete:
            self._delete.set_visibility(task.status.is_final)
        self._offer_downloads(task, bool(view.rounds))
        await self._plots.show(view)
        self._clients.show(view)
        self._documents.show(view)
        await self._log.show()

    def _offer_downloads(self, task: Task, records: bool) -> None:
        has_result = task.status is TaskStatus.SUCCESS and task.result_version is not None
        if self._offered == (records, has_result):
            return
        self._offered = (records, has_result)
        self._downloads.clear()
        with self._downloads:
            files = f"/files/tasks/{task.id}"
            if has_result and task.result_model and task.result_version:
                ui.link("Weights (npz)", f"{files}/result").props("download")
                path = model_path(task.result_model, task.result_version)
                ui.link(f"{task.result_model} v{task.result_version}", path)
            if records:
                for table in ("rounds", "clients", "metrics"):
                    for form in ("csv", "parquet"):
                        text = f"{table.capitalize()} ({form.upper() if form == 'csv' else form})"
                        ui.link(text, f"{files}/{table}.{form}").props("download")

    def _add_cancel(self, task: Task) -> ui.button | None:
        if not may_cancel(self._visit.who, task.user_id):
            return None

        async def cancel() -> None:
            text = f"Cancel task {self._id}? Its nodes stop, and it leaves no model."
            if await confirm(text, "Cancel the task"):
                await self._visit.act(self._visit.service.cancel_task, self._visit.who, self._id)

        return ui.button("Cancel", on_click=cancel).props("outline color=negative")

    def _add_delete(self) -> ui.button | None:
        if not self._visit.may(Permission.DELETE_TASK):
            return None

        async def delete() -> None:
            text = f"Delete task {self._id} with its rounds, logs and records? Models stay."
            if await confirm(text, "Delete the task"):
                visit = self._visit
                if await visit.act(_delete, visit, self._id):
                    ui.navigate.to("/tasks")

        return ui.button("Delete", on_click=delete).props("outline color=negative")


def _delete(visit: Visit, task_id: int) -> bool:
    visit.service.delete_task(visit.who, task_id)
    return True


def _facts(task: Task) -> None:
    local = task.local.model_dump(exclude_none=True) if task.local else {}
    params = {**(task.algorithm_params or {}), **local}
    pairs = [
        ("Task", str(task.id)),
        ("Model", f"{task.model_name} v{task.model_version}"),
        ("Use case", task.use_case),
        ("Algorithm", task.algorithm or (task.plan or {}).get("algorithm") or "FedAvg"),
        ("Settings", ", ".join(f"{name} {value}" for name, value in params.items())),
        ("Cohort", str(task.cohort) if task.cohort is not None else "all clients"),
        ("Asked by", task.user_id),
        ("Experiment", task.experiment_name),
        ("Asked for", say_time(task.created_at)),
        ("Deadline", say_time(task.deadline) if task.deadline else ""),
        ("Plan", "yes, a whole plan" if task.plan else ""),
    ]
    facts([(name, str(value)) for name, value in pairs if value])
