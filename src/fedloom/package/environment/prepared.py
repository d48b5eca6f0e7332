"""An environment that is ready, and how a process is started in it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fedloom.package.shim import shim_folder

__all__ = ["PackageEnvironment", "describe_environment"]


@dataclass(frozen=True)
class PackageEnvironment:
    """The environment that a package's commands run in.

    Attributes:
        python: its interpreter, in a folder where it answers to the name ``python``.
        folder: the environment's folder; None is the environment that runs Fedloom.
        created: whether it was made just now, rather than found in the cache.
        warnings: what the user ought to know, such as a Python that is not there.
    """

    python: Path
    folder: Path | None
    created: bool
    warnings: tuple[str, ...] = ()

    def variables(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of a process in which ``python`` is this environment's.

        Args:
            base: the variables to start from, all of which are passed on but ``PYTHONHOME``,
                which would lead to another Python's library.
        """
        variables = {name: value for name, value in base.items() if name != "PYTHONHOME"}
        variables["PATH"] = _put_first(self.python.parent, base.get("PATH") or os.defpath)
        if self.folder is not None:
            variables["VIRTUAL_ENV"] = str(self.folder)
            return variables
        variables["PYTHONPATH"] = _put_first(shim_folder(), base.get("PYTHONPATH"))
        if sys.prefix != sys.base_prefix:
            variables["VIRTUAL_ENV"] = sys.prefix
        return variables


def describe_environment(environment: PackageEnvironment) -> str:
    """Return where an environment is and how it is activated by hand, in two or three lines."""
    if environment.folder is None:
        python_path = shlex.quote(str(shim_folder()))
        return (
            f"environment: the one that runs Fedloom ({sys.prefix}), for want of python_env\n"
            f"python: {environment.python}\n"
            f'activate: export PYTHONPATH={python_path}"${{PYTHONPATH:+:$PYTHONPATH}}"'
        )
    activate = shlex.quote(str(environment.folder / "bin" / "activate"))
    return (
        f"environment: {environment.folder}\n"
        f"python: {environment.python}\n"
        f"activate: source {activate}"
    )


def _put_first(folder: Path, path: str | None) -> str:
    return f"{folder}{os.pathsep}{path}" if path else str(folder)
