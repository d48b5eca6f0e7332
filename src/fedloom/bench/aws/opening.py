"""From what the command line says to a provider."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from fedloom.bench.aws.machine_config import read_ec2_config
from fedloom.bench.aws.options import AwsOptions
from fedloom.bench.aws.provider import AwsProvider
from fedloom.bench.places import RunPlace
from fedloom.bench.provider import Observer
from fedloom.bench.study import Study
from fedloom.errors import InputError, UnknownNameError

__all__ = ["CONFIG", "open_provider", "read_prices"]

CONFIG = "ec2_config.yaml"
"""Where the machines are looked for if no file is named."""


def open_provider(
    study: Study, place: RunPlace, observer: Observer, settings: Mapping[str, Any]
) -> AwsProvider:
    """Return the provider; AWS is asked nothing yet.

    Args:
        study: whose cells.
        place: of the run.
        observer: told how cells get on.
        settings: fields of `AwsOptions`, those left out or None at their defaults, with ``prices``
            as texts for `read_prices`; and ``config``, the file of the machines, which is
            ``ec2_config.yaml`` here, where it exists, if None.

    Raises:
        UnknownNameError: a setting does not exist.
        InputError: one cannot be used.
    """
    known = {field.name for field in fields(AwsOptions)} | {"config"}
    for name in settings:
        if name not in known:
            raise UnknownNameError("setting of AWS", str(name), sorted(known))
    given = {name: value for name, value in settings.items() if value is not None}
    config = given.pop("config", None)
    if config is None and Path(CONFIG).is_file():
        config = CONFIG
    machines = read_ec2_config(None if config is None else Path(config))
    given["prices"] = read_prices(given.get("prices", ()))
    options = AwsOptions(**given)
    return AwsProvider(study, place, machines, options, observer=observer, tell=_tell)


def read_prices(texts: Iterable[str]) -> dict[str, float]:
    """Read prices such as ``r5.large=0.126``, in USD per hour.

    Raises:
        InputError: one is not written so.

    Example:
        >>> read_prices(["r5.large=0.126"])
        {'r5.large': 0.126}
    """
    found = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            found[name] = float(number)
        except ValueError:
            raise InputError(f"price={text}: write r5.large=0.126, in USD per hour") from None
    return found


def _tell(text: str) -> None:
    print(f"fedloom: {text}", file=sys.stderr, flush=True)
