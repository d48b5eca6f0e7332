"""Asking for a task: a form made from what the package takes, or a whole plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from nicegui import events, ui

from fedloom.errors import FedloomError, InputError
from fedloom.platform.identity import Permission
from fedloom.platform.identity.identity import require
from fedloom.platform.service.asked_task import TaskFieldsError
from fedloom.platform.ui.frame import card, empty, frame, heading
from fedloom.platform.ui.pages.model_chooser import ModelChooser
from fedloom.platform.ui.pages.task_form import TaskFormPanel
from fedloom.platform.ui.visit import Visit

__all__ = ["new_task_page"]

_LARGEST_PLAN_BYTES = 1_000_000


async def new_task_page(model: str = "", version: str = "") -> None:
    """Build the form; a model and a version may be chosen already."""
    wanted = int(version) if version.isdecimal() and len(version) < 10 else None
    with frame("New task", "/tasks") as visit:
        require(visit.who, Permission.CREATE_TASK)
        heading("New task")
        with ui.tabs().props("align=left dense no-caps") as tabs:
            by_form = ui.tab("form", "Train a model")
            by_plan = ui.tab("plan", "Run a plan")
        with ui.tab_panels(tabs, value=by_form).style("background: transparent; color: inherit"):
            with ui.tab_panel(by_form).style("padding: 0"):
                await _build_form(visit, model, wanted)
            with ui.tab_panel(by_plan).style("padding: 0"), card("A plan, as YAML"):
                _PlanPanel(visit)


async def _build_form(visit: Visit, model: str, version: int | None) -> None:
    uses = await visit.shared("datasets", lambda service, who: service.datasets(who))
    with card("What to train"):
        place = ui.element("div")
    panel = TaskFormPanel(list(uses), visit.who.user_id, visit.may(Permission.CANCEL_ANY_TASK))
    asking = _Asking(visit)
    with place:
        chooser = ModelChooser(visit, panel.show)
        if not await chooser.fill(model, version):
            empty("There is no model yet: fedloom package push PATH --name NAME puts one in")

    async def ask() -> None:
        panel.clear_errors()
        try:
            values = panel.values()
        except InputError as error:
            asking.refuse(str(error))
            return
        if fault := await asking.send(values):
            asking.refuse(panel.place(fault))

    asking.add_button("Start the task", ask)


class _Asking:
    """Sends a task, and says what is wrong with it where no field does."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._said = ui.label().classes("flm-reason").props("role=alert")
        self._said.set_visibility(False)
        self._row = ui.element("div").classes("flm-row")

    def add_button(self, text: str, press: Any) -> None:
        """Add the button that asks."""
        with self._row:
            ui.button(text, on_click=press)

    def refuse(self, text: str) -> None:
        """Say why there is no task."""
        self._said.set_text(text)
        self._said.set_visibility(bool(text))

    async def send(self, values: Mapping[str, Any]) -> FedloomError | None:
        """Ask for the task and go to its page, or return what is wrong."""
        self.refuse("")
        visit = self._visit
        try:
            task = await visit.ask(visit.service.create_task, visit.who, values)
        except FedloomError as error:
            return error
        ui.navigate.to(f"/tasks/{task.id}")
        return None


class _PlanPanel:
    """A plan that was pasted or uploaded."""

    def __init__(self, visit: Visit) -> None:
        ui.label(
            "The plan of a simulated run, taken live: its data set is the use case, and its model"
            " is one of Fedloom's own."
        ).classes("flm-muted")
        self._text = ui.textarea(
            "Plan", placeholder="dataset: iris\nmodel: mlp\nrounds: 10\nalgorithm: FedAvg"
        )
        self._text.props("outlined autogrow input-class=flm-mono").style("width: 100%")
        ui.upload(
            label="or upload a file",
            max_file_size=_LARGEST_PLAN_BYTES,
            max_files=1,
            auto_upload=True,
            on_upload=self._take,
            on_rejected=lambda: ui.notify("That is no plan: it is too large", type="negative"),
        ).props("flat bordered accept=.yaml,.yml,.json").style("width: 100%; max-width: 400px")
        self._asking = _Asking(visit)
        self._asking.add_button("Start the plan", self._ask)

    async def _take(self, event: events.UploadEventArguments) -> None:
        try:
            self._text.set_value((await event.file.read()).decode("utf-8"))
        except UnicodeDecodeError:
            ui.notify("That is no plan: it is no text in UTF-8", type="negative")

    async def _ask(self) -> None:
        self._text.error = None
        try:
            plan = yaml.safe_load(self._text.value or "")
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            self._text.error = f"This is no YAML: {error}"
            return
        if not isinstance(plan, dict):
            self._text.error = "A plan is a mapping, as in “dataset: iris”"
            return
        if fault := await self._asking.send({"plan": plan}):
            faults = fault.faults if isinstance(fault, TaskFieldsError) else ()
            said = [f"{'.'.join(map(str, f.location))}: {f.message}" for f in faults]
            self._text.error = "; ".join(said) or str(fault)
