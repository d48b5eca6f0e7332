"""What the environment says: variables of ours, and as a fall-back those of the original."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from fedloom.errors import InputError
from fedloom.platform.config.config import PlatformConfig

__all__ = ["PREFIX", "older_variables", "own_variables"]

PREFIX = "FEDLOOM_"

Found = dict[str, tuple[str, str]]
"""Value and name of the variable, by key."""


def own_variables(variables: Mapping[str, str]) -> Found:
    """Return what ``FEDLOOM_…`` says; an empty variable counts as not set.

    Kubernetes sets ``…_PORT`` to ``tcp://…`` for a service that happens to be called so; such a
    value is nobody's choice and is left out.
    """
    found: Found = {}
    for key in PlatformConfig.model_fields:
        name = f"{PREFIX}{key.upper()}"
        value = variables.get(name, "")
        if value and not _is_of_kubernetes(name, value):
            found[key] = (value, name)
    return found


def older_variables(variables: Mapping[str, str]) -> Found:
    """Return what the original's variables say.

    Raises:
        InputError: ``DB_MODE`` is neither of the two.
    """
    found: Found = {}
    if url := variables.get("MLFLOW_URL"):
        found["registry_url"] = (url, "MLFLOW_URL")
    if variables.get("RABBIT_HOST"):
        place = _place(variables, "RABBIT", "guest")
        found["broker_url"] = (f"amqp://{place}/", "RABBIT_HOST")
    if _wants_postgresql(variables):
        database = quote(variables.get("POSTGRES_DB", "") or "postgres", safe="")
        place = _place(variables, "POSTGRES", "postgres")
        found["database_url"] = (f"postgresql://{place}/{database}", "POSTGRES_HOST")
    return found


def _wants_postgresql(variables: Mapping[str, str]) -> bool:
    mode = variables.get("DB_MODE", "").casefold()
    if mode not in ("", "sqlite", "postgresql", "postgres"):
        raise InputError(f"DB_MODE is {mode!r}: write sqlite or postgresql")
    if mode.startswith("postgres") and not variables.get("POSTGRES_HOST"):
        raise InputError("DB_MODE asks for PostgreSQL, but POSTGRES_HOST is not set")
    return mode != "sqlite" and bool(variables.get("POSTGRES_HOST"))


def _place(variables: Mapping[str, str], prefix: str, user: str) -> str:
    """Return user, password, host and port as they stand in an address."""
    name = quote(variables.get(f"{prefix}_USER", "") or user, safe="")
    password = variables.get(f"{prefix}_PASSWORD", "")
    login = f"{name}:{quote(password, safe='')}" if password else name
    port = variables.get(f"{prefix}_PORT", "")
    if _is_of_kubernetes(f"{prefix}_PORT", port):
        port = ""
    host = variables[f"{prefix}_HOST"]
    return f"{login}@{host}:{port}" if port else f"{login}@{host}"


def _is_of_kubernetes(name: str, value: str) -> bool:
    return name.endswith("_PORT") and value.startswith(("tcp://", "udp://"))
