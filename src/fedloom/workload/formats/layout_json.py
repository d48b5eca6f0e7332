"""Requests as JSON: one compact line each, or indented by two as the original wrote them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fedloom.workload.formats.skeleton import Path

__all__ = ["INDENTED", "LINES", "JsonLayout"]


@dataclass(frozen=True)
class JsonLayout:
    """A layout of JSON.

    Attributes:
        joiner: what stands between two requests.
        indent: spaces per level; None: everything on one line, without spaces.
        margin: spaces before each line.
    """

    joiner: bytes
    indent: int | None
    margin: str

    def arrange(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the fields as they are."""
        return fields

    def print_structure(self, structure: dict[str, Any]) -> str:
        """Return the text of a structure."""
        separators = (",", ":") if self.indent is None else (",", ": ")
        text = json.dumps(structure, indent=self.indent, separators=separators)
        return self.margin + text.replace("\n", "\n" + self.margin)

    def print_value(self, value: Any, path: Path) -> str:  # noqa: ARG002
        """Return the text of one value."""
        return json.dumps(value)

    def holds(self, text: str) -> bool:  # noqa: ARG002
        """Return True: every text can stand in its place."""
        return True

    def is_steady(self, text: str) -> bool:  # noqa: ARG002
        """Return True: texts are always in double quotes."""
        return True

    def gap_pattern(self, word: str) -> str:
        """Return how a word was printed: in quotes."""
        return rf'"{word}(\d+)"'


LINES = JsonLayout(joiner=b"\n", indent=None, margin="")
"""JSONL."""

INDENTED = JsonLayout(joiner=b",\n", indent=2, margin=" " * 4)
"""The elements of ``requests`` in a JSON file with an indent of two."""
