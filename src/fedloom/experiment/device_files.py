"""Reading what ``devices`` names: a preset, or a file with settings."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from fedloom.errors import InputError, UnknownNameError
from fedloom.experiment.plan_file import read_mapping
from fedloom.federation.devices import DeviceModel, device_presets
from fedloom.naming import match_name

__all__ = ["read_devices"]


def read_devices(given: str | PathLike[str] | Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a device model, validated and complete.

    Args:
        given: a preset's name, a path to a YAML or JSON file, or settings.

    Raises:
        UnknownNameError: neither a preset nor a file has that name.
        DataError: the file is malformed.
        InputError: a setting is unknown or out of its range.
    """
    if isinstance(given, str | PathLike):
        given = fspath(given)
        presets = device_presets()
        try:
            return presets[match_name("device model", given, presets)].model_dump()
        except UnknownNameError:
            if not Path(given).is_file():
                raise
        given = read_mapping(Path(given), "devices")
    if not isinstance(given, Mapping):
        raise InputError(f"devices={given!r}: a name, a file or settings would be right")
    return DeviceModel.from_mapping(given).model_dump()
