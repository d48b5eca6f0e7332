"""The seed model: where the entry point `build` leaves it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fedloom.errors import PackageError

if TYPE_CHECKING:
    from fedloom.package.project import Project

__all__ = ["find_seed"]

SEED_NAME = "seed.npz"


def find_seed(project: Project, *, since: float = 0.0) -> Path:
    """Return the seed model of a package.

    It is ``seed.npz`` beside the package's folder, where `build` writes it by convention, or
    inside; failing that, the only ``.npz`` that is new in one of the two.

    Args:
        project: the package.
        since: time in seconds since the epoch; older files do not count.

    Raises:
        PackageError: there is none, or there are several; the message names them.
    """
    candidates = list(_list_models(project.folder, since))
    named = [path for path in candidates if path.name == SEED_NAME]
    found = named[:1] or (candidates if since else [])
    if len(found) == 1:
        return found[0]
    place = project.folder.parent / SEED_NAME
    several = f", and of {', '.join(path.name for path in found)} none is named so" if found else ""
    raise PackageError(
        f"there is no seed model {place}{several}: let the entry point build write it, or name one"
    )


def _list_models(folder: Path, since: float) -> Iterator[Path]:
    for place in (folder.parent, folder):
        for path in sorted(place.glob("*.npz")):
            if path.is_file() and path.stat().st_mtime >= since:
                yield path
