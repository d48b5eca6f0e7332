"""One version of a model: what it is, where it comes from, and the other versions."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from nicegui import ui

from fedloom.errors import FedloomError
from fedloom.platform.identity import Permission
from fedloom.platform.registry import Lineage, Version, VersionKind
from fedloom.platform.task import Task
from fedloom.platform.ui.confirm import confirm
from fedloom.platform.ui.frame import card, empty, facts, frame, heading
from fedloom.platform.ui.plots import format_value
from fedloom.platform.ui.tables import Cell, Field, make_table
from fedloom.platform.ui.visit import Visit
from fedloom.platform.ui.wording import model_path, say_size, say_time

__all__ = ["model_page"]

_LONGEST_CHAIN = 12
_NAMES_SHOWN = 40
_FIELDS = (
    Field("version", "Version", Cell.LINK),
    Field("kind", "Holds"),
    Field("from", "Trained from", Cell.LINK),
    Field("task", "By task", Cell.LINK),
    Field("rounds", "Rounds", number=True, wide=True),
    Field("created", "Made", wide=True),
)


@dataclass(frozen=True)
class _State:
    version: Version
    lineage: Lineage | None
    ancestors: list[tuple[str, int, int | None]]
    versions: list[Version]
    task: Task | None


async def model_page(name: str, version: int) -> None:
    """Build the page of a version."""
    with frame(f"{name} version {version}", "/models") as visit:
        state = await visit.ask(_read, visit, name, version)
        _head(visit, state.version)
        with card("Lineage"):
            _show_chain(state)
        with ui.element("div").classes("flm-two"):
            with card("About"):
                facts(_describe(state))
            with card("Metrics"):
                _show_metrics(state.task)
        with card("All versions"):
            make_table(_FIELDS, [_row(one) for one in state.versions], key="version", page_size=20)


def _read(visit: Visit, name: str, number: int) -> _State:
    service, who = visit.service, visit.who
    version = service.version(who, name, number)
    lineage = service.lineage(who, name, number)
    versions = list(service.versions(who, name, limit=100).items)
    task = None
    if version.task_id is not None:
        try:
            task = service.get_task(who, version.task_id)
        except FedloomError:
            task = None  # deleted; the model stays
    return _State(version, lineage, _find_ancestors(visit, version), versions, task)


def _find_ancestors(visit: Visit, version: Version) -> list[tuple[str, int, int | None]]:
    """Return what a version was trained from, step by step: name, version, and by which task."""
    chain: list[tuple[str, int, int | None]] = []
    parent, task = version.parent, version.task_id
    while parent is not None and len(chain) < _LONGEST_CHAIN:
        chain.append((*parent, task))
        try:
            found = visit.service.version(visit.who, *parent)
        except FedloomError:
            break  # deleted since
        parent, task = found.parent, found.task_id
    return chain


def _head(visit: Visit, version: Version) -> None:
    files = f"/files{model_path(version.name, version.version)}"
    with ui.element("div").classes("flm-head"):
        heading(f"{version.name} version {version.version}").classes("flm-grow")
        if version.weights:
            size = say_size(version.weights.size_bytes)
            ui.link(f"Weights ({size})", f"{files}/weights").props("download")
        if version.package:
            size = say_size(version.package.size_bytes)
            ui.link(f"Package ({size})", f"{files}/package").props("download")
        if visit.may(Permission.CREATE_TASK) and "train" in version.entry_points:
            path = f"/tasks/new?model={quote(version.name)}&version={version.version}"
            ui.button("Train it", on_click=lambda: ui.navigate.to(path))
        if visit.may(Permission.MANAGE_MODELS):
            ui.button("Delete", on_click=lambda: _delete(visit, version)).props(
                "outline color=negative"
            )


async def _delete(visit: Visit, version: Version) -> None:
    if await confirm(f"Delete {version}? Tasks can no longer start from it.", "Delete it"):
        done = await visit.act(_delete_now, visit, version)
        if done:
            ui.navigate.to("/models")


def _delete_now(visit: Visit, version: Version) -> bool:
    visit.service.delete_version(visit.who, version.name, version.version)
    return True


def _show_chain(state: _State) -> None:
    """Draw versions as boxes, from the first ancestor to this one, joined by the tasks."""
    version = state.version
    steps = state.ancestors[::-1]
    with ui.element("div").classes("flm-chain"):
        for name, number, task in steps:
            _box(name, number, "", here=False)
            _arrow(task)
        _box(version.name, version.version, str(version.kind), here=True)
    if state.lineage and state.lineage.clients:
        clients = [str(name) for name in state.lineage.clients]
        more = len(clients) - _NAMES_SHOWN
        names = ", ".join(clients[:_NAMES_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
        said = f"{state.lineage.rounds} rounds with {len(clients):,} clients: {names}"
        ui.label(said).classes("flm-muted flm-small")
    elif not steps:
        empty("Nothing came before it: it was put in as it is")


def _box(name: str, number: int, note: str, *, here: bool) -> None:
    box = ui.link("", model_path(name, number)).classes("flm-node")
    if here:
        box.classes("is-here").props("aria-current=page")
    with box:
        ui.label(f"{name} v{number}")
        if note:
            with ui.element("small"):
                ui.label(note)


def _arrow(task: int | None) -> None:
    with ui.element("div").classes("flm-small flm-muted").style("text-align: center"):
        if task is not None:
            ui.link(f"task {task}", f"/tasks/{task}")
        ui.element("div").classes("flm-arrow").style("margin-inline: auto")


def _show_metrics(task: Task | None) -> None:
    numbers = {
        name: float(value)
        for name, value in (task.metrics if task else {}).items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    facts([(name, format_value(value)) for name, value in numbers.items()])
    if not numbers:
        empty("No task of this platform has measured it")


def _describe(state: _State) -> list[tuple[str, str]]:
    version = state.version
    pairs = [
        ("Holds", str(version.kind)),
        ("Use case", version.use_case or "all"),
        ("Entry points", ", ".join(version.entry_points)),
        ("Description", version.description),
        ("Made", say_time(version.created_at)),
        ("Fedloom", version.made_by or ""),
        ("Digest", version.digest),
        ("Signed by", ", ".join(signature.key for signature in version.signatures)),
        ("Records", version.records or ""),
    ]
    if version.kind is VersionKind.FOREIGN:
        pairs.append(("Note", "another program registered it; Fedloom can only show it"))
    return [(name, value) for name, value in pairs if value]


def _row(version: Version) -> dict[str, object]:
    parent = version.parent
    return {
        "version": version.version,
        "version_path": model_path(version.name, version.version),
        "kind": str(version.kind),
        "from": f"{parent[0]} v{parent[1]}" if parent else "–",
        "from_path": model_path(*parent) if parent else "",
        "task": version.task_id if version.task_id is not None else "–",
        "task_path": f"/tasks/{version.task_id}" if version.task_id is not None else "",
        "rounds": version.rounds if version.rounds is not None else "–",
        "created": say_time(version.created_at),
    }
