"""From the fields that a file spells to a `Request`, each of them checked."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from fedloom.errors import InputError
from fedloom.workload.request import Request
from fedloom.workload.units import parse_time

__all__ = ["FIELDS", "parse_request"]

FIELDS = (
    "request_id",
    "timestamp",
    "workflow_id",
    "input_data",
    "node_configs",
    "node_execution_times",
    "metadata",
)
"""The fields of a request, in order."""

_REQUIRED = ("request_id", "timestamp", "workflow_id", "node_execution_times")
_KNOWN = frozenset(FIELDS)


def parse_request(fields: Any, where: Callable[[], str]) -> Request:
    """Return the request that a file's fields say.

    ``input_data``, ``node_configs`` and ``metadata`` may be missing. A further field is taken as
    part of the metadata.

    Args:
        fields: what the file says, as plain Python values.
        where: gives the place in the file, for messages.

    Raises:
        InputError: a field is missing or of the wrong kind, or a time is no time.
    """
    try:
        return _parse(fields)
    except _WrongFieldError as error:
        raise InputError(f"{where()}: {error}") from None


class _WrongFieldError(Exception):
    pass


def _parse(fields: Any) -> Request:
    if type(fields) is not dict:
        raise _WrongFieldError(f"{_show(fields)} stands where a map of fields should be")
    for name in _REQUIRED:
        if name not in fields:
            raise _WrongFieldError(f"{name} is missing; a request has {', '.join(FIELDS)}")
    metadata = _map(fields, "metadata")
    if not _KNOWN.issuperset(fields):
        metadata = {**{k: v for k, v in fields.items() if k not in _KNOWN}, **metadata}
    _check_metadata(metadata)
    configs = _map(fields, "node_configs")
    for node in configs:
        _map(configs, node, "node_configs.")
    times = _map(fields, "node_execution_times")
    for node, seconds in times.items():
        if not _is_time(seconds):
            raise _wrong_time(f"node_execution_times.{node}", seconds)
    return Request(
        request_id=_name(fields, "request_id"),
        time_us=_moment(fields["timestamp"], "timestamp"),
        workflow_id=_name(fields, "workflow_id"),
        input_data=_map(fields, "input_data"),
        node_configs=configs,
        node_execution_times=times,
        metadata=metadata,
    )


def _name(fields: dict[str, Any], name: str) -> str:
    value = fields[name]
    if type(value) is int:
        return str(value)
    if type(value) is not str or not value:
        raise _WrongFieldError(f"{name} is {_show(value)}; a name is right")
    return value


def _map(fields: dict[str, Any], name: str, above: str = "") -> dict[str, Any]:
    value = fields.get(name, {})
    if type(value) is not dict:
        shown = "empty" if value is None else _show(value)
        raise _WrongFieldError(f"{above}{name} is {shown}; a map, such as {{}}, is right")
    return value


def _is_time(value: Any) -> bool:
    return (type(value) is float or type(value) is int) and 0 <= value < math.inf


def _wrong_time(name: str, value: Any) -> _WrongFieldError:
    return _WrongFieldError(f"{name} is {_show(value)}; a time in seconds, 0 or more, is right")


def _moment(text: Any, name: str) -> int:
    try:
        return parse_time(text)
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise _WrongFieldError(
            f"{name} is {_show(text)}; an ISO time such as 2026-01-01T08:00:00.000000 is right"
        ) from None


def _check_metadata(metadata: dict[str, Any]) -> None:
    for name in ("total_estimated_time", "critical_path_time", "think_time"):
        if name in metadata and not _is_time(metadata[name]):
            raise _wrong_time(f"metadata.{name}", metadata[name])
    if "deadline" in metadata and metadata["deadline"] is not None:
        _moment(metadata["deadline"], "metadata.deadline")


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
