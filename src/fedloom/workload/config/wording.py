"""How faults spell values, name what is near, and say what pydantic found."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import islice
from typing import Any

from pydantic import BaseModel

from fedloom.workload.arrivals import settings

__all__ = ["hint_at", "show", "word_error"]

_LONGEST = 60
_LISTED = 8
_COMPARED = 1000
"""Known names that are compared; more would take seconds where many are unknown."""

_SECTIONS: Mapping[str, type[BaseModel]] = {
    "closed_loop": settings.ClosedLoop,
    "spikes": settings.Spike,
    "steps": settings.RateStep,
    "piecewise": settings.Piecewise,
    "diurnal": settings.Diurnal,
    "bursts": settings.Bursts,
}
"""The sections of arrivals, by what stands in a place that pydantic names."""

_MUST = {
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be {le:g} or less",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a map",
    "mapping_type": "must be a map",
    "model_type": "must be a map",
    "model_attributes_type": "must be a map",
    "too_short": "needs {min_length} or more",
    "path_type": "must be a path",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
}


def show(value: Any) -> str:
    """Return a value on one short line, as JSON spells it.

    Example:
        >>> show(["a"]), show(float("nan")), show("a\\nb")
        ('a list', 'NaN', '"a\\\\nb"')
    """
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    try:
        text = json.dumps(value, ensure_ascii=not str(value).isprintable())
    except (TypeError, ValueError):  # of no type that JSON has, or thousands of digits
        return f"of type {type(value).__name__}"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def hint_at(name: str, known: Iterable[str]) -> str:
    """Return a hint at the known name nearest to a name, or the list of those known.

    Example:
        >>> hint_at("lama", ["llama", "sdxl"])
        "did you mean 'llama'?"
        >>> hint_at("gpt", ["llama", "sdxl"])
        'known are llama, sdxl'
    """
    folded = {choice.casefold(): choice for choice in islice(known, _COMPARED)}
    if near := get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.5):
        return f"did you mean {folded[near[0]]!r}?"
    listed = ", ".join(
        name if name.isprintable() else repr(name) for name in list(folded.values())[:_LISTED]
    )
    more = ", …" if len(folded) > _LISTED else ""
    return f"known are {listed}{more}" if folded else "none is known"


def word_error(error: Mapping[str, Any]) -> tuple[str, str]:
    """Return what pydantic found, as (what is wrong, what would be right).

    Args:
        error: one of `pydantic.ValidationError.errors()`.
    """
    kind, context = error["type"], error.get("ctx", {})
    if kind == "missing":
        return "is missing", "add it"
    if kind == "extra_forbidden":
        return _word_unknown_key(error["loc"])
    if kind == "union_tag_invalid":
        tag, right = context["tag"], context["expected_tags"]
        return f"{context['discriminator']} is {show(tag)}", f"must be one of {right}"
    if kind == "union_tag_not_found":
        return f"states no {context['discriminator']}", "add it"
    if kind == "choice":
        return f"has the choice {context['found']}", str(error["msg"])
    if kind == "value_error":
        return str(context["error"]), ""
    if kind in _MUST:
        return f"is {show(error['input'])}", _MUST[kind].format(**context)
    return f"is {show(error['input'])}", str(error["msg"])


def _word_unknown_key(place: tuple[int | str, ...]) -> tuple[str, str]:
    sections = [str(part) for part in place[:-1] if part in _SECTIONS]
    name = sections[-1] if sections else "arrivals"
    keys = _SECTIONS.get(name, settings.ArrivalSettings).model_fields
    return f"is no key of {name}", hint_at(str(place[-1]), keys)
