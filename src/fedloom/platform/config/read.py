"""Reading the configuration: defaults, file, environment, flags; each over the one before."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from fedloom.errors import InputError
from fedloom.platform.config.config import PlatformConfig
from fedloom.platform.config.environment import PREFIX, older_variables, own_variables
from fedloom.platform.config.file import ConfigFile, read_file
from fedloom.platform.config.secrets import hide_secrets

__all__ = ["Loaded", "load_config", "read_config"]

_SHOWN_LENGTH = 60


@dataclass(frozen=True)
class Loaded:
    """A configuration, and where each value came from.

    Attributes:
        config: with absolute paths.
        origins: by key: ``default``, a file and its line, a variable, or ``command line``.
    """

    config: PlatformConfig
    origins: Mapping[str, str]


def load_config(
    path: Path | None = None,
    overrides: Mapping[str, Any] = {},
    environment: Mapping[str, str] | None = None,
) -> PlatformConfig:
    """Read the configuration; arguments and errors as for `read_config`."""
    return read_config(path, overrides, environment).config


def read_config(
    path: Path | None = None,
    overrides: Mapping[str, Any] = {},
    environment: Mapping[str, str] | None = None,
) -> Loaded:
    """Read the configuration, and note where each value came from.

    Args:
        path: the file; None takes the one that ``FEDLOOM_CONFIG`` names, or none.
        overrides: what the command line says, by key; None counts as not given.
        environment: the process's if None.

    Raises:
        InputError: something is unreadable or wrong; the message names every fault with its
            place and shows no secret.
    """
    variables = os.environ if environment is None else environment
    if path is None and (named := variables.get(f"{PREFIX}CONFIG")):
        path = Path(named)
    file = ConfigFile() if path is None else read_file(path)
    merged: dict[str, Any] = {}
    origins = dict.fromkeys(PlatformConfig.model_fields, "default")
    for key, (value, name) in older_variables(variables).items():
        merged[key], origins[key] = value, name
    for key, value in file.values.items():
        merged[key], origins[key] = value, file.place(key)
    for key, (value, name) in own_variables(variables).items():
        merged[key], origins[key] = value, name
    for key, value in overrides.items():
        if value is not None:
            merged[key], origins[key] = value, "command line"
    try:
        config = PlatformConfig.model_validate(merged)
    except ValidationError as error:
        raise InputError(_explain(error, merged, origins)) from None
    return Loaded(config.resolve(Path.cwd()), origins)


def _explain(error: ValidationError, merged: Mapping[str, Any], origins: Mapping[str, str]) -> str:
    """Name each fault once; a key of several forms has one for each form."""
    faults: dict[str, str] = {}
    for detail in error.errors(include_url=False, include_input=False):
        key = str(detail["loc"][0]) if detail["loc"] else ""
        faults.setdefault(key, _describe(key, detail, merged, origins))
    return "; ".join(faults.values())


def _describe(
    key: str, detail: ErrorDetails, merged: Mapping[str, Any], origins: Mapping[str, str]
) -> str:
    if not key:
        return detail["msg"].removeprefix("Value error, ")
    where = origins.get(key, "the configuration")
    if detail["type"] == "extra_forbidden":
        near = get_close_matches(key, PlatformConfig.model_fields, n=1)
        hint = f"did you mean {near[0]}?" if near else "see fedloom config example"
        return f"{where}: unknown key {key}: {hint}"
    inner = "".join(f".{part}" for part in detail["loc"][1:] if isinstance(part, int))
    wrong = detail["msg"].removeprefix("Value error, ")
    shown = hide_secrets(str(merged.get(key)))[:_SHOWN_LENGTH]
    return f"{where}: {key}{inner} is {shown!r}: {wrong[:1].lower()}{wrong[1:]}"
