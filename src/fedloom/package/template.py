"""Templates: projects that run as they are, for others to start from."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from fedloom.errors import OutputError, UnknownNameError
from fedloom.files import output_errors

__all__ = ["copy_template", "list_templates"]

_HOME = Path(__file__).with_name("templates")


def list_templates() -> list[str]:
    """Return the names of the templates that come with Fedloom."""
    if not _HOME.is_dir():
        return []
    return sorted(
        path.name for path in _HOME.iterdir() if path.is_dir() and path.name[0] not in "._"
    )


def copy_template(name: str, folder: Path) -> list[Path]:
    """Copy a template to a new folder.

    Args:
        name: of the template.
        folder: to make; it may exist if it is empty.

    Returns:
        The files that are there now, relative to `folder`.

    Raises:
        UnknownNameError: there is no such template.
        OutputError: the folder holds something already, or cannot be written.
    """
    known = list_templates()
    if name not in known:
        raise UnknownNameError("template", name, known)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} exists and is not an empty folder: name a new one")
    with output_errors(folder):
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        # Beside it first, so that nobody ever finds half of a project.
        with TemporaryDirectory(dir=folder.absolute().parent, prefix=f".{folder.name}.") as beside:
            fresh = Path(beside) / "project"
            shutil.copytree(_HOME / name, fresh, ignore=shutil.ignore_patterns("__pycache__"))
            fresh.replace(folder.absolute())
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
