"""The text of a request taken apart: what is the same for all of its shape, and the gaps between.

Both ways of writing, by columns and row by row, fill the gaps of the same skeleton, and the
skeleton's text is what the format's own library prints. So both give the same bytes, and names with
quotes, colons or line breaks are as right as that library makes them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

__all__ = ["Layout", "Path", "Shape", "Skeleton", "build_skeleton", "take_apart"]

Path = tuple[str, ...]
"""Where a value is: the keys that lead to it; elements of a list are at ``[]``."""

Shape = tuple[Any, ...] | None
"""The keys of a structure without its values: ("map", (key, shape)…), ("list", shape…) or None."""


class Layout(Protocol):
    """How one format spells requests. Layouts have no state, so they are compared by type."""

    def __hash__(self) -> int: ...

    @property
    def joiner(self) -> bytes:
        """What stands between two requests."""

    def arrange(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the structure that the format writes for the fields of a request."""

    def print_structure(self, structure: dict[str, Any]) -> str:
        """Return the text of a structure whose values are plain words."""

    def print_value(self, value: Any, path: Path) -> str:
        """Return the text of one value at its place; `value` is no map and no list."""

    def holds(self, text: str) -> bool:
        """Return whether a text can stand at its usual place in what `arrange` returns."""

    def is_steady(self, text: str) -> bool:
        """Return whether a text with other digits would be printed as alike as its digits are."""

    def gap_pattern(self, word: str) -> str:
        """Return a regular expression for how `word`, then digits (a group), was printed."""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The text of all requests of a shape, but for their values.

    Attributes:
        texts: n + 1 pieces around n gaps.
        gaps: for each gap, the number of the value that fills it, in the order of the structure.
        paths: for each value, where it is.
    """

    texts: tuple[str, ...]
    gaps: tuple[int, ...]
    paths: tuple[Path, ...]


def take_apart(structure: Any, values: list[Any]) -> Shape:
    """Return the shape of a structure and append its values to `values`, in order.

    Example:
        >>> values = []
        >>> take_apart({"a": 1, "b": ["x"]}, values), values
        (('map', ('a', None), ('b', ('list', None))), [1, 'x'])
    """
    if isinstance(structure, Mapping):
        return (
            "map",
            *((str(key), take_apart(value, values)) for key, value in structure.items()),
        )
    if isinstance(structure, list | tuple):
        return ("list", *(take_apart(value, values) for value in structure))
    values.append(structure)
    return None


@lru_cache(maxsize=1024)
def build_skeleton(layout: Layout, shape: Shape) -> Skeleton:
    """Return the skeleton of a shape in a layout."""
    word = "Gap"
    while word in repr(shape):
        word += "Gap"
    paths: list[Path] = []
    structure = _fill(shape, (), word, paths)
    pieces = re.split(layout.gap_pattern(word), layout.print_structure(structure))
    return Skeleton(tuple(pieces[::2]), tuple(int(gap) for gap in pieces[1::2]), tuple(paths))


def _fill(shape: Shape, path: Path, word: str, paths: list[Path]) -> Any:
    if shape is None:
        paths.append(path)
        return f"{word}{len(paths) - 1}"
    kind, *inside = shape
    if kind == "list":
        return [_fill(element, (*path, "[]"), word, paths) for element in inside]
    return {key: _fill(value, (*path, key), word, paths) for key, value in inside}
