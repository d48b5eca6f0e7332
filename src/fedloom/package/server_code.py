"""A package's ``server.py``: functions that take the place of parts of the algorithm.

They run in a process of their own, in the package's environment: nothing of a package is ever
imported here. A function that ``server.py`` lacks is the algorithm's own.

- ``select(round, clients)`` returns the clients of a round, by their ``client_id`` or ``index``.
- ``configure(round, client)`` returns settings for a client beside those that all get.
- ``aggregate(weights, updates)`` returns the arrays of the new global model.

A client is a mapping with ``client_id``, ``index`` and ``num_examples`` (0 before its first
training); an update is one with ``weights`` (the client's own) and ``num_examples``.
"""

from __future__ import annotations

import ast
import json
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fedloom.errors import PackageError
from fedloom.federation.fleet import Client
from fedloom.federation.reduce import Reducer, Update
from fedloom.federation.weights import Weights
from fedloom.files import output_errors
from fedloom.package.arrays import fit_arrays, read_arrays
from fedloom.package.environment import PackageEnvironment
from fedloom.package.project import EntryPoint, Project
from fedloom.package.run import EntryPointRunner

__all__ = ["FUNCTIONS", "ServerCode", "find_functions"]

FUNCTIONS = ("select", "configure", "aggregate")
"""What ``server.py`` may define."""

_FILE = "server.py"
_CHILD = Path(__file__).with_name("server_code_child") / "call.py"
_LINES_SHOWN = 10


def find_functions(project: Project) -> frozenset[str]:
    """Return which of `FUNCTIONS` a package's ``server.py`` defines; none without that file.

    Raises:
        PackageError: the file is no Python, or defines none of them.
    """
    path = project.folder / _FILE
    if not path.is_file():
        return frozenset()
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise PackageError(f"{path.name} is no valid Python: {error}") from error
    found = frozenset(
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name in FUNCTIONS
    )
    if not found:
        wanted = ", ".join(FUNCTIONS)
        raise PackageError(f"{path.name} defines none of {wanted}: rename it, or define one")
    return found


@dataclass(frozen=True)
class ServerCode:
    """Calls the functions of a package's ``server.py``.

    Attributes:
        project: the package.
        environment: in which they run.
        runner: what runs them.
        folder: the server's own copy of the package, in a folder that takes requests too.
        timeout_s: seconds that one call may take.
    """

    project: Project
    environment: PackageEnvironment
    runner: EntryPointRunner
    folder: Path
    timeout_s: float | None

    def select(self, round: int, clients: Sequence[Client]) -> list[int]:  # noqa: A002
        """Return the cohort of a round.

        Raises:
            PackageError: the function fails, or names who is no client.
        """
        request = {"round": round, "clients": [asdict(client) for client in clients]}
        answer = self._ask("select", request)
        known = {name: c.index for c in clients for name in (c.client_id, c.index)}
        if not isinstance(answer, list) or any(
            isinstance(name, bool) or not isinstance(name, str | int) or name not in known
            for name in answer
        ):
            raise PackageError(
                f"{_FILE}: select returned {str(answer)[:60]}: wanted are clients' ids or indices"
            )
        return sorted({known[name] for name in answer})

    def configure(self, round: int, clients: Sequence[Client]) -> list[Mapping[str, Any]]:  # noqa: A002
        """Return the settings of each client in a round.

        Raises:
            PackageError: the function fails, or returns no mapping.
        """
        request = {"round": round, "clients": [asdict(client) for client in clients]}
        answer: list[Mapping[str, Any]] = self._ask("configure", request)
        for settings in answer:
            if not isinstance(settings, dict):
                raise PackageError(
                    f"{_FILE}: configure returned {str(settings)[:60]}: wanted is a dictionary"
                )
        return answer

    def reducer(self) -> Reducer:
        """Return ``aggregate`` as a reducer: it keeps the updates until a round is over."""
        return Reducer(
            name=f"{_FILE}: aggregate",
            init=lambda weights: (weights, ()),
            add=lambda state, update: (state[0], (*state[1], update)),
            merge=lambda left, right: (left[0], (*left[1], *right[1])),
            finish=lambda state: self._aggregate(*state),
            keeps_updates=True,
        )

    def _aggregate(self, weights: Weights, updates: Sequence[Update]) -> Weights:
        if not updates:
            return [np.zeros_like(w) for w in weights]
        place = self._open({"updates": _describe(updates)})
        with output_errors(place):
            _save(place / "weights.npz", weights)
            for index, update in enumerate(updates):
                own = [w + d for w, d in zip(weights, update.delta, strict=True)]
                _save(place / f"update_{index}.npz", own)
        try:
            self._call("aggregate", place)
            arrays = read_arrays(place / "result.npz", weights, None)
            found = fit_arrays(arrays, weights, "what aggregate returned", [])
        except PackageError as error:
            raise PackageError(f"{_FILE}: aggregate: {error}") from error
        finally:
            shutil.rmtree(place, ignore_errors=True)
        return [new - old for new, old in zip(found, weights, strict=True)]

    def _ask(self, name: str, request: Mapping[str, Any]) -> Any:
        place = self._open(request)
        try:
            self._call(name, place)
            return json.loads((place / "result.json").read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise PackageError(f"{_FILE}: {name} left no answer: {error}") from error
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _open(self, request: Mapping[str, Any]) -> Path:
        """Make the folder of one call."""
        place = self.folder / "request"
        with output_errors(place):
            package = self.folder / self.project.folder.name
            if not package.exists():
                shutil.copytree(self.project.folder, package)
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            (place / "request.json").write_text(json.dumps(request), "utf-8")
        return place

    def _call(self, name: str, place: Path) -> None:
        command = EntryPoint(f"{_FILE} {name}", f"python {shlex.quote(str(_CHILD))}")
        finished = self.runner(
            replace(self.project, entry_points={command.name: command}),
            command.name,
            [place, name],
            environment=self.environment,
            working_folder=self.folder / self.project.folder.name,
            timeout_s=self.timeout_s,
        )
        if not finished.succeeded:
            lines = [line for line in finished.tail if line.strip()][-_LINES_SHOWN:]
            raise PackageError("\n".join([finished.explain(), *(f"  | {line}" for line in lines)]))


def _describe(updates: Sequence[Update]) -> list[dict[str, int]]:
    return [{"num_examples": int(update.num_examples)} for update in updates]


def _save(path: Path, weights: Weights) -> None:
    arrays: dict[str, Any] = {str(i): np.asarray(w) for i, w in enumerate(weights)}
    np.savez(path, **arrays)
