"""What a task's settings ask of a node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedloom.errors import InputError
from fedloom.package.signing import MOST_SIGNATURES, Signature
from fedloom.platform.client.policy import Kind, Wish

__all__ = ["read_wish", "try_read_wish"]

_NAME_LENGTH = 200


def read_wish(settings: Mapping[str, Any], entry_point: str = "") -> Wish:
    """Return what a task wants to run, from its settings.

    These are as `fedloom.fleet.flower.handlers.package_settings` and `keras_settings` make them;
    ``package`` may hold ``signatures``, a list of objects with ``key`` and ``signature``.

    Args:
        settings: of the task.
        entry_point: what is to run now; nothing if empty.

    Raises:
        InputError: they make no sense.
    """
    trainer, use_case = settings.get("trainer"), _read_text(settings, "use_case")
    if trainer == "package":
        given = _read_mapping(settings, "package")
        return Wish(
            use_case=use_case,
            kind=Kind.PACKAGE,
            name=_read_text(given, "name"),
            digest=_read_text(given, "digest"),
            entry_point=entry_point,
            signatures=_read_signatures(given.get("signatures", [])),
        )
    if trainer == "keras":
        model = _read_text(_read_mapping(settings, "training"), "model")
        return Wish(use_case, Kind.MODEL, model, entry_point=entry_point)
    raise InputError(f"trainer={str(trainer)[:40]!r}: this node has package and keras")


def try_read_wish(settings: Any, entry_point: str = "") -> Wish | None:
    """Return what `read_wish` returns, or None where it raises."""
    try:
        return read_wish(settings, entry_point)
    except InputError:
        return None


def _read_text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= _NAME_LENGTH:
        raise InputError(f"settings of the task: {key} must be text of 1 to {_NAME_LENGTH} letters")
    return value


def _read_mapping(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = values.get(key)
    if not isinstance(value, Mapping):
        raise InputError(f"settings of the task: {key} must be an object")
    return value


def _read_signatures(given: Any) -> tuple[Signature, ...]:
    if not isinstance(given, list | tuple) or len(given) > MOST_SIGNATURES:
        raise InputError(f"settings of the task: signatures must be at most {MOST_SIGNATURES}")
    return tuple(Signature.read(one) for one in given)
