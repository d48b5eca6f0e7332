"""What tests of `fedloom.connect` and its commands share: a platform with an API, and no nodes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fedloom.platform.api import make_app
from fedloom.platform.identity import Role
from fedloom.platform.registry import Registry, open_registry
from fedloom.platform.store import Store, open_store
from fedloom.platform.task import Task

from .api_world import make_secret, make_service, serve
from .registry_world import copy_template, make_template

__all__ = ["OWNER", "World", "make_public_key", "open_world"]

OWNER = "test"


@dataclass(frozen=True)
class World:
    """A platform, and what a coordinator would do to its tasks."""

    url: str
    store: Store
    registry: Registry
    admin: str

    def token(self, role: Role, user_id: str = "ada") -> str:
        return make_secret(self.store, role, user_id)

    def start(self, task_id: int) -> Task:
        taken = self.store.claim_task(OWNER, 600.0, lambda tasks: task_id)
        assert taken is not None
        return taken

    def add_round(self, task_id: int, number: int, score: float) -> None:
        clients = (("client-1", 60), ("client-2", 34))
        rows = [
            {"round": number, "client_id": name, "num_examples": count, "local_score": score}
            for name, count in clients
        ]
        assert self.store.add_client_rows(task_id, rows)
        row = {"round": number, "global_score": score, "participants": 2, "cohort_size": 3}
        assert self.store.add_round(task_id, row)


@contextmanager
def open_world(folder: Path) -> Iterator[World]:
    """Serve a new platform on this machine."""
    template = make_template(folder / "template")
    registry = open_registry(copy_template(template, folder / "registry"), cache=folder / "cache")
    store = open_store(f"sqlite:///{folder}/fedloom.db")
    try:
        app = make_app(make_service(store, registry, folder), heartbeat_s=1.0)
        with serve(app) as url:
            yield World(url, store, registry, make_secret(store, Role.ADMIN, "ada"))
    finally:
        store.close()


def make_public_key() -> str:
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form).decode()
