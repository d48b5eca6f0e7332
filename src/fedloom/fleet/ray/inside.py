"""What is reached by Ray's inside alone; an upgrade that changes it fails this fleet's tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fedloom.fleet.ray.installed import patched_environment

__all__ = ["forget_token", "on_loopback", "with_token"]


@contextmanager
def on_loopback(ray: Any) -> Iterator[None]:
    """Let Ray leave 127.0.0.1 as it is; by default it makes an address of it that others reach."""
    constants = ray._private.ray_constants
    before = constants.ENABLE_RAY_CLUSTER
    constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def with_token(ray: Any, token: str) -> Iterator[None]:
    """Connect with a token; it is not in the environment of children that are started later."""
    with patched_environment({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}):
        forget_token(ray)
        yield


def forget_token(ray: Any) -> None:
    """Let Ray read the environment's token anew: it keeps what it found when it was imported."""
    ray._raylet.Config.initialize("")
    ray._raylet.AuthenticationTokenLoader.instance().reset_cache()
