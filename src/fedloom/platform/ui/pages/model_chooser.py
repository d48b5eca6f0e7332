"""Choosing a version of a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nicegui import ui

from fedloom.platform.ui.visit import Visit

if TYPE_CHECKING:
    from fedloom.platform.service.task_form import TaskForm

__all__ = ["ModelChooser"]

_MOST = 200


class ModelChooser:
    """Two lists, of models and of the chosen one's versions.

    Args:
        visit: the page.
        chosen: is told what the chosen version takes.
    """

    def __init__(self, visit: Visit, chosen: Callable[[TaskForm], None]) -> None:
        self._visit, self._chosen = visit, chosen
        with ui.element("div").classes("flm-form"):
            self._name = ui.select([], label="Model", with_input=True)
            self._version = ui.select([], label="Version")
        for field in (self._name, self._version):
            field.props("outlined dense")

    async def fill(self, name: str, version: int | None) -> bool:
        """List the models, choose one, and say whether there is any."""
        visit = self._visit
        page = await visit.ask(visit.service.models, visit.who, limit=_MOST)
        names = [model.name for model in page.items if model.latest]
        if not names and not name:
            return False
        self._name.set_options(sorted({*names, *([name] if name else [])}))
        self._name.set_value(name or names[0])
        await self._list_versions(version)
        self._name.on_value_change(lambda: self._list_versions(None))
        # Only from here on: while the lists are filled, nobody has chosen.
        self._version.on("update:model-value", self._describe)
        return True

    async def _list_versions(self, wanted: int | None) -> None:
        """List the chosen model's versions, choose the wanted one or the newest."""
        name, visit = self._name.value, self._visit
        if not name:
            return
        page = await visit.act(visit.service.versions, visit.who, name, limit=_MOST)
        if page is None or self._name.value != name:
            return
        choices = {one.version: f"{one.version} · {one.kind}" for one in page.items}
        self._version.set_options(choices)
        version = wanted if wanted in choices else max(choices, default=None)
        self._version.set_value(version)
        await self._describe()

    async def _describe(self) -> None:
        name, version, visit = self._name.value, self._version.value, self._visit
        if name and version:
            form = await visit.act(visit.service.schema, visit.who, name, version)
            if form is not None and (self._name.value, self._version.value) == (name, version):
                self._chosen(form)
