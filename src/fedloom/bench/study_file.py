"""A study as a file: what a user writes, and what a run keeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from fedloom.bench.study import Study
from fedloom.errors import DataError, InputError, UnknownNameError
from fedloom.experiment.plan_file import read_mapping
from fedloom.files import write_text

__all__ = [
    "make_study",
    "merge_study_options",
    "read_study",
    "read_study_options",
    "write_study",
]


def make_study(options: Mapping[str, Any]) -> Study:
    """Return the study that some options describe; those left out or None keep their defaults.

    Raises:
        UnknownNameError: an option or a named thing does not exist; the nearest one is named.
        InputError: a value is of the wrong kind or out of range.
    """
    for key in options:
        if key not in Study.model_fields:
            raise UnknownNameError("option of a study", str(key), Study.model_fields)
    given = {key: value for key, value in options.items() if value is not None}
    if "n_client_instances" not in given:
        raise InputError(
            "n_client_instances: missing; with --n_client_instances 2 5 a study has 2 "
            "clients, then 5"
        )
    try:
        return Study.model_validate(given)
    except ValidationError as error:
        raise InputError(_say_first_fault(error)) from error


def merge_study_options(
    base: Mapping[str, Any], options: Mapping[str, Any], plan_options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a study's options with others in their place, also inside of its plan.

    Args:
        base: options of a study.
        options: take precedence; None counts as not given.
        plan_options: likewise, for the study's plan.

    Raises:
        InputError: a plan is no mapping of names to values.
    """
    given = {key: value for key, value in options.items() if value is not None}
    plans = [base.get("plan") or {}, given.pop("plan", {}), plan_options]
    for plan in plans:
        if not isinstance(plan, Mapping):
            raise InputError(f"plan={plan!r}: a mapping of names to values would be right")
    merged = {key: value for plan in plans for key, value in plan.items() if value is not None}
    return {**base, **given, **({"plan": merged} if merged else {})}


def read_study_options(path: Path) -> dict[str, Any]:
    """Return the options in a study's file.

    Raises:
        DataError: the file is missing or is no mapping.
    """
    return read_mapping(path, "study")


def read_study(path: Path) -> Study:
    """Read a study.

    Raises:
        DataError: the file is missing or is no mapping.
        InputError: it describes no study.
    """
    try:
        return make_study(read_study_options(path))
    except DataError:
        raise
    except InputError as error:
        raise InputError(f"study file {path}: {error}") from error


def write_study(path: Path, study: Study) -> None:
    """Write a study, with all that has a default.

    Raises:
        OutputError: it cannot be written.
    """
    content = study.model_dump(mode="json", exclude_none=True, exclude={"plan"})
    plan = study.plan.model_dump(mode="json", exclude_none=True, exclude_unset=True)
    write_text(path, yaml.safe_dump({**content, "plan": plan}, sort_keys=False, allow_unicode=True))


def _say_first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    names = [str(part) for part in fault["loc"] if isinstance(part, str)]
    message = str(fault["msg"])
    return f"{'.'.join(names)}={fault['input']!r}: {message[:1].lower()}{message[1:]}"
