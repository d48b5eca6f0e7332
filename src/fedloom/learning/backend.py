"""Which framework Keras computes with: fixed once per process, before Keras is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec

from fedloom.errors import InputError, MissingExtraError
from fedloom.learning.model_names import BACKEND_NAMES
from fedloom.naming import match_name

__all__ = ["check_backend", "limit_threads", "list_backends", "use_backend"]

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
_XLA_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


def list_backends() -> list[str]:
    """Return the backends that are installed."""
    return [name for name in BACKEND_NAMES if find_spec(name) is not None]


def check_backend(name: str) -> str:
    """Return the name of a backend that this process can use, as it is spelled.

    Args:
        name: ``jax``, ``torch`` or ``tensorflow``, in any case.

    Raises:
        UnknownNameError: no backend has that name.
        MissingExtraError: its framework is not installed.
        InputError: this process has imported Keras with another backend already.
    """
    backend = match_name("backend", name, BACKEND_NAMES)
    keras = sys.modules.get("keras")
    if keras is not None and keras.config.backend() != backend:
        raise InputError(
            f"backend: Keras is in use with {keras.config.backend()!r} in this process; set "
            f"KERAS_BACKEND={backend} before it is imported"
        )
    if backend not in sys.modules and find_spec(backend) is None:
        raise MissingExtraError(f"backend {backend!r}", backend)
    return backend


def use_backend(name: str) -> None:
    """Make Keras use a backend.

    Args:
        name: ``jax``, ``torch`` or ``tensorflow``, in any case.

    Raises:
        UnknownNameError: no backend has that name.
        MissingExtraError: its framework is not installed.
        InputError: this process has imported Keras with another backend already.
    """
    backend = check_backend(name)
    if "keras" in sys.modules:
        return
    os.environ["KERAS_BACKEND"] = backend
    if backend != "jax":
        # JAX only draws random numbers then, and must not take a GPU's memory for that.
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    if backend == "tensorflow":
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def limit_threads(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which a process computes with one thread, on any backend.

    Two threads in each of several processes on few cores cost many times what they gain.
    """
    limited = {name: environment.get(name, "1") for name in _THREAD_VARIABLES}
    flags = f"{environment.get('XLA_FLAGS', '')} {_XLA_ONE_THREAD}".strip()
    return {**environment, **limited, "XLA_FLAGS": flags}
