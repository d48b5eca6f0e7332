"""Which framework Keras computes with: fixed once per process, before Keras is imported."""

from __future__ import annotations

import os
import sys

from fedloom.errors import InputError
from fedloom.learning.model_names import BACKEND_NAMES
from fedloom.naming import match_name

__all__ = ["use_backend"]


def use_backend(name: str) -> None:
    """Make Keras use a backend.

    Args:
        name: ``jax``.

    Raises:
        UnknownNameError: no backend has that name.
        InputError: this process has imported Keras with another backend already.
    """
    backend = match_name("backend", name, BACKEND_NAMES)
    keras = sys.modules.get("keras")
    if keras is None:
        os.environ["KERAS_BACKEND"] = backend
    elif keras.config.backend() != backend:
        raise InputError(
            f"backend: Keras is in use with {keras.config.backend()!r} in this process; set "
            f"KERAS_BACKEND={backend} before it is imported"
        )
