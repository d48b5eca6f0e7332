"""The demo's package: the template `iris`, which is the example of that name."""

from __future__ import annotations

from pathlib import Path

import fedloom.package
from fedloom.package.archive import digest_folder

__all__ = ["DEMO_NAME", "demo_digest", "demo_package"]

DEMO_NAME = "iris"
"""Name of the model and of the use case."""


def demo_package() -> Path:
    """Return the package's folder, which is to be read only."""
    return Path(fedloom.package.__file__).parent / "templates" / DEMO_NAME / "client"


def demo_digest() -> str:
    """Return the SHA-256 of its archive, which a demo's nodes allow."""
    return digest_folder(demo_package())
