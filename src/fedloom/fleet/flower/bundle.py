"""The app bundle of our Flower runs: a name for the run, and an entry for stock SuperNodes.

Flower wants a bundle for every run. Ours holds no code: nodes have Fedloom installed. Each is
unlike all others, and since a run can be claimed by its bundle's hash, nobody else's run is.
What it names lies above this folder, so that a stock SuperNode asks its owner's policy as well.
"""

from __future__ import annotations

from hashlib import sha256
from io import BytesIO
from uuid import uuid4
from zipfile import ZIP_DEFLATED, ZipFile

__all__ = ["build_bundle"]

_PROJECT = """\
[project]
name = "fedloom"
version = "1.0.0"
description = "{name}"
license = "Apache-2.0"
dependencies = []

[tool.flwr.app]
publisher = "fedloom"

[tool.flwr.app.components]
serverapp = "fedloom.platform.client.stock:server"
clientapp = "fedloom.platform.client.stock:client"

[tool.flwr.app.config]
"""


def build_bundle() -> bytes:
    """Return a bundle unlike any other."""
    project = _PROJECT.format(name=f"Fedloom run {uuid4().hex}").encode()
    listed = f"pyproject.toml,{sha256(project).hexdigest()},{8 * len(project)}"
    held = BytesIO()
    with ZipFile(held, "w", ZIP_DEFLATED) as archive:
        archive.writestr("pyproject.toml", project)
        archive.writestr(".info/CONTENT", listed)  # a SuperNode installs nothing without it
    return held.getvalue()
