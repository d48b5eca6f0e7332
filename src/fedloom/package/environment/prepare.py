"""From a project to the environment that its commands run in."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from fedloom.errors import OutputError, PackageError
from fedloom.package.environment.build import BuildPlan, build_environment, find_complete
from fedloom.package.environment.environment_file import read_environment_file
from fedloom.package.environment.interpreter import find_interpreter
from fedloom.package.environment.lock import hold_lock
from fedloom.package.environment.prepared import PackageEnvironment
from fedloom.settings import load_settings

if TYPE_CHECKING:
    from fedloom.package.project import Project

__all__ = ["prepare_environment"]

_LIMIT_S = 3600.0
_NAME_LENGTH = 40


def prepare_environment(
    project: Project,
    *,
    offline: bool = False,
    cache_dir: Path | None = None,
    on_line: Callable[[str], None] | None = None,
    limit_s: float = _LIMIT_S,
) -> PackageEnvironment:
    """Return the environment of a project; make it if it is not in the cache.

    It lies in ``<cache>/environments/<name>-<digest>``, where the digest stands for all that it is
    resolved from: the requirements and the files that they name, the Python, the platform and our
    helpers. One that was broken off is never taken for complete: the next call makes it anew.

    Args:
        project: whose ``python_env`` counts; without one it is the environment that runs Fedloom.
        offline: whether to do without the network; what uv has in its cache will do.
        cache_dir: where environments are kept; ``FEDLOOM_CACHE_DIR`` by default.
        on_line: told every line of progress and every warning.
        limit_s: seconds to wait for another process that makes it, and for each step of uv.

    Raises:
        PackageError: the environment file is wrong, or the environment cannot be made.
    """
    tell = on_line or _ignore
    cache = (cache_dir or load_settings().cache_dir).absolute()
    try:
        if project.python_env is None:
            return PackageEnvironment(_find_current_python(cache), None, created=False)
        return _prepare(project.folder / project.python_env, cache, offline, tell, limit_s)
    except (OSError, OutputError) as error:
        refused = error.__cause__ if isinstance(error, OutputError) else error
        raise PackageError(
            f"cannot keep environments in {cache}: {getattr(refused, 'strerror', None) or error}; "
            f"free space or choose another place with FEDLOOM_CACHE_DIR"
        ) from error


def _ignore(_line: str) -> None:
    """Take a line that nobody wants."""


def _prepare(
    path: Path, cache: Path, offline: bool, tell: Callable[[str], None], limit_s: float
) -> PackageEnvironment:
    file = read_environment_file(path.absolute())
    warnings: list[str] = []
    plan = BuildPlan.make(file, find_interpreter(file.python, warnings.append))
    for warning in warnings:
        tell(f"warning: {path}: {warning}")
    called = re.sub(r"[^\w.-]+", "-", file.name, flags=re.ASCII).strip("-.")[:_NAME_LENGTH]
    folder = cache / "environments" / f"{called or 'environment'}-{plan.digest[:16]}"
    python, created = find_complete(folder), False
    if python is None:
        python, created = _make(plan, folder, offline, tell, limit_s)
    return PackageEnvironment(python, folder, created, tuple(warnings))


def _make(
    plan: BuildPlan, folder: Path, offline: bool, tell: Callable[[str], None], limit_s: float
) -> tuple[Path, bool]:
    """Make the environment, unless another process does meanwhile."""
    lock = folder.with_name(f".{folder.name}.lock")
    what = f"the environment {folder.name}"
    with hold_lock(lock, what=what, limit_s=limit_s, on_wait=tell) as descriptor:
        if python := find_complete(folder):
            return python, False
        tell(f"making {what} with Python {plan.interpreter.version}")
        return (
            build_environment(
                plan, folder, offline=offline, on_line=tell, limit_s=limit_s, held=descriptor
            ),
            True,
        )


def _find_current_python(cache: Path) -> Path:
    """Return this interpreter in a folder where it answers to ``python``.

    A system's Python may be there as ``python3`` only; then a link with the right name is made.
    """
    current = Path(sys.executable)
    beside = current.with_name("python")
    if beside.exists() and beside.samefile(current):
        return beside
    folder = cache / "interpreters" / sha256(os.fsencode(current)).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "python"
    if not link.exists():
        fresh = folder / f".python.{os.getpid()}"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(current)
        fresh.replace(link)
    return link
