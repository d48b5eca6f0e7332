"""Writing something once, whoever tries, however often, and wherever they are killed.

What is written bears a key. Whoever writes looks for the key first. An embedded registry is locked
meanwhile; on a server two may still write at once, so each looks again afterwards: the first one
counts, by a number that the server gave, and the others are taken back.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from fedloom.errors import ConflictError, NotFoundError
from fedloom.platform.registry.failures import error_code, registry_errors
from fedloom.platform.registry.registry import Registry
from fedloom.platform.registry.version import Tag

__all__ = [
    "ensure_model",
    "find_experiment",
    "find_version",
    "make_key",
    "make_run",
    "make_version",
]

_MOST = 1000


def make_key(*parts: object) -> str:
    """Return a key of parts: a digest, so that it can stand in a filter, whatever they hold."""
    return sha256("\0".join(str(part) for part in parts).encode()).hexdigest()


def ensure_model(registry: Registry, name: str, tags: Mapping[str, str], description: str) -> None:
    """Make a registered model, or bring the tags of the one that is there up to date."""
    client = registry.client()
    with registry_errors(registry.address, f"register the model {name}"):
        try:
            client.create_registered_model(name, dict(tags), description or None)
        except Exception as error:
            if error_code(error) != "RESOURCE_ALREADY_EXISTS":
                raise
            there = client.get_registered_model(name)
            for key, value in tags.items():
                if there.tags.get(key) != value:
                    client.set_registered_model_tag(name, key, value)


def find_version(registry: Registry, name: str, key: str) -> Any | None:
    """Return MLflow's version of a model that bears a key, or None.

    Where several do, the first one counts and the others are deleted.
    """
    client = registry.client()
    with registry_errors(registry.address, f"look for a version of {name}"):
        found = client.search_model_versions(
            f"name = '{name}' and tags.`{Tag.KEY}` = '{key}'", max_results=_MOST
        )
        first, *others = sorted(found, key=lambda version: int(version.version)) or [None]
        for other in others:
            _delete_version(client, name, other.version)
    return first


def make_version(
    registry: Registry,
    name: str,
    key: str,
    source: str,
    run_id: str,
    tags: Mapping[str, str],
    description: str,
) -> Any:
    """Return the version with a key; make it, with all its tags at once, if it is not there.

    Args:
        registry: where.
        name: of the registered model, which is there.
        key: of `make_key`.
        source: address of the version's files.
        run_id: the run that holds them.
        tags: all of its tags but the key.
        description: what people should know about it.
    """
    client = registry.client()
    with registry.deciding():
        if found := find_version(registry, name, key):
            return found
        with registry_errors(registry.address, f"register a version of {name}"):
            made = client.create_model_version(
                name,
                source,
                run_id,
                tags={**tags, str(Tag.KEY): key},
                description=description or None,
                await_creation_for=0,
            )
        found = made if registry.embedded else find_version(registry, name, key)
    if found is None:
        raise NotFoundError(f"the new version of {name} was deleted before it could be read")
    return found


def _delete_version(client: Any, name: str, version: Any) -> None:
    try:
        client.delete_model_version(name, str(version))
    except Exception as error:
        if error_code(error) != "RESOURCE_DOES_NOT_EXIST":  # another one took it back
            raise


def find_experiment(registry: Registry, name: str) -> str:
    """Return the id of an experiment; make it if it is not there.

    Raises:
        ConflictError: it was deleted, and MLflow keeps its name until it is restored or purged.
    """
    client = registry.client()
    with registry_errors(registry.address, f"find the experiment {name!r}"):
        found = client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(client.create_experiment(name, registry.address.artifacts))
            except Exception as error:
                if error_code(error) != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage != "active":
        raise ConflictError(
            f"the experiment {name!r} was deleted in the registry: restore it there, or name"
            " another one"
        )
    return str(found.experiment_id)


def make_run(
    registry: Registry, experiment_id: str, key: str, name: str, tags: Mapping[str, str]
) -> Any:
    """Return MLflow's run with a key; make it if it is not there."""
    client = registry.client()
    with registry.deciding(), registry_errors(registry.address, f"make the run {name!r}"):
        if found := _find_run(client, experiment_id, key):
            return found
        made = client.create_run(experiment_id, run_name=name, tags={**tags, str(Tag.KEY): key})
        found = made if registry.embedded else _find_run(client, experiment_id, key)
    if found is None:
        raise NotFoundError(f"the new run {name!r} was deleted before it could be read")
    return found


def _find_run(client: Any, experiment_id: str, key: str) -> Any | None:
    """Return the first run with a key.

    Two that write on one server at once may make two. Runs bear no number of the server's, only the
    times of their makers' clocks, so which one is first may change, and another may be at work in
    the second: it is left alone.
    """
    runs = client.search_runs([experiment_id], f"tags.`{Tag.KEY}` = '{key}'", max_results=_MOST)
    return min(runs, key=lambda run: (run.info.start_time, run.info.run_id), default=None)
