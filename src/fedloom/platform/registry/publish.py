"""Publishing what a task has learnt: one version, whole and checked, however often it is tried."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from fedloom._version import __version__
from fedloom.errors import PackageError, RunFailedError
from fedloom.federation.weights import Array
from fedloom.files import write_text
from fedloom.platform.registry.claim import ensure_model, find_version, make_version
from fedloom.platform.registry.content import store_file, write_weights
from fedloom.platform.registry.find import get_version
from fedloom.platform.registry.names import name_trained
from fedloom.platform.registry.registry import Registry
from fedloom.platform.registry.sign import signature_tags
from fedloom.platform.registry.task_runs import find_task_run, task_key
from fedloom.platform.registry.version import (
    Lineage,
    StoredFile,
    Tag,
    Version,
    VersionKind,
    read_version,
)
from fedloom.platform.task import Task

__all__ = ["publish"]


def publish(
    registry: Registry,
    task: Task,
    weights: Sequence[Array],
    *,
    lineage: Lineage,
    metrics: Mapping[str, Any] | None = None,
    records: str | None = None,
    has_package: bool = True,
) -> Version:
    """Put a finished task's weights into the registry, once.

    The model is called ``trained_`` and the name of the one that was trained. The weights are read
    back and compared before the version appears; it appears in one step, with all that is said of
    it. A second call for the same task returns the same version, also after a crash at any point.

    Args:
        registry: where to.
        task: what has finished.
        weights: the last aggregate.
        lineage: where they come from.
        metrics: the last numbers of the task, by name.
        records: where its records are.
        has_package: whether it trained a package of the registry; else a model of ours, by a plan.

    Raises:
        NotFoundError: the version that was trained is not in the registry any more.
        PackageError: it holds no package.
        RunFailedError: the weights hold NaN or infinity; nothing is published.
        LinkError: the registry cannot be reached, or gives back something else than it was given.
        OutputError: its folder cannot be written.
    """
    name, key = name_trained(task.model_name), task_key(task)
    if found := find_version(registry, name, key):
        return read_version(found)
    _check_finite(task, weights)
    source = _find_source(registry, task) if has_package else None
    run = find_task_run(registry, task)
    run_id = str(run.info.run_id)
    with registry.cache.working_folder() as working:
        file = write_weights(Path(working, "weights.npz"), weights)
        passport = Path(working, "lineage.json")
        write_text(passport, _write_passport(lineage, metrics or {}, records))
        files = {
            Tag.WEIGHTS: store_file(registry, run_id, file, like=weights),
            Tag.LINEAGE: store_file(registry, run_id, passport),
        }
    tags = _tags(task, source, lineage, records, files)
    model_tags = {str(tag): tags[tag] for tag in _OF_MODEL}
    description = "" if source is None else source.description
    ensure_model(registry, name, model_tags, description)
    address = f"{run.info.artifact_uri}/fedloom"
    made = make_version(registry, name, key, address, run_id, tags, description)
    return read_version(made)


def _find_source(registry: Registry, task: Task) -> Version:
    source = get_version(registry, task.model_name, task.model_version, asked_at=task.created_at)
    if source.package is None:
        raise PackageError(f"{source} holds no package that Fedloom put there")
    return source


_OF_MODEL = (Tag.OURS, Tag.KIND, Tag.MADE_BY, Tag.USE_CASE, Tag.TRAINED)


def _check_finite(task: Task, weights: Sequence[Array]) -> None:
    for index, array in enumerate(weights):
        if not np.isfinite(np.asarray(array)).all():
            raise RunFailedError(
                f"task {task.id}: array {index} of its weights holds NaN or infinity: nothing was"
                " published"
            )


def _tags(
    task: Task,
    source: Version | None,
    lineage: Lineage,
    records: str | None,
    files: Mapping[Tag, StoredFile],
) -> dict[str, str]:
    of_package: dict[Tag, str] = {}
    signed: Mapping[str, str] = {}
    if source is not None and source.package is not None:
        of_package = {
            Tag.PACKAGE: source.package.to_tag(),
            Tag.ENTRY_POINTS: json.dumps(list(source.entry_points)),
        }
        signed = signature_tags(source.signatures)
    tags = {
        Tag.OURS: "true",
        Tag.KIND: VersionKind.TRAINED,
        Tag.TRAINED: "True",
        Tag.USE_CASE: (source and source.use_case) or task.use_case,
        Tag.MADE_BY: __version__,
        **of_package,
        Tag.TASK: task.id,
        Tag.PARENT: f"{lineage.model}/{lineage.version}",
        Tag.ROUNDS: lineage.rounds,
        Tag.CLIENTS: len(lineage.clients),
        **({Tag.RECORDS: records} if records else {}),
        **{tag: stored.to_tag() for tag, stored in files.items()},
    }
    return {**{str(key): str(value) for key, value in tags.items()}, **signed}


def _write_passport(lineage: Lineage, metrics: Mapping[str, Any], records: str | None) -> str:
    content = {
        "lineage": asdict(lineage),
        "metrics": {str(name): _plain(value) for name, value in metrics.items()},
        "records": records,
    }
    return json.dumps(content, indent=1, default=str)


def _plain(value: Any) -> Any:
    """Return a value that JSON has: numbers of NumPy as Python's, and no NaN."""
    plain = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain
