"""Reading requests that are alike by a pattern made from the first of them.

Requests of one workflow have the same lines but for their values, so one regular expression takes
all values out of such a request at once: twice as fast as line by line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from fedloom.workload.formats.skeleton import Shape, take_apart
from fedloom.workload.formats.yaml_item import UNREAD, parse_item, read_value

__all__ = ["Moulds"]

_MOST_PER_WORKFLOW = 8
_MOST_WORKFLOWS = 1000
_WORKFLOW = "\n  workflow_id: "
_EMPTY = ("{}", "[]")


@dataclass(frozen=True, slots=True)
class _Mould:
    """The lines of a request, with a group for each value, and the structure of its values."""

    pattern: re.Pattern[str]
    plan: Any

    def read(self, text: str) -> dict[str, Any] | None:
        match = self.pattern.fullmatch(text)
        if match is None:
            return None
        values = [read_value(value) for value in match.groups()]
        if any(unread in values for unread in UNREAD):
            return None
        fields: dict[str, Any] = _fill(self.plan, values)
        return fields


class Moulds:
    """The moulds of a file's requests, by workflow; they are made as requests are read."""

    def __init__(self) -> None:
        self._known: dict[str, list[_Mould]] = {}

    def read(self, text: str) -> dict[str, Any] | None:
        """Return the fields of a request; None where `parse_item` would give up.

        Args:
            text: an element of the list, without its ``- `` and its last line break.
        """
        start = text.find(_WORKFLOW)
        workflow = text[start : text.find("\n", start + 1)]
        known = self._known.get(workflow, [])
        for mould in known:
            if (fields := mould.read(text)) is not None:
                return fields
        fields = parse_item(text)
        if fields is not None and len(known) < _MOST_PER_WORKFLOW:
            made = _make_mould(text, fields)
            if made is not None and len(self._known) < _MOST_WORKFLOWS:
                self._known[workflow] = [*known, made]
        return fields


def _make_mould(text: str, fields: dict[str, Any]) -> _Mould | None:
    values: list[Any] = []
    shape = take_apart(fields, values)
    lines = [_line_pattern(line) for line in text.split("\n")]
    if None in lines:
        return None
    pattern = re.compile("\n".join(line for line in lines if line is not None))
    plan = _plan(shape, iter(range(len(values))))
    return _Mould(pattern, plan) if pattern.groups == len(values) else None


def _line_pattern(line: str) -> str | None:
    """Return the pattern of a line; None: it goes on with the text of the line before."""
    key, found, value = line.partition(": ")
    if line.lstrip(" ").startswith("- "):
        key, found, value = line.partition("- ")
    if not found:
        return re.escape(line) if line.endswith(":") else None
    return re.escape(line) if value in _EMPTY else re.escape(key + found) + "(.+)"


def _plan(shape: Shape, numbers: Any) -> Any:
    """Return a shape with the number of its value in each place."""
    if shape is None:
        return next(numbers)
    kind, *inside = shape
    if kind == "list":
        return [_plan(element, numbers) for element in inside]
    return {key: _plan(value, numbers) for key, value in inside}


def _fill(plan: Any, values: list[Any]) -> Any:
    if type(plan) is dict:
        return {
            key: values[inner] if type(inner) is int else _fill(inner, values)
            for key, inner in plan.items()
        }
    return [values[inner] if type(inner) is int else _fill(inner, values) for inner in plan]
