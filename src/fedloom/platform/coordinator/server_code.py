"""A package's ``server.py`` in a live task: its functions, run here in a sandbox.

See `fedloom.package.server_code` for what it may define.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from fedloom.experiment.package_parts import refuse_private
from fedloom.federation.algorithm import Algorithm
from fedloom.federation.fleet import Client
from fedloom.files import output_errors
from fedloom.package.client_folder import copy_package
from fedloom.package.environment import prepare_environment
from fedloom.package.server_code import FUNCTIONS, ServerCode, find_functions
from fedloom.platform.client.sandbox import Bounds
from fedloom.platform.client.sandbox.commands import confine_commands

__all__ = ["NO_SERVER_CODE", "LiveServerCode", "open_server_code"]

_TIMEOUT_S = 600.0
"""Seconds that one call may take."""

_GIBI = 1024**3
_BOUNDS = Bounds(
    memory_bytes=8 * _GIBI, file_bytes=4 * _GIBI, folder_bytes=16 * _GIBI, processes=128
)


@dataclass(frozen=True)
class LiveServerCode:
    """What a package's ``server.py`` defines, for one task; several threads may call it.

    Attributes:
        functions: those of `fedloom.package.server_code.FUNCTIONS` that it defines.
        code: calls them; None where there are none.
    """

    functions: frozenset[str] = frozenset()
    code: ServerCode | None = None
    _turn: Lock = field(default_factory=Lock, repr=False)

    def change(self, algorithm: Algorithm) -> Algorithm:
        """Return an algorithm that aggregates as the package says.

        Raises:
            InputError: the algorithm promises a privacy that would not hold.
        """
        refuse_private(algorithm, self.functions)
        if self.code is None or "aggregate" not in self.functions:
            return algorithm
        return replace(algorithm, reducer=self.code.reducer())

    def select(self, number: int, clients: Sequence[Client]) -> list[int] | None:
        """Return a round's cohort, ascending; None leaves it to the algorithm.

        Raises:
            PackageError: the function fails, or names who is no client.
        """
        if self.code is None or "select" not in self.functions:
            return None
        with self._turn:
            return self.code.select(number, clients)

    def configure(self, number: int, clients: Sequence[Client]) -> list[Mapping[str, Any]]:
        """Return what each client of a round is told beside the task's settings.

        Raises:
            PackageError: the function fails, or returns no mapping.
        """
        if self.code is None or "configure" not in self.functions or not clients:
            return [{} for _ in clients]
        with self._turn:
            return self.code.configure(number, clients)


NO_SERVER_CODE = LiveServerCode()
"""For what has no ``server.py``."""


@contextmanager
def open_server_code(archive: Path | None, hidden: tuple[Path, ...]) -> Iterator[LiveServerCode]:
    """Make a package's ``server.py`` ready for the block.

    Args:
        archive: of the package; None where there is none.
        hidden: files and folders of the coordinator that it finds empty.

    Raises:
        PackageError: the file is no Python, or its environment cannot be made.
        OutputError: its folder cannot be written.
    """
    if archive is None:
        yield NO_SERVER_CODE
        return
    with TemporaryDirectory(prefix="fedloom-server-code-", ignore_cleanup_errors=True) as scratch:
        place = Path(scratch).resolve()
        with output_errors(place):
            copy = copy_package(archive, place / "package")
            (place / "work" / "server").mkdir(parents=True)
        functions = find_functions(copy.project)
        if not functions:
            yield NO_SERVER_CODE
            return
        environment = prepare_environment(copy.project)
        commands = [f"server.py {name}" for name in FUNCTIONS]
        with confine_commands(
            copy, environment, place / "work", commands, hidden=hidden, bounds=_BOUNDS
        ) as runner:
            folder = place / "work" / "server"
            code = ServerCode(copy.project, environment, runner, folder, _TIMEOUT_S)
            yield LiveServerCode(functions, code)
