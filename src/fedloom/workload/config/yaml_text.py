"""YAML with the line of every key and item."""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.cyaml import CSafeLoader

from fedloom.workload.config.faults import KeyPath
from fedloom.workload.config.places import DEEPEST, Parsed, Repeated, SourceError

__all__ = ["FLOAT", "FLOAT_STARTS", "FLOAT_TAG", "parse_yaml"]

FLOAT_TAG = "tag:yaml.org,2002:float"
FLOAT = re.compile(r"[-+]?(?:\d+|\d*\.\d+|\d+\.)[eE][-+]?\d+\Z")
"""Numbers that YAML 1.2 and JSON know and PyYAML takes for text: 1e3, 2.5E6."""
FLOAT_STARTS = list("-+.0123456789")

_MERGE_TAG = "tag:yaml.org,2002:merge"
_MOST_VALUES = 2_000_000
"""Values in one file. Aliases of aliases can make billions out of a few lines."""


class _Loader(CSafeLoader):
    """The C loader, with numbers as JSON has them and times as text."""


_Loader.add_implicit_resolver(FLOAT_TAG, FLOAT, FLOAT_STARTS)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: str(node.value))


def parse_yaml(text: str) -> Parsed:
    """Read a YAML text of one document; an empty one is None.

    Keys are text as written (``on`` is no truth value), anchors and merge keys work.

    Raises:
        SourceError: it is no YAML, nests too deep, or aliases blow it up.
    """
    try:
        _check_nesting(text)
        loader = _Loader(text)
        node = loader.get_single_node()
        reader = _Reader(loader)
        value = None if node is None else reader.read(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", column {mark.column + 1}" if mark else ""
        line = mark.line + 1 if mark else None
        raise SourceError(f"no valid YAML: {error.problem}{where}", line) from error
    except yaml.YAMLError as error:
        raise SourceError(f"no valid YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise SourceError("nests too deep") from error
    return Parsed(value, reader.lines, tuple(reader.repeated))


def _check_nesting(text: str) -> None:
    """Refuse deep nesting before nodes are composed: the C composer overflows its stack on it."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                line = event.start_mark.line + 1 if event.start_mark else None
                raise SourceError(f"nests deeper than {DEEPEST} levels", line)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Reader:
    """Turns the nodes of one document into plain values, keeping their lines."""

    def __init__(self, loader: _Loader) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.repeated: list[Repeated] = []
        self._loader = loader
        self._values = 0

    def read(self, node: yaml.Node, path: KeyPath, depth: int = 0) -> Any:
        line = node.start_mark.line + 1
        self._values += 1
        if self._values > _MOST_VALUES:
            raise SourceError(f"holds more than {_MOST_VALUES:,} values", line)
        if depth > DEEPEST:
            raise SourceError(f"nests deeper than {DEEPEST} levels", line)
        if isinstance(node, yaml.MappingNode):
            return self._read_map(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self._read_item(item, (*path, i), depth) for i, item in enumerate(node.value)]
        try:
            return self._loader.construct_object(node)
        except ValueError as error:
            raise SourceError(f"no valid YAML: {error}", line) from error

    def _read_item(self, node: yaml.Node, path: KeyPath, depth: int) -> Any:
        self.lines[path] = node.start_mark.line + 1
        return self.read(node, path, depth + 1)

    def _read_map(self, node: yaml.MappingNode, path: KeyPath, depth: int) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == _MERGE_TAG:
                self._merge(plain, value, path, depth)
        own: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise SourceError("a key must be a name", line)
            if key.tag == _MERGE_TAG:
                continue
            inner = (*path, key.value)
            if key.value in own:
                self.repeated.append(Repeated(inner, line, own[key.value]))
            self.lines[inner] = own[key.value] = line
            plain[key.value] = self.read(value, inner, depth + 1)
        return plain

    def _merge(self, plain: dict[str, Any], node: yaml.Node, path: KeyPath, depth: int) -> None:
        """Add what a merge key names; of several maps the first that has a key counts."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in reversed(sources):
            if not isinstance(source, yaml.MappingNode):
                raise SourceError("<< must name a map", source.start_mark.line + 1)
            plain |= self.read(source, path, depth + 1)
