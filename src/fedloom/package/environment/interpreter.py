"""Finding the Python that an environment is made from."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fedloom.package.environment.python_request import PythonRequest

__all__ = ["Interpreter", "find_interpreter"]

_ANSWER_S = 10.0
_QUESTION = (
    "import platform; print(platform.python_implementation(), platform.python_version(), "
    "platform.machine())"
)


@dataclass(frozen=True)
class Interpreter:
    """A Python on this machine.

    Attributes:
        path: the executable.
        implementation: as in ``CPython``.
        version: as in ``3.11.7``.
        machine: as in ``x86_64``.
    """

    path: Path
    implementation: str
    version: str
    machine: str


def find_interpreter(
    request: PythonRequest | None, on_warning: Callable[[str], None]
) -> Interpreter:
    """Return the Python to make an environment from.

    It is the one that runs Fedloom if that will do, else the newest right one that is on ``PATH``
    as ``python3.x`` or among the versions of pyenv. Where there is none, it is one that differs in
    the last number only, or else the one that runs Fedloom, with a warning: projects were written
    for programs that pay no heed to this key. Nothing is ever downloaded.

    Args:
        request: what the environment file asks for.
        on_warning: told that no right Python is there, and which one is taken.
    """
    current = Interpreter(
        Path(sys.executable),
        platform.python_implementation(),
        platform.python_version(),
        platform.machine(),
    )
    if request is None or request.accepts(current.version):
        return current
    minors = request.minors()
    nearest = current if sys.version_info.minor in minors else None
    for minor in minors:
        for found in filter(None, map(_ask, _list_candidates(minor))):
            if request.accepts(found.version):
                return found
            nearest = nearest or found
    taken = nearest or current
    on_warning(f"Python {request.text} is asked for and not found: {taken.version} is taken")
    return taken


def _list_candidates(minor: int) -> list[str]:
    """Return the executables of one minor version, the newest of pyenv's first."""
    name = f"python3.{minor}"
    path = shutil.which(name)
    if path is None:
        return []
    shims = Path(path).parent
    if shims.name != "shims":
        return [path]
    # pyenv's launchers take long, and fail for versions that are not switched on.
    folders = shims.parent.glob(f"versions/3.{minor}.*/bin/{name}")
    return [str(found) for found in sorted(folders, key=_read_patch, reverse=True)]


def _read_patch(path: Path) -> int:
    patch = path.parts[-3].rpartition(".")[2]
    return int(patch) if patch.isdecimal() else -1


def _ask(path: str) -> Interpreter | None:
    """Ask a Python what it is; one that cannot answer, such as a stray launcher, is none."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONHOME"}
    try:
        asked = subprocess.run(
            [path, "-I", "-S", "-c", _QUESTION],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ANSWER_S,
            check=True,
            env=environment,
        )
        return Interpreter(Path(path), *asked.stdout.split())
    except (OSError, subprocess.SubprocessError, TypeError):
        return None
