"""Names of models, known without importing Keras."""

from __future__ import annotations

from pathlib import PurePath

__all__ = ["BACKEND_NAMES", "MODEL_NAMES", "OPTIMIZER_NAMES", "is_user_model", "short_model_name"]

BACKEND_NAMES = ("jax", "torch", "tensorflow")
"""What can train a model."""

MODEL_NAMES = ("logistic", "mlp", "cnn")
"""The built-in models."""

OPTIMIZER_NAMES = ("sgd", "momentum", "adam")
"""The local optimizers."""


def is_user_model(name: str) -> bool:
    """Tell whether a model's name points to code or a file of the user's."""
    return ":" in name or PurePath(name).suffix in {".py", ".keras", ".h5"}


def short_model_name(name: str) -> str:
    """Return what a record calls the model: no folders of this machine.

    Example:
        >>> short_model_name("/home/ann/nets/wide.py:build")
        'wide.py:build'
    """
    return PurePath(name).name if is_user_model(name) else name
