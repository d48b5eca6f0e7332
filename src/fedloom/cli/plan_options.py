"""Flags made from the fields of a plan: same names, same defaults, same words of help."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from functools import wraps
from typing import Annotated, Any, get_args

import typer

from fedloom.data import dataset_names, strategy_names
from fedloom.errors import InputError
from fedloom.experiment.plan import ALGORITHM_PARAMETERS, Plan
from fedloom.federation.algorithm import algorithm_names
from fedloom.learning.model_names import BACKEND_NAMES, MODEL_NAMES, OPTIMIZER_NAMES

__all__ = ["DATA_FIELDS", "SPLIT_FIELDS", "with_plan_options"]

DATA_FIELDS = (
    "dataset",
    "data_dir",
    "label_column",
    "image_size",
    "test_fraction",
    "sample_size",
    "sample_frac",
    "task",
)
"""Fields that say which rows there are."""

SPLIT_FIELDS = (
    "clients",
    "partition",
    "partition_param",
    "distribution",
    "min_samples",
    "allow_shortfall",
)
"""Fields that say who holds them."""

_PANELS = {
    "Data": DATA_FIELDS,
    "Split": SPLIT_FIELDS,
    "Package": ("package", "seed_model", "cold", "package_digest"),
    "Learning": ("model", "hidden", "epochs", "batch_size", "optimizer", "learning_rate"),
    "Federation": (
        "rounds",
        "cohort",
        "dropout",
        "devices",
        "local_evaluation",
        "fleet",
        "backend",
        "lanes",
        "workers",
        "ray_address",
        "client_timeout_s",
    ),
    "Algorithm": ("algorithm", *ALGORITHM_PARAMETERS),
    "Output": ("seed", "output", "output_dir", "weights", "columns"),
}

_OTHER_FLAGS = {"partition": ("--strategy",), "partition_param": ("--distribution-param",)}
"""Names that the seed programs gave to the same flags."""

_COMPLETIONS: dict[str, Iterable[str]] = {
    "model": MODEL_NAMES,
    "optimizer": OPTIMIZER_NAMES,
    "backend": BACKEND_NAMES,
    "partition": strategy_names(),
    "algorithm": algorithm_names(),
    "devices": ("uniform", "mixed", "mobile"),
    "dataset": (*dataset_names(), "npz:", "csv:", "images:"),
}

_Command = Callable[..., None]


def with_plan_options(
    names: Iterable[str], **defaults: str
) -> Callable[[Callable[..., None]], _Command]:
    """Return a decorator that gives a command a flag for each of some fields of `Plan`.

    The command's first parameter, ``options``, receives the fields that the user gave, by name, as
    `fedloom.experiment.make_plan` takes them.

    Args:
        names: the fields.
        defaults: shown in the help in place of the plan's own defaults.
    """
    wanted = set(names)
    fields = [name for members in _PANELS.values() for name in members if name in wanted]

    def decorate(command: Callable[..., None]) -> _Command:
        @wraps(command)
        def run(**given: Any) -> None:
            texts = {name: given.pop(name) for name in fields}
            typed = [name for name, text in texts.items() if text is not None]
            with _naming_flags(typed):
                command({name: _read(name, texts[name]) for name in typed}, **given)

        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        flags = [_make_flag(name, defaults.get(name)) for name in fields]
        own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        signature = inspect.Signature([*flags, *own])
        run.__signature__ = signature  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
        del run.__wrapped__  # else its own signature would count
        return run

    return decorate


@contextmanager
def _naming_flags(typed: Iterable[str]) -> Iterator[None]:
    """Call the options that were typed as flags by their flags where an error begins with one."""
    try:
        yield
    except InputError as error:
        text = str(error)
        for name in typed:
            if text.startswith((f"{name}=", f"{name}:")):
                error.args = (_name_flag(name) + text.removeprefix(name),)
        raise


def _name_flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _make_flag(name: str, shown: str | None) -> inspect.Parameter:
    field = Plan.model_fields[name]
    panel = next(title for title, members in _PANELS.items() if name in members)
    default = shown or _show(field.default)
    choices = _COMPLETIONS.get(name, _list_values(field.annotation))
    option = typer.Option(
        _name_flag(name),
        *_OTHER_FLAGS.get(name, ()),
        help=(field.description or "") + (f" (default: {default})" if default else ""),
        rich_help_panel=panel,
        show_default=False,
        autocompletion=_completer(choices) if choices else None,
        metavar=None if field.annotation is bool else _name_kind(name, field.annotation),
    )
    kind = bool if field.annotation is bool else _plain_kind(name, field.annotation)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option],
    )


def _plain_kind(name: str, annotation: Any) -> type:
    """Return the type that the shell's text is read as; a plan checks the rest."""
    kinds = {annotation, *get_args(annotation)}
    if name in {"hidden", "cohort", "distribution", "devices"}:
        return str
    for kind in (int, float):
        if any(k is kind or (get_args(k) and get_args(k)[0] is kind) for k in kinds):
            return kind
    return str


def _name_kind(name: str, annotation: Any) -> str:
    named = {"hidden": "INT,INT…", "cohort": "NUMBER", "distribution": "PATH", "devices": "NAME"}
    if name in named:
        return named[name]
    return {int: "INT", float: "FLOAT", str: "TEXT"}[_plain_kind(name, annotation)]


def _list_values(annotation: Any) -> list[str]:
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, Enum):
            return [str(member.value) for member in kind]
    return []


def _completer(choices: Iterable[str]) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return [c for c in choices if c.startswith(incomplete)]

    return complete


def _show(default: Any) -> str:
    return "" if default is None or isinstance(default, bool) else str(default)


def _read(name: str, text: Any) -> Any:
    """Turn the text of a flag into what a plan takes."""
    if name == "hidden":
        return _read_widths(text)
    if name == "cohort":
        return _read_number(text)
    if name == "devices" and text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"devices={text!r}: no valid JSON: {error.msg}") from error
    return text


def _read_widths(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.replace(" ", "").split(","))
    except ValueError as error:
        raise InputError(f"hidden={text!r}: widths such as 128,64 would be right") from error


def _read_number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"cohort={text!r}: a number such as 10 or 0.1 would be right") from error
