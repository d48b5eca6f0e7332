"""The ``metadata`` block of a request file: what was generated, when, from which configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedloom.errors import InputError

__all__ = ["Header", "parse_header"]


@dataclass(frozen=True)
class Header:
    """What a JSON or YAML file says of itself before its requests.

    Attributes:
        generation_time: ISO time.
        config_file: the configuration's name, without its folder.
        num_requests: how many requests follow; readers hold the file to it.
        duration_minutes: over which the arrivals were drawn; whole numbers print as such.
        models_available: ids of the service models.
        workflows_available: ids of the workflows.
    """

    generation_time: str
    config_file: str
    num_requests: int
    duration_minutes: float
    models_available: tuple[str, ...]
    workflows_available: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the block as files spell it, keys in order."""
        minutes = float(self.duration_minutes)
        return {
            "generation_time": self.generation_time,
            "config_file": self.config_file,
            "num_requests": self.num_requests,
            "duration_minutes": int(minutes) if minutes.is_integer() else minutes,
            "models_available": list(self.models_available),
            "workflows_available": list(self.workflows_available),
        }


def parse_header(metadata: object, where: object) -> Header | None:
    """Return the header that a file's ``metadata`` holds; None where it states no number.

    Fields other than ``num_requests`` may be missing and are then empty; further ones are ignored.

    Args:
        metadata: what the file says.
        where: the file, for messages.

    Raises:
        InputError: it is no map, or a field is of the wrong kind.
    """
    if metadata is None:
        return None
    if not isinstance(metadata, Mapping):
        raise InputError(f"{where}: metadata is {metadata!r}; it should be a map of fields")
    if "num_requests" not in metadata:
        return None
    count = metadata["num_requests"]
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise InputError(f"{where}: metadata.num_requests is {count!r}; a whole number is right")
    minutes = metadata.get("duration_minutes", 0)
    if not isinstance(minutes, int | float) or isinstance(minutes, bool):
        raise InputError(f"{where}: metadata.duration_minutes is {minutes!r}; a number is right")
    return Header(
        generation_time=str(metadata.get("generation_time", "")),
        config_file=str(metadata.get("config_file", "")),
        num_requests=count,
        duration_minutes=minutes,
        models_available=_names(metadata, "models_available", where),
        workflows_available=_names(metadata, "workflows_available", where),
    )


def _names(metadata: Mapping[str, Any], field: str, where: object) -> tuple[str, ...]:
    names = metadata.get(field, [])
    if not isinstance(names, list):
        raise InputError(f"{where}: metadata.{field} is {names!r}; a list of names is right")
    return tuple(str(name) for name in names)
