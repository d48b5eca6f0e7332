"""What tests of the service and the API share: a service with one package, a server, tokens."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from fastapi import FastAPI

from fedloom.platform.api import ApiServer
from fedloom.platform.identity import Identity, Role, grant
from fedloom.platform.registry import Registry, Version, push_package
from fedloom.platform.service import Service
from fedloom.platform.store import Store

from .registry_world import make_package

IRIS = {
    "use_case": "irises",
    "model_name": "iris",
    "model_version": 1,
    "num_global_iterations": 3,
    "run_name": "first",
    "experiment_name": "Default",
}
ROOT = Identity("root", Role.ADMIN, 0)


def make_secret(store: Store, role: Role, user_id: str = "") -> str:
    """Make a token of a role; return its secret."""
    _, secret = grant(
        store,
        ROOT,
        name=f"of {role}",
        user_id=user_id or str(role),
        role=role,
        now=datetime.now(UTC),
    )
    return secret


def push_iris(registry: Registry, folder: Path, name: str = "iris", **named: Any) -> Version:
    """Put a small package into the registry, with first weights, so that nothing is built."""
    seed = folder / "seed.npz"
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(seed, **{"0": np.arange(3, dtype=np.float32)})
    package = make_package(folder / name / "client")
    asked = {"use_case": "irises", "seed_model": seed} | named
    return push_package(registry, package, name, **asked)


def make_service(store: Store, registry: Registry, folder: Path, **named: Any) -> Service:
    return Service(store, registry, folder=folder / "service", **named)


@contextmanager
def serve(app: FastAPI, **named: Any) -> Iterator[str]:
    """Serve an app for real; give its address."""
    with served(app, **named) as (url, _):
        yield url


@contextmanager
def served(app: FastAPI, **named: Any) -> Iterator[tuple[str, ApiServer]]:
    server = ApiServer(app, **named)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        give_up = time.monotonic() + 60
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < give_up, "the server does not come up"
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", server
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive(), "the server does not end"


def connect(url: str, secret: str | None, **named: Any) -> httpx.Client:
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    return httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False, **named)


@contextmanager
def open_client(
    app: FastAPI, secret: str | None = None, *, follow_redirects: bool = False
) -> Iterator[httpx.Client]:
    """Serve an app for real; give a client of it, with a token where one is given."""
    with serve(app) as url, connect(url, secret, follow_redirects=follow_redirects) as client:
        yield client
