"""Ray itself: an extra, quiet, and without telemetry."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from fedloom.errors import MissingExtraError

__all__ = ["QUIET", "load_ray", "patched_environment", "signals_kept"]

QUIET: Mapping[str, str] = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Else a warning about a default that is to change; the lanes of workers use no GPU.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""What every process that loads Ray has in its environment: no telemetry, no warnings."""


def load_ray() -> Any:
    """Import Ray.

    Raises:
        MissingExtraError: it is not installed.
    """
    if find_spec("ray") is None:
        raise MissingExtraError("fleet=ray", "ray")
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    logging.getLogger("ray").setLevel(logging.ERROR)
    return ray


@contextmanager
def signals_kept() -> Iterator[None]:
    """Give SIGTERM back to whom it belongs: connecting to Ray takes it over."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)


@contextmanager
def patched_environment(changes: Mapping[str, str | None]) -> Iterator[None]:
    """Change environment variables for a while; None removes one."""
    before = {name: os.environ.get(name) for name in changes}
    _apply(changes)
    try:
        yield
    finally:
        _apply(before)


def _apply(changes: Mapping[str, str | None]) -> None:
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
