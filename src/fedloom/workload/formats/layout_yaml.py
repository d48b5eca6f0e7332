"""Requests as YAML, exactly as ``yaml.dump(…, default_flow_style=False, sort_keys=False)``.

PyYAML itself prints every structure, and every value but the commonest, at the place where it
stands: how a text is quoted and where it is folded depends on that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from fedloom.workload.formats.skeleton import Path

__all__ = ["BLOCKS", "YamlLayout", "dump_yaml"]

_WIDTH = 80
_SIMPLE = re.compile(r"[A-Za-z](?:[ -~]*[!-~])?")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}")
_LONGEST_KEYWORD = 5
"""Letters of ``false``; no longer word that begins with a letter is anything but a text."""

_NOT_IN_NUMBERS = re.compile(r"[^-+.:0-9a-fA-FoxtTzZ_ \t]")
_PLACE = "Place"


class _Dumper(yaml.SafeDumper):
    """A dumper that repeats what occurs twice instead of referring to it."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def dump_yaml(data: Any) -> str:
    """Return the text of some data in the original's style."""
    return str(yaml.dump(data, Dumper=_Dumper, default_flow_style=False, sort_keys=False))


@dataclass(frozen=True)
class YamlLayout:
    """The layout of the elements of ``requests``."""

    joiner: bytes = b"\n"

    def arrange(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the fields as they are."""
        return fields

    def print_structure(self, structure: dict[str, Any]) -> str:
        """Return the text of a structure as an element of a list."""
        return dump_yaml([structure]).removesuffix("\n")

    def print_value(self, value: Any, path: Path) -> str:
        """Return the text of one value at its place, folded where it is long."""
        if isinstance(value, str):
            if _MOMENT.fullmatch(value):
                return f"'{value}'"
            if _is_simple(value):
                before = _text_before(path)
                column = len(before) - before.rfind("\n") - 1
                if column + len(value) <= _WIDTH:
                    return value
                if "  " not in value and "[]" not in path:
                    return _fold(value, column, 2 * len(path) + 2)
        elif isinstance(value, bool) or value is None:
            return {True: "true", False: "false", None: "null"}[value]
        elif isinstance(value, int):
            return str(value)
        return _print_anything(type(value).__name__, value, path)

    def holds(self, text: str) -> bool:  # noqa: ARG002
        """Return True: every text can stand in its place."""
        return True

    def is_steady(self, text: str) -> bool:
        """Return whether other digits in place of the text's never change how it is quoted.

        They would where a text is, or with other digits becomes, a number or a time: ``07`` is
        quoted (octal 7), ``08`` is not.
        """
        return text[:1].isalpha() or _NOT_IN_NUMBERS.search(text) is not None

    def gap_pattern(self, word: str) -> str:
        """Return how a word was printed: as it is."""
        return rf"{word}(\d+)"


BLOCKS = YamlLayout()
"""The one layout of YAML."""


def _is_simple(text: str) -> bool:
    return (
        _SIMPLE.fullmatch(text) is not None
        and len(text) > _LONGEST_KEYWORD
        and ": " not in text
        and " #" not in text
        and text[-1] != ":"
    )


def _fold(text: str, column: int, indent: int) -> str:
    """Break a text at spaces, as PyYAML's emitter does: at the first after the width."""
    pieces: list[str] = []
    for word in text.split(" "):
        if pieces and column > _WIDTH:
            pieces.append("\n" + " " * indent)
            column = indent
        elif pieces:
            pieces.append(" ")
            column += 1
        pieces.append(word)
        column += len(word)
    return "".join(pieces)


def _nest(value: Any, path: Path) -> Any:
    for key in reversed(path):
        value = [value] if key == "[]" else {key: value}
    return [value]


@lru_cache(maxsize=4096)
def _text_before(path: Path) -> str:
    """Return what is printed before the value at a path, if nothing else is in the request."""
    return dump_yaml(_nest(_PLACE, path)).removesuffix(_PLACE + "\n")


@lru_cache(maxsize=4096)
def _print_anything(kind: str, value: Any, path: Path) -> str:  # noqa: ARG001 (1 is not True)
    text = dump_yaml(_nest(value, path)).removesuffix("\n")
    return text.removeprefix(_text_before(path))
