"""What this machine's kernel offers for confining a process, found out by trying."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

__all__ = ["CONFINE", "Isolation", "find_isolation"]

CONFINE = Path(__file__).with_name("confine.py")

_TRY_SECONDS = 20.0


@dataclass(frozen=True)
class Isolation:
    """Which ways of confining work here.

    Attributes:
        namespaces: own network and own view of the files; the best there is.
        landlock: writing restricted by the Landlock security module.
        seccomp: sockets refused by a filter of system calls.
        lacking: why a way does not work, by its name.
    """

    namespaces: bool = False
    landlock: bool = False
    seccomp: bool = False
    lacking: tuple[tuple[str, str], ...] = ()

    @property
    def network(self) -> bool:
        """Whether a command can be kept from the network."""
        return self.namespaces or self.seccomp

    @property
    def writing(self) -> bool:
        """Whether a command can be kept from writing outside of its folder."""
        return self.namespaces or self.landlock

    @property
    def reading(self) -> bool:
        """Whether a command can be kept from reading the node's own files."""
        return self.namespaces

    def describe(self) -> dict[str, bool]:
        """Return what is kept from packages here, by name."""
        return {"network": self.network, "writing": self.writing, "reading": self.reading}

    def warnings(self) -> Iterator[str]:
        """Yield a line for each thing that packages cannot be kept from on this machine."""
        why = "; ".join(f"{name}: {reason}" for name, reason in self.lacking)
        for kept, what in (
            (self.network, "using the network"),
            (self.writing, "writing outside of their folder"),
            (self.reading, "reading whatever this node's user can read"),
        ):
            if not kept:
                yield f"packages cannot be kept from {what} on this machine ({why})"


@cache
def find_isolation() -> Isolation:
    """Try each way once in a process of its own, and remember what works."""
    if not sys.platform.startswith("linux"):
        reason = f"the system is {sys.platform}, and only Linux has them"
        return Isolation(lacking=(("namespaces, Landlock and seccomp", reason),))
    ways = ("namespaces", "landlock", "seccomp")
    with TemporaryDirectory(prefix="fedloom-isolation-") as folder:
        reasons = {way: _try(way, str(Path(folder).resolve())) for way in ways}
    works = {way: reason is None for way, reason in reasons.items()}
    return Isolation(**works, lacking=tuple((w, r) for w, r in reasons.items() if r is not None))


def _try(way: str, folder: str) -> str | None:
    """Return why a way does not work, or None."""
    spec: dict[str, Any] = {
        **{"writable": [folder], "hidden": [], "shown": [], "note": None, "network": False},
        **{"memory_bytes": None, "file_bytes": None, "processes": None, "shared_bytes": 65536},
        **{name: name == way for name in ("namespaces", "landlock", "seccomp")},
    }
    command = [sys.executable, "-I", "-S", str(CONFINE), json.dumps(spec), "true"]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_TRY_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    said = done.stderr.strip().splitlines()
    return None if done.returncode == 0 else (said or [f"exit code {done.returncode}"])[-1]
