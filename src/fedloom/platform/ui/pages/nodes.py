"""All nodes: which are there, what they hold, and whose key stands for which name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nicegui import ui

from fedloom.errors import FedloomError
from fedloom.platform.identity import Permission
from fedloom.platform.store import EventKind
from fedloom.platform.ui.confirm import confirm
from fedloom.platform.ui.frame import card, frame, heading
from fedloom.platform.ui.live import keep_fresh
from fedloom.platform.ui.tables import Cell, Field, make_table, show_rows
from fedloom.platform.ui.visit import Visit
from fedloom.platform.ui.wording import ago

if TYPE_CHECKING:
    from fedloom.platform.service.nodes import NodeView

__all__ = ["nodes_page"]

_FIELDS = (
    Field("name", "Node"),
    Field("state", "State", Cell.STATUS),
    Field("seen", "Last seen"),
    Field("data", "Data"),
    Field("versions", "Versions", wide=True),
    Field("key", "Key", wide=True),
)
_MATTERS = frozenset({EventKind.NODE, EventKind.NODE_REMOVED})


async def nodes_page() -> None:
    """Build the list of nodes."""
    with frame("Nodes", "/nodes") as visit:
        manages = visit.may(Permission.MANAGE_NODES)
        with ui.element("div").classes("flm-head"):
            heading("Nodes").classes("flm-grow")
            if manages:
                ui.button("Register a key", on_click=lambda: _register(visit))
        fields = [*_FIELDS, Field("remove", "", Cell.BUTTON)] if manages else _FIELDS
        with card():
            table = make_table(fields, [], key="name", page_size=50, nothing="No node has reported")
        table.on("press", lambda event: _remove(visit, str(event.args["name"])))

        async def refresh() -> None:
            nodes = await visit.shared("nodes", lambda service, who: service.nodes(who))
            if show_rows(table, [_row(node, manages) for node in nodes]):
                table.props(**{"remove" if len(nodes) > 50 else "add": "hide-pagination"})

        await refresh()
        keep_fresh(visit, refresh, lambda event: event.kind in _MATTERS, every_s=10.0)


def _row(node: NodeView, manages: bool) -> dict[str, Any]:
    said = node.attributes.get("use_cases")
    held = said if isinstance(said, dict) else {}
    data = []
    for name in node.use_cases:
        rows = held.get(name, {}).get("rows") if isinstance(held.get(name), dict) else None
        data.append(f"{name} ({rows:,} rows)" if isinstance(rows, int) else name)
    return {
        "name": node.name,
        "state": "online" if node.online else "offline",
        "seen": ago(node.last_seen),
        "data": ", ".join(data) or "–",
        "versions": ", ".join(f"{part} {number}" for part, number in node.versions.items()),
        "key": f"{node.key[:16]}… {'registered' if node.registered else 'as it came'}",
        "remove": "Remove" if manages else "",
    }


async def _register(visit: Visit) -> None:
    with ui.dialog() as dialog, ui.card():
        heading("Register a node's key", 2)
        name = ui.input("Name of the node").props("outlined dense autofocus").style("width: 100%")
        key = ui.textarea("Public key (PEM)", placeholder="-----BEGIN PUBLIC KEY-----")
        key.props("outlined input-class=flm-mono").style("width: min(480px, 80vw)")
        replace = ui.checkbox("It takes the place of the key that has this name now")
        said = ui.label().classes("flm-reason").props("role=alert")
        said.set_visibility(False)

        async def register() -> None:
            try:
                await visit.ask(
                    visit.service.register_node,
                    visit.who,
                    name.value.strip(),
                    key.value,
                    replace=replace.value,
                )
            except FedloomError as error:
                said.set_text(str(error))
                said.set_visibility(True)
                return
            dialog.close()

        with ui.element("div").classes("flm-row"):
            ui.button("Register", on_click=register)
            ui.button("Close", on_click=dialog.close).props("flat")
    dialog.on("hide", dialog.delete)
    dialog.open()


async def _remove(visit: Visit, name: str) -> None:
    text = f"Remove node {name}? Its key is forgotten; it must be registered anew to come back."
    if await confirm(text, "Remove the node"):
        await visit.act(visit.service.remove_node, visit.who, name)
