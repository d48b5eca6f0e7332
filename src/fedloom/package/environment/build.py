"""Making an environment with uv, and telling a complete one from one that was broken off."""

from __future__ import annotations

import json
import os
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from shutil import rmtree

from fedloom.errors import PackageError
from fedloom.files import write_text
from fedloom.package.environment.environment_file import EnvironmentFile
from fedloom.package.environment.index_settings import read_index_settings
from fedloom.package.environment.interpreter import Interpreter
from fedloom.package.environment.requirement import SHIMMED
from fedloom.package.environment.uv_command import UvCommand, find_uv
from fedloom.package.shim import copy_shim, digest_shim

__all__ = ["MARKER", "BuildPlan", "build_environment", "find_complete"]

MARKER = "fedloom-environment.json"
"""Written last: an environment without this file was broken off."""

_NEEDED = ("numpy",)
"""What our helpers need, installed whether or not it is asked for."""
_LEFT_OUT = (
    "VIRTUAL_ENV",
    "PYTHONHOME",
    "PYTHONPATH",
    "UV_SYSTEM_PYTHON",
    "UV_PROJECT_ENVIRONMENT",
)
"""Variables that would lead uv, or what it builds, to another environment."""


@dataclass(frozen=True)
class BuildPlan:
    """What an environment is made from.

    Attributes:
        file: the environment file.
        interpreter: the Python.
        digest: SHA-256 of all that the content depends on, in hexadecimal.
    """

    file: EnvironmentFile
    interpreter: Interpreter
    digest: str

    @classmethod
    def make(cls, file: EnvironmentFile, interpreter: Interpreter) -> BuildPlan:
        """Return the plan for an environment file and a Python."""
        ground = {
            "build_dependencies": file.build_dependencies,
            "dependencies": file.dependencies,
            "files": [sha256(path.read_bytes()).hexdigest() for path in file.files],
            "python": [interpreter.implementation, interpreter.version, interpreter.machine],
            "platform": sysconfig.get_platform(),
            "helpers": digest_shim(),
            "needed": _NEEDED,
        }
        return cls(file, interpreter, sha256(json.dumps(ground).encode()).hexdigest())


def find_complete(folder: Path) -> Path | None:
    """Return the Python of an environment that is complete and still has its interpreter."""
    python = folder / "bin" / "python"
    return python if (folder / MARKER).is_file() and python.exists() else None


def build_environment(
    plan: BuildPlan,
    folder: Path,
    *,
    offline: bool,
    on_line: Callable[[str], None],
    limit_s: float,
    held: int,
) -> Path:
    """Make an environment in `folder` and return its Python. The caller holds the lock.

    What lies there is removed first. On an error nothing is left behind.

    Args:
        plan: what to make it from.
        folder: where; environments cannot be moved, so it is made in its place.
        offline: whether to do without the network.
        on_line: told every line of uv's output.
        limit_s: seconds for each step.
        held: the lock's file descriptor, which uv inherits: should this process be killed, nobody
            removes the folder while uv still writes to it.

    Raises:
        PackageError: uv is missing or failed; the message ends with what it said.
        OSError: the folder cannot be written.
    """
    settings = read_index_settings(os.environ)
    inherited = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}
    uv = UvCommand(
        program=find_uv(),
        folder=plan.file.path.parent,
        variables=inherited | dict(settings.variables),
        limit_s=limit_s,
        on_line=on_line,
        hidden=settings.addresses,
        held=(held,),
    )
    rmtree(folder, ignore_errors=True)
    try:
        _fill(uv, plan, folder, [*settings.arguments, *(["--offline"] if offline else [])])
        # Only now is it complete: the file appears in one step.
        found = {"digest": plan.digest, "python": plan.interpreter.version}
        write_text(folder / MARKER, json.dumps(found))
    except BaseException:
        rmtree(folder, ignore_errors=True)
        raise
    return folder / "bin" / "python"


def _fill(uv: UvCommand, plan: BuildPlan, folder: Path, options: list[str]) -> None:
    purpose = f"make the environment of {plan.file.path}"
    if "--offline" in options:
        purpose += " without the network (--offline)"
    python = str(folder / "bin" / "python")
    venv = ["venv", "--no-project", "--no-python-downloads", "--offline"]
    source = ["--python", str(plan.interpreter.path), "--prompt", plan.file.name]
    uv.run([*venv, *source, str(folder)], purpose=purpose)
    excluded = folder / "never-fetched.txt"
    write_text(excluded, "\n".join(SHIMMED))
    # As an address, because uv takes a blank in a path for the end of it.
    install = ["pip", "install", "--python", python, *options, "--excludes", excluded.as_uri()]
    for lines in (plan.file.build_dependencies, (*plan.file.dependencies, *_NEEDED)):
        if lines:
            # On stdin, so that relative paths in the lines start in the working folder.
            uv.run([*install, "--requirements", "-"], purpose=purpose, given="\n".join(lines))
    copy_shim(_find_site_packages(folder))


def _find_site_packages(folder: Path) -> Path:
    found = [*folder.glob("lib/*/site-packages")]
    if len(found) != 1:
        raise PackageError(f"{folder} has {len(found)} folders named site-packages instead of one")
    return found[0]
