"""All registered models."""

from __future__ import annotations

from nicegui import ui

from fedloom.platform.identity import Permission
from fedloom.platform.registry import Model, Page
from fedloom.platform.ui.frame import card, frame, heading
from fedloom.platform.ui.tables import Cell, Field, make_table, show_rows
from fedloom.platform.ui.visit import Visit
from fedloom.platform.ui.wording import ago, model_path, say_time

__all__ = ["models_page"]

_PAGE = 50
_FIELDS = (
    Field("name", "Model", Cell.LINK),
    Field("latest", "Newest"),
    Field("kind", "Holds"),
    Field("use_case", "Use case", wide=True),
    Field("updated", "Changed", wide=True),
)


async def models_page() -> None:
    """Build the list of models."""
    with frame("Models", "/models") as visit:
        with ui.element("div").classes("flm-head"):
            heading("Models").classes("flm-grow")
            if visit.may(Permission.PUSH_MODEL):
                ui.button("Upload a package", on_click=lambda: ui.navigate.to("/models/new"))
        if note := await visit.ask(visit.service.registry_note):
            ui.label(note[0].upper() + note[1:]).classes("flm-banner").props("role=alert")
        with card():
            models = _ModelList(visit)
        await models.more()


class _ModelList:
    """Models by name, some at a time."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._models: list[Model] = []
        self._token: str | None = None
        self._table = make_table(
            _FIELDS,
            [],
            key="name",
            nothing="No model yet: upload a package, or fedloom package push PATH --name NAME",
        )
        self._more = ui.button("Show more", on_click=self.more).props("flat dense")

    async def more(self) -> None:
        """Read and show the next models."""
        visit = self._visit
        page: Page[Model] = await visit.ask(
            visit.service.models, visit.who, limit=_PAGE, token=self._token
        )
        self._models += page.items
        self._token = page.next_token
        show_rows(self._table, [_row(model) for model in self._models])
        self._more.set_visibility(page.next_token is not None)


def _row(model: Model) -> dict[str, object]:
    return {
        "name": model.name,
        "name_path": model_path(model.name, model.latest) if model.latest else "",
        "latest": model.latest or "–",
        "kind": str(model.kind),
        "use_case": model.use_case or "all",
        "updated": f"{ago(model.updated_at)} ({say_time(model.updated_at)})",
    }
