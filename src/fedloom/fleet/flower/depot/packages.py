"""Packages over the depot: a link beside the digest in a task's settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from fedloom.errors import InputError
from fedloom.fleet.flower.depot.carrier import Carrier
from fedloom.fleet.flower.depot.depot import Depot
from fedloom.fleet.flower.endpoint import Endpoint
from fedloom.package.archive import LIMIT_BYTES

__all__ = ["Fetch", "depot_fetch", "with_package_link", "without_links"]

Fetch: TypeAlias = Callable[[Mapping[str, Any], Path], None]
"""Writes the archive that a task's settings name to a path; whoever asked checks the digest."""

_MOST_ARCHIVE_BYTES = 2 * LIMIT_BYTES


def with_package_link(
    settings: Mapping[str, Any], depot: Depot, archive: Path, task: str
) -> dict[str, Any]:
    """Return a task's settings with a link to its package's archive.

    Args:
        settings: as `package_settings` makes them.
        depot: that nodes of the task fetch from.
        archive: the package; it must stay where it is until the task is over.
        task: its name, as the fleet has it.

    Raises:
        DataError: there is no such file.
    """
    link = depot.offer(archive, task=task)
    return {**settings, "package": {**settings["package"], "link": link}}


def without_links(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task's settings as they are whoever offers the package, to name orders by."""
    package = settings.get("package")
    if not isinstance(package, Mapping) or "link" not in package:
        return dict(settings)
    return {**settings, "package": {k: v for k, v in package.items() if k != "link"}}


def depot_fetch(endpoint: Endpoint, patience_s: float = 20.0) -> Fetch:
    """Return what brings packages to a node.

    Args:
        endpoint: of the SuperLink, as the node reaches it.
        patience_s: how long is tried while the depot does not answer.
    """
    carrier = Carrier(endpoint, patience_s)

    def fetch(settings: Mapping[str, Any], target: Path) -> None:
        package = settings.get("package")
        link = package.get("link") if isinstance(package, Mapping) else None
        if not isinstance(link, str):
            raise InputError("the task does not say where its package can be fetched")
        carrier.fetch_file(link, target, _MOST_ARCHIVE_BYTES)

    return fetch
