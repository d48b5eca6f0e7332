"""What the flags of `fedloom workload generate` change in a configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fedloom.errors import DataError, InputError
from fedloom.naming import match_name
from fedloom.workload.arrivals.settings import ArrivalSettings, Gaps
from fedloom.workload.config.wording import word_error
from fedloom.workload.config.workload_config import PromptSource, WorkloadConfig
from fedloom.workload.formats.file_format import FileFormat

__all__ = ["change_arrivals", "change_prompts", "read_formats"]

_BOTH = "both"

_FLAGS = {"rate_per_second": "--rate", "gaps": "--gaps", "cv": "--cv", "replay": "--replay"}


def read_formats(text: str) -> tuple[FileFormat, ...]:
    """Return the formats that ``--format`` names; ``both`` is JSON and YAML.

    Raises:
        UnknownNameError: one of them does not exist.

    Example:
        >>> read_formats("both")
        (<FileFormat.JSON: 'json'>, <FileFormat.YAML: 'yaml'>)
    """
    known = [_BOTH, *map(str, FileFormat)]
    chosen: list[FileFormat] = []
    for part in text.split(","):
        name = match_name("format", part.strip(), known)
        chosen += [FileFormat.JSON, FileFormat.YAML] if name == _BOTH else [FileFormat(name)]
    return tuple(dict.fromkeys(chosen))


def change_arrivals(
    config: WorkloadConfig,
    *,
    rate: float | None = None,
    gaps: str | None = None,
    cv: float | None = None,
    replay: Path | None = None,
) -> WorkloadConfig:
    """Return the configuration with the arrivals that flags ask for; None leaves as it is.

    Flags take the place of a closed loop or a replay; ``--replay`` takes the place of everything.
    Arrivals that tenants have of their own stay.

    Raises:
        InputError: the flags contradict one another or the configuration, or change nothing.
    """
    given: dict[str, Any] = {"rate_per_second": rate, "gaps": gaps, "cv": cv, "replay": replay}
    given = {name: value for name, value in given.items() if value is not None}
    if not given:
        return config
    flags = [_FLAGS[name] for name in given]
    if replay is not None and len(given) > 1:
        raise InputError(f"{' and '.join(flags)} exclude one another: a replay has its own times")
    if config.tenants and all(tenant.arrivals for tenant in config.tenants.values()):
        raise InputError(
            f"{' and '.join(flags)}: every tenant of {config.name} has arrivals of its own; "
            "change them there"
        )
    if gaps is not None:
        given["gaps"] = match_name("law of gaps", gaps, map(str, Gaps))
    return replace(config, arrivals=_build(_kept(config.arrivals, given) | given))


def _kept(arrivals: ArrivalSettings, given: dict[str, Any]) -> dict[str, Any]:
    """Return what stays of a configuration's arrivals beside what flags give."""
    if "replay" in given:
        return {}
    kept = arrivals.model_dump(exclude_unset=True, exclude={"closed_loop", "replay"})
    if given.get("gaps") in (Gaps.POISSON, Gaps.FIXED):
        kept.pop("cv", None)
    return kept


def _build(settings: dict[str, Any]) -> ArrivalSettings:
    try:
        return ArrivalSettings.model_validate(settings)
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
    problem, remedy = word_error(found)
    place = _FLAGS.get(str(found["loc"][0])) if found["loc"] else "arrivals:"
    raise InputError(f"{place} {problem}{'; it ' * bool(remedy)}{remedy}")


def change_prompts(config: WorkloadConfig, path: Path | None) -> WorkloadConfig:
    """Return the configuration with the prompts of a file, one by line; empty lines count not.

    Raises:
        DataError: the file cannot be read or holds no prompt.
    """
    if path is None:
        return config
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"--prompts {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"--prompts {path}: no text in UTF-8; give one prompt by line") from error
    lines = tuple(line.rstrip("\r") for line in text.split("\n") if line.strip())
    if not lines:
        raise DataError(f"--prompts {path}: there is no prompt in it; write one by line")
    return replace(config, prompts=PromptSource(lines=lines))
