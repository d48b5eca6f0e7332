"""The fleet of a task: over one SuperLink, or over several as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from fedloom.federation.fleet import ClientResult
from fedloom.fleet.client_memory import ClientMemory
from fedloom.fleet.flower.depot import with_package_link
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.fleet.flower.link import Link
from fedloom.fleet.flower.orders import Configure
from fedloom.fleet.flower.registered import Registered
from fedloom.platform.coordinator.recipe import Recipe
from fedloom.platform.task import Task

__all__ = ["drop_links", "name_for_nodes", "open_fleet"]


def name_for_nodes(task: Task) -> str:
    """Return what nodes call a task; another database may have one of the same number."""
    digest = blake2b(task.created_at.isoformat().encode(), digest_size=4).hexdigest()
    return f"task-{task.id}-{digest}"


def open_fleet(
    links: Sequence[Link],
    task: Task,
    recipe: Recipe,
    *,
    names: Registered | None = None,
    observer: Callable[[ClientResult], None] = lambda _: None,
    configure: Configure | None = None,
) -> FlowerFleet:
    """Return the fleet of a task; the caller closes it, and drops the task's links.

    Raises:
        LinkError: a SuperLink cannot be reached.
    """
    fleets = [_open_one(link, task, recipe, names, observer, configure) for link in links]
    if len(fleets) == 1:
        return fleets[0]
    from fedloom.fleet.flower.combined import CombinedFleet

    combined: Any = CombinedFleet(fleets)
    return combined  # type: ignore[no-any-return]  # it has all of a fleet's methods


def drop_links(links: Sequence[Link], task: Task) -> None:
    """Withdraw what the depots offer for a task."""
    for link in links:
        if link.depot is not None:
            link.depot.drop(name_for_nodes(task))


def _open_one(
    link: Link,
    task: Task,
    recipe: Recipe,
    names: Registered | None,
    observer: Callable[[ClientResult], None],
    configure: Configure | None,
) -> FlowerFleet:
    name = name_for_nodes(task)
    settings: Mapping[str, Any] = recipe.settings
    more: dict[str, Any] = {}
    if link.depot is not None:
        more["depot"] = link.depot
        if recipe.archive is not None:
            settings = with_package_link(settings, link.depot, recipe.archive, name)
    return FlowerFleet(
        link.endpoint,
        link.secret,
        name,
        settings,
        memory=ClientMemory(recipe.memory),
        scorer=recipe.scorer,
        observer=observer,
        configure=configure,
        names=names,
        **more,
    )
