"""Running the entry points of a package in a sandbox, and checking what they leave."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from threading import Event

from fedloom.package.environment import PackageEnvironment
from fedloom.package.project import Project
from fedloom.package.run import EntryPointRunner, Finished, Guard
from fedloom.platform.client.sandbox.guard import SandboxGuard

__all__ = ["SandboxedRunner"]

_PASSED_ON = frozenset(
    """PATH LANG LANGUAGE TZ TERM USER LOGNAME SHELL LD_LIBRARY_PATH CUDA_HOME CUDA_PATH
    CUDA_VISIBLE_DEVICES KERAS_BACKEND PYTHONHASHSEED SSL_CERT_FILE SSL_CERT_DIR""".split()
)
_PASSED_BEGINNINGS = ("LC_", "OMP_", "MKL_", "OPENBLAS_", "NVIDIA_", "JAX_", "XLA_", "TF_")
"""Variables of the node that its packages get; all others may be secrets."""

_CONFINED_BADLY = 125


@dataclass(frozen=True)
class _PlainEnvironment(PackageEnvironment):
    """An environment that passes on of the node's variables only what programs need."""

    @classmethod
    def of(cls, given: PackageEnvironment) -> _PlainEnvironment:
        return cls(**{f.name: getattr(given, f.name) for f in fields(given)})

    def variables(self, base: Mapping[str, str]) -> dict[str, str]:
        kept = {
            n: v for n, v in base.items() if n in _PASSED_ON or n.startswith(_PASSED_BEGINNINGS)
        }
        return super().variables(kept)


@dataclass(frozen=True)
class SandboxedRunner:
    """Runs entry points as another runner does, in bounds; an `EntryPointRunner` itself.

    Attributes:
        inner: the cold or the warm runner.
        guards: the guard of each entry point that may run; others are refused.
        variables: told to every command, in place of what else would be.
    """

    inner: EntryPointRunner
    guards: Mapping[str, SandboxGuard]
    variables: Mapping[str, str]

    def __call__(
        self,
        project: Project,
        name: str,
        arguments: Sequence[Path | str],
        *,
        environment: PackageEnvironment,
        variables: Mapping[str, str] = {},
        working_folder: Path | None = None,
        timeout_s: float | None = None,
        log: Path | None = None,
        on_output: Callable[[str], None] | None = None,
        cancel: Event | None = None,
        guard: Guard | None = None,  # noqa: ARG002 - the sandbox's own counts
    ) -> Finished:
        """Run one entry point to its end; see `fedloom.package.run.run_entry_point`."""
        own = self.guards.get(name)
        if own is None:
            return _refuse(name, "the node's owner does not allow this entry point")
        finished = self.inner(
            project,
            name,
            arguments,
            environment=_PlainEnvironment.of(environment),
            variables={**variables, **self.variables},
            working_folder=working_folder,
            timeout_s=timeout_s,
            log=log,
            on_output=on_output,
            cancel=cancel,
            guard=own,
        )
        own.end_leftovers(all_of_them=False)
        if finished.exit_code == _CONFINED_BADLY and any("confined" in t for t in finished.tail):
            return replace(finished, stopped=finished.tail[-1])
        fault = _find_trap(arguments)
        return replace(finished, exit_code=1, stopped=fault) if fault else finished


def _refuse(name: str, reason: str) -> Finished:
    return Finished(name, 1, 0.0, False, (), stopped=reason)


def _find_trap(arguments: Sequence[Path | str]) -> str:
    """Return what is wrong with the files of a call: links would lead whoever reads them astray."""
    places = {argument.parent for argument in arguments if isinstance(argument, Path)}
    for place in places:
        if place.is_symlink() or not place.is_dir():
            return "it put something else in the place of the folder for its results"
        for entry in place.iterdir():
            found = entry.lstat()
            if stat.S_ISLNK(found.st_mode) or (
                not stat.S_ISDIR(found.st_mode)
                and (not stat.S_ISREG(found.st_mode) or found.st_nlink != 1)
            ):
                return f"it left {entry.name!r}, which is no plain file"
    return ""
