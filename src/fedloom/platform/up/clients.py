"""The clients of `fedloom up`: their folders, and their processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Thread
from typing import Any

import yaml

from fedloom.files import output_errors, write_text
from fedloom.platform.up.child import Child
from fedloom.platform.up.keeper import Keeper, Say
from fedloom.platform.up.state_folder import StateFolder

__all__ = ["Clients", "write_clients"]

_FILE = "node.yaml"
_HEAD = """\
# A client of fedloom up, written on its first start; change it as you like. Paths are relative to
# this file. What may run here is in policy.yaml: see fedloom client policy --config {file}
"""


def write_clients(folder: StateFolder, count: int, *, demo: bool) -> list[Path]:
    """Lay out clients, and return their configurations' files; those that are there stay.

    Args:
        folder: of the state.
        count: number of clients.
        demo: whether they get demo data and allow the demo package; without, they have no data and
            allow nothing until their files say otherwise.

    Raises:
        OutputError: something cannot be written.
    """
    if not count:
        return []
    homes = folder.path / "clients"
    if demo:
        from fedloom.platform.demo import write_demo

        described = write_demo(homes, count)
    else:
        described = [
            {"name": f"client-{n}", "client_index": n - 1, "num_clients": count, "datasets": {}}
            for n in range(1, count + 1)
        ]
    return [_write(homes / str(one["name"]), one) for one in described]


def _write(home: Path, described: Mapping[str, Any]) -> Path:
    """Write a configuration whose paths are relative, so that the whole folder can be moved."""
    path = home / _FILE
    if path.exists():
        return path
    content = {**_relative(described, home), "state": "."}
    with output_errors(home):
        home.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    write_text(path, _HEAD.format(file=_FILE) + text)
    return path


def _relative(value: Any, home: Path) -> Any:
    if isinstance(value, Mapping):
        return {key: _relative(inner, home) for key, inner in value.items()}
    if isinstance(value, str) and Path(value).is_absolute():
        return os.path.relpath(value, home)
    return value


class Clients:
    """Client processes that are kept running.

    Args:
        files: their configurations.
        folder: of the state.
        place: says in variables where a client, by its number from 0, finds its SuperLink.
        say: tells people when one ended.
    """

    def __init__(
        self,
        files: list[Path],
        folder: StateFolder,
        place: Callable[[int], Mapping[str, str]],
        say: Say,
    ) -> None:
        self._ready = [file.parent / ".ready" for file in files]
        self._children = [
            _make_child(file, ready, folder, place(number))
            for number, (file, ready) in enumerate(zip(files, self._ready, strict=True))
        ]
        self._keepers = [Keeper(c.name, c, say, why=c.last_line) for c in self._children]

    def __len__(self) -> int:
        return len(self._children)

    def start(self) -> None:
        """Start them; returns at once."""
        for ready in self._ready:
            ready.unlink(missing_ok=True)
        for keeper in self._keepers:
            keeper.start()

    @property
    def connected(self) -> int:
        """How many have been let in by the SuperLink."""
        return sum(
            child.alive and _read(ready) == str(child.pid)
            for child, ready in zip(self._children, self._ready, strict=True)
        )

    def stop(self) -> None:
        """End them all, at the same time."""
        for child in self._children:
            child.ask()
        stops = [Thread(target=keeper.stop, daemon=True) for keeper in self._keepers]
        for thread in stops:
            thread.start()
        for thread in stops:
            thread.join(15.0)


def _make_child(file: Path, ready: Path, folder: StateFolder, place: Mapping[str, str]) -> Child:
    name = file.parent.name
    command = [sys.executable, "-m", "fedloom.platform.up.client_child", str(file), str(ready)]
    return Child(name, command, folder.log / f"{name}.log", place)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
