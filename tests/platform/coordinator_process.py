"""A coordinator as a process: ``coordinator_process.py STORE REGISTRY ADDRESS KEY FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Event

from fedloom.fleet.flower.endpoint import Endpoint
from fedloom.fleet.flower.link import Link
from fedloom.platform.coordinator import Coordinator, CoordinatorSettings
from fedloom.platform.registry import open_registry
from fedloom.platform.store import open_store


def main() -> None:
    store, registry, address, key, folder = sys.argv[1:]
    place = Path(folder)
    coordinator = Coordinator(
        store=open_store(store),
        registry=open_registry(registry, cache=place / "cache"),
        links=[Link(Endpoint(address, insecure=True), Path(key).read_bytes())],
        folder=place,
        settings=CoordinatorSettings(poll_s=0.1, lease_s=3.0, roll_call_s=0.5),
    )
    coordinator.start()
    print("started", flush=True)
    Event().wait(600)


if __name__ == "__main__":
    main()
