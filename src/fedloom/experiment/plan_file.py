"""Plan files: what a user writes, and what a run leaves behind in ``plan.yaml``."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fedloom._version import __version__
from fedloom.data.dataset import Dataset
from fedloom.errors import DataError, InputError
from fedloom.experiment.plan import Plan
from fedloom.files import write_text

__all__ = ["digest_data", "read_mapping", "read_options", "read_run_header", "write_plan"]

_RECORDED = ("jax", "keras", "numpy", "optax", "scikit-learn")
"""Distributions whose versions may change the numbers."""


def write_plan(path: Path, plan: Plan, *, data_digest: str, resolved: Mapping[str, Any]) -> None:
    """Write ``plan.yaml``.

    Args:
        path: the file.
        plan: of the run; keys left at None are left out.
        data_digest: from `digest_data`.
        resolved: what was chosen for what the plan leaves open, such as the number of lanes.
    """
    content = {
        "run_id": plan.run_id,
        "plan": plan.content,
        "resolved": dict(resolved),
        "data_digest": data_digest,
        "versions": {
            "fedloom": __version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in _RECORDED},
        },
    }
    write_text(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def read_options(path: Path) -> dict[str, Any]:
    """Return the options in a plan file: a ``plan.yaml``, or a user's own flat mapping.

    Raises:
        DataError: the file is missing or is no mapping.
    """
    content = read_mapping(path, "plan")
    inner = content.get("plan", content)
    if not isinstance(inner, dict):
        raise DataError(f"plan {path}: key 'plan' holds no mapping")
    return inner


def read_run_header(path: Path) -> dict[str, Any]:
    """Return all of a run's ``plan.yaml``.

    Raises:
        DataError: the file is missing, is no mapping, or was not written by a run.
    """
    content = read_mapping(path, "plan")
    if "data_digest" not in content or not isinstance(content.get("plan"), dict):
        raise DataError(f"plan {path} was not written by a run of Fedloom")
    return content


def read_mapping(path: Path, kind: str) -> dict[str, Any]:
    """Read a YAML or JSON file that holds a mapping.

    Args:
        path: the file.
        kind: what the user calls it, for errors.

    Raises:
        DataError: the file is missing, malformed, or holds no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{kind} file {path} does not exist") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{kind} file {path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise DataError(f"{kind} file {path}{where}: no valid YAML or JSON") from error
    if not isinstance(content, dict):
        raise DataError(f"{kind} file {path} holds no mapping of names to values")
    for key in content:
        if not isinstance(key, str):
            raise InputError(f"{kind} file {path}: the key {key!r} is no name")
    return content


def digest_data(dataset: Dataset) -> str:
    """Return a digest of all rows, which tells whether a resumed run sees the same data."""
    digest = blake2b(digest_size=8)
    for array in (
        dataset.train_features,
        dataset.train_labels,
        dataset.test_features,
        dataset.test_labels,
    ):
        digest.update(str((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
