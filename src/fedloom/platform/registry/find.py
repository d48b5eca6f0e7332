"""Finding models, versions, and where they come from."""

from __future__ import annotations

import json
import re
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from fedloom.errors import InputError, NotFoundError
from fedloom.platform.registry.content import fetch_file
from fedloom.platform.registry.failures import error_code, registry_errors
from fedloom.platform.registry.registry import Registry
from fedloom.platform.registry.version import (
    Lineage,
    Model,
    Page,
    StoredFile,
    Tag,
    Version,
    read_kind,
    read_time,
    read_version,
)

__all__ = [
    "delete_version",
    "find_package",
    "get_lineage",
    "get_version",
    "list_models",
    "list_versions",
]

_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_LARGEST_PAGE = 200
_LARGEST_NUMBER = 2**31 - 1


def get_version(
    registry: Registry, name: str, version: int, *, asked_at: datetime | None = None
) -> Version:
    """Return a version of a model.

    Args:
        registry: where it is.
        name: of the model.
        version: its number.
        asked_at: when the task was asked for that names it; it was there then, and a message says
            what became of it since.

    Raises:
        NotFoundError: there is no such model or version; the message says which, and what there is.
        LinkError: the registry cannot be reached.
    """
    client = registry.client()
    if not 1 <= version <= _LARGEST_NUMBER:
        raise NotFoundError(f"{name!r} has no version {version}: versions are counted from 1")
    with registry_errors(registry.address, f"find {name} version {version}"):
        try:
            return read_version(client.get_model_version(name, str(version)))
        except Exception as error:
            if error_code(error) != "RESOURCE_DOES_NOT_EXIST":
                raise
            said = _explain_missing(client, name, version)
    raise NotFoundError(said if asked_at is None else said + _say_where(registry, asked_at))


def _say_where(registry: Registry, asked_at: datetime) -> str:
    """Name the registry to whoever asked when it held what it lacks now."""
    where, made_at = f"; the registry at {registry.address.shown}", registry.made_at()
    if made_at is None or made_at <= asked_at:
        return f"{where} has lost it since the task was asked for: push the package again"
    return (
        f"{where} was made anew on {made_at:%Y-%m-%d %H:%M} UTC, after the task was asked for: put"
        " the old one back from a backup, or push the package again"
    )


def _explain_missing(client: Any, name: str, version: int) -> str:
    try:
        model = client.get_registered_model(name)
    except Exception as error:
        if error_code(error) != "RESOURCE_DOES_NOT_EXIST":
            raise
        names = [found.name for found in client.search_registered_models(max_results=_LARGEST_PAGE)]
        near = get_close_matches(name, names, n=1, cutoff=0.5)
        return f"there is no model {name!r}" + (f": did you mean {near[0]!r}?" if near else "")
    newest = _newest(model)
    there = "it has none" if newest is None else f"its newest is {newest}"
    return f"the model {name!r} has no version {version}: {there}"


def list_models(registry: Registry, *, limit: int = 50, token: str | None = None) -> Page[Model]:
    """Return some of the models that Fedloom put in, by name.

    Args:
        registry: where.
        limit: at most so many, 1 to 200.
        token: `Page.next_token` of the page before.

    Raises:
        InputError: the limit or the token cannot be meant.
        LinkError: the registry cannot be reached.
    """
    client = registry.client()
    _check_limit(limit)
    with registry_errors(registry.address, "list models"):
        found = client.search_registered_models(
            f"tags.`{Tag.OURS}` = 'true'", limit, ["name ASC"], token
        )
    return Page([_read_model(model) for model in found], found.token or None)


def list_versions(
    registry: Registry, name: str, *, limit: int = 50, token: str | None = None
) -> Page[Version]:
    """Return some of a model's versions, newest first.

    Args:
        registry: where.
        name: of the model.
        limit: at most so many, 1 to 200.
        token: `Page.next_token` of the page before.

    Raises:
        NotFoundError: there is no such model.
        InputError: the limit or the token cannot be meant.
        LinkError: the registry cannot be reached.
    """
    client = registry.client()
    _check_limit(limit)
    missing = f"there is no model {name!r}"
    with registry_errors(registry.address, f"list versions of {name}", missing=missing):
        client.get_registered_model(name)  # a search for what is not there finds nothing
        found = client.search_model_versions(
            f"name = {_quote(name)}", limit, ["version_number DESC"], token
        )
    return Page([read_version(version) for version in found], found.token or None)


def find_package(registry: Registry, digest: str) -> Version:
    """Return a version that holds the package with a digest.

    Args:
        registry: where.
        digest: SHA-256 of the package's archive, in hexadecimal.

    Raises:
        NotFoundError: none does.
        LinkError: the registry cannot be reached.
    """
    client = registry.client()
    if _DIGEST.fullmatch(digest):
        wanted = f"tags.`{Tag.PACKAGE}` LIKE '%{digest.lower()}%'"
        with registry_errors(registry.address, "find a package"):
            found = client.search_model_versions(wanted, max_results=1)
        for version in found:
            return read_version(version)
    raise NotFoundError(f"no version holds the package {digest[:64]!r}")


def get_lineage(registry: Registry, version: Version) -> Lineage | None:
    """Return where a version's weights come from, or None where no task made it.

    Raises:
        PackageError: what the registry holds is not what was put in.
        LinkError: the registry cannot be reached.
    """
    stored = StoredFile.from_tag(version.tags.get(Tag.LINEAGE))
    if stored is None:
        return None
    content = json.loads(fetch_file(registry, stored, f"the lineage of {version}").read_bytes())
    found = content["lineage"]
    return Lineage(**{**found, "clients": tuple(found["clients"])})


def delete_version(registry: Registry, name: str, version: int) -> None:
    """Remove a version; its number is not used again, and tasks that started from it keep theirs.

    Raises:
        NotFoundError: there is no such model or version.
        LinkError: the registry cannot be reached.
    """
    get_version(registry, name, version)
    client = registry.client()
    missing = f"{name} has no version {version}"
    with registry_errors(registry.address, f"delete {name} version {version}", missing=missing):
        client.delete_model_version(name, str(version))


def _read_model(found: Any) -> Model:
    tags = dict(found.tags)
    return Model(
        name=found.name,
        latest=_newest(found),
        use_case=tags.get(Tag.USE_CASE),
        kind=read_kind(tags),
        description=found.description or "",
        created_at=read_time(found.creation_timestamp),
        updated_at=read_time(found.last_updated_timestamp),
    )


def _newest(model: Any) -> int | None:
    return max((int(version.version) for version in model.latest_versions or ()), default=None)


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= _LARGEST_PAGE:
        raise InputError(f"limit is {limit}: 1 to {_LARGEST_PAGE} are given at once")


def _quote(name: str) -> str:
    if "'" in name and '"' in name:
        raise NotFoundError(f"there is no model {name!r}")
    return f'"{name}"' if "'" in name else f"'{name}'"
