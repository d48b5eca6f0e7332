"""A process that serves the page over a store that the tests write to: FOLDER PORT."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import uvicorn

from fedloom.platform.api import make_app
from fedloom.platform.registry import open_registry
from fedloom.platform.service import Service
from fedloom.platform.store import open_store
from fedloom.platform.ui import mount_page


def main() -> None:
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    store = open_store(f"sqlite:///{folder / 'fedloom.db'}", wait_s=10.0)
    registry = open_registry(
        f"sqlite:///{folder / 'mlflow.db'}",
        artifacts=folder / "artifacts",
        cache=folder / "cache",
    )
    service = Service(store, registry, folder=folder / "uploads")
    # So that the tests prove that events bring pages up to date.
    app = make_app(service, page=partial(mount_page, refreshes_unasked=False))
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
