"""A package's commands on a server, bounded as on a node: first weights, functions for rounds."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fedloom
from fedloom.package.client_folder import PackageCopy
from fedloom.package.environment import PackageEnvironment
from fedloom.package.run import run_entry_point
from fedloom.platform.client.sandbox.bounds import Bounds, View
from fedloom.platform.client.sandbox.guard import SandboxGuard
from fedloom.platform.client.sandbox.isolation import find_isolation
from fedloom.platform.client.sandbox.runner import SandboxedRunner

__all__ = ["confine_commands"]


@contextmanager
def confine_commands(
    copy: PackageCopy,
    environment: PackageEnvironment,
    work: Path,
    commands: Iterable[str],
    *,
    hidden: tuple[Path, ...],
    bounds: Bounds,
) -> Iterator[SandboxedRunner]:
    """Yield a runner for commands of a package; what they leave running ends with the block.

    They run as on a node: without the network, writing in their own folder alone, and seeing
    nothing of what is hidden, as far as this machine's kernel allows.

    Args:
        copy: the package.
        environment: in which they run.
        work: the folder in which they may write.
        commands: names of the entry points that may run.
        hidden: files and folders that they find empty.
        bounds: how much they may use.
    """
    guard = SandboxGuard(find_isolation(), bounds, _view(work, hidden, copy, environment))
    try:
        yield SandboxedRunner(run_entry_point, dict.fromkeys(commands, guard), _variables(work))
    finally:
        guard.end_leftovers(all_of_them=True)


def _view(
    work: Path, hidden: tuple[Path, ...], copy: PackageCopy, environment: PackageEnvironment
) -> View:
    needed = [
        work,
        copy.project.folder,
        Path(sys.prefix),
        Path(sys.base_prefix),
        Path(fedloom.__file__).parent,
        *(path for path in (environment.folder, environment.python.parent) if path),
    ]
    given = {path.resolve() for path in needed}
    there = {path.resolve() for path in hidden if path.exists()} - given
    shown = {path for path in given if any(path.is_relative_to(above) for above in there)}
    return View(work, tuple(there), tuple(shown - {work}))


def _variables(work: Path) -> dict[str, str]:
    """Return where a command may leave what is its own."""
    places = {"HOME": work / "home", "TMPDIR": work / "tmp"}
    for place in places.values():
        place.mkdir(exist_ok=True)
    return {name: os.fspath(path) for name, path in places.items()}
