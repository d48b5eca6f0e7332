"""The JSON documents that travel with a model: metadata of an update, metrics of a validation."""

from __future__ import annotations

import json
import os
from typing import Any

__all__ = ["load_metadata", "save_metadata", "save_metrics"]

_SUFFIX = "-metadata"


def save_metadata(metadata: dict[str, Any], filename: str | os.PathLike[str]) -> None:
    """Write what is said about a model to the file ``<filename>-metadata``.

    Args:
        metadata: must hold ``num_examples``, the rows trained on; every other key is kept.
        filename: the model's file.

    Raises:
        TypeError: a value is nothing that JSON knows; the file is left as it was.
    """
    save_metrics(metadata, os.fspath(filename) + _SUFFIX)


def load_metadata(filename: str | os.PathLike[str]) -> Any:
    """Read what ``<filename>-metadata`` says about the model in `filename`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds no JSON.
    """
    with open(os.fspath(filename) + _SUFFIX, encoding="utf-8") as file:  # noqa: PTH123
        return json.load(file)


def save_metrics(metrics: Any, filename: str | os.PathLike[str]) -> None:
    """Write metrics to a file as JSON; the scalars among them are recorded round by round.

    Scalars and arrays of NumPy and other libraries are written as plain numbers and lists.

    Raises:
        TypeError: a value is nothing that JSON knows; the file is left as it was.
    """
    # Made first, so that a value that cannot be written leaves no half of a file behind.
    text = json.dumps(metrics, default=_plain)
    with open(filename, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(text)


def _plain(value: Any) -> Any:
    """Turn a NumPy, PyTorch or JAX value into what JSON knows."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be written as JSON")
