"""Whole documents of clients: what their validation gave, and what they say of their training."""

from __future__ import annotations

import json

from nicegui import ui

from fedloom.platform.store import DocumentKind, StoredDocument
from fedloom.platform.ui.feed import TaskView
from fedloom.platform.ui.visit import Visit

__all__ = ["DocumentPanel"]

_MOST_SHOWN = 100_000


class DocumentPanel:
    """A chooser of round, client and kind, and the document as JSON."""

    def __init__(self, visit: Visit, task_id: int) -> None:
        self._visit, self._id = visit, task_id
        self._text = ""
        with ui.element("div").classes("flm-form"):
            self._round = ui.number("Round", value=None, min=1, precision=0)
            self._round.on_value_change(self._read).props("outlined dense debounce=400")
            self._client = ui.select([], label="Client", with_input=True, on_change=self._read)
            self._kind = ui.select(
                {str(kind): str(kind).capitalize() for kind in DocumentKind},
                value=str(DocumentKind.VALIDATION),
                label="Document",
                on_change=self._read,
            )
        for chooser in (self._client, self._kind):
            chooser.props("outlined dense")
        self._said = ui.label("Choose a client").classes("flm-muted flm-small")
        self._shown = ui.label().classes("flm-log").props('tabindex=0 aria-label="Document"')
        self._shown.set_visibility(False)
        self._save = ui.button("Download", on_click=self._download).props("outline")
        self._save.set_visibility(False)

    def show(self, view: TaskView) -> None:
        """Offer the clients of a task; what is shown stays."""
        if view.last_clients and self._client.options != view.client_ids:
            self._client.set_options(view.client_ids)
        if self._round.value is None and view.rounds:
            self._round.set_value(int(view.rounds[-1]["round"]))

    async def _read(self) -> None:
        if not self._client.value or not self._round.value:
            return
        found = await self._visit.act(
            self._visit.service.documents,
            self._visit.who,
            self._id,
            round=int(self._round.value),
            client_id=self._client.value,
            kind=DocumentKind(self._kind.value),
        )
        if found is not None:
            self._display(found)

    def _display(self, found: list[StoredDocument]) -> None:
        self._text = "\n".join(_write(one) for one in found)
        long = len(self._text) > _MOST_SHOWN
        self._said.set_text(
            "There is none from this client in this round"
            if not found
            else f"The first {_MOST_SHOWN:,} characters; the download is whole"
            if long
            else ""
        )
        self._shown.set_text(self._text[:_MOST_SHOWN])
        self._shown.set_visibility(bool(found))
        self._save.set_visibility(bool(found))

    def _download(self) -> None:
        name = f"task-{self._id}-round-{int(self._round.value)}-{self._kind.value}.json"
        ui.download.content(self._text, name, "application/json")


def _write(one: StoredDocument) -> str:
    return json.dumps(one.document, indent=2, ensure_ascii=False)
