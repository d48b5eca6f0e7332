"""What a package's scripts import: our helpers, under every name that scripts know them by.

The folder of this file is put on ``PYTHONPATH``, or its content is copied into an environment.
`fedloom_helpers` holds the one implementation, for Python 3.8 and later, with the standard
library and NumPy alone. The other folders only name it again: ``scaleoututil`` and ``fedn`` for
scripts written for those products, ``fedloom`` (a namespace package, which an installed Fedloom
takes precedence over) for environments without Fedloom.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from shutil import copytree, ignore_patterns

__all__ = ["copy_shim", "digest_shim", "shim_folder"]


def shim_folder() -> Path:
    """Return the folder that makes the helpers importable once it is on ``PYTHONPATH``."""
    return Path(__file__).parent


def digest_shim() -> str:
    """Return a digest of the shim's content, which stands for its version."""
    digest = sha256()
    for path in sorted(shim_folder().rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(shim_folder()).as_posix()} {len(content)} ".encode())
        digest.update(content)
    return digest.hexdigest()


def copy_shim(site_packages: Path) -> None:
    """Copy the shim into an environment, so that it is there when that is activated by hand.

    An environment that has Fedloom itself keeps it: nothing is written into its folder.

    Raises:
        OSError: the folder cannot be written.
    """
    for source in shim_folder().iterdir():
        if not source.is_dir() or source.name == "__pycache__":
            continue
        target = site_packages / source.name
        if source.name == "fedloom" and target.exists():
            continue
        copytree(source, target, dirs_exist_ok=True, ignore=ignore_patterns("__pycache__"))
