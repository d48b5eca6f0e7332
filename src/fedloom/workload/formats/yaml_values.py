"""YAML of any layout as plain values, at the speed of libyaml's parser.

Values are resolved as `yaml.safe_load` does, with three differences that keep files lossless and
safe: times stay texts, keys stay the texts that they are, and a key must not stand twice in a map.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import IO, Any, NoReturn

import yaml

__all__ = ["ValueReader", "YamlProblemError", "load_yaml", "resolve_plain"]

_PREFIX = "tag:yaml.org,2002:"
_TEXTS = frozenset(f"{_PREFIX}{name}" for name in ("str", "timestamp", "value", "merge"))
_TAGS = frozenset(f"{_PREFIX}{name}" for name in ("int", "float", "bool", "null")) | _TEXTS
_MAPS = (None, "!", f"{_PREFIX}map")
_LISTS = (None, "!", f"{_PREFIX}seq")


class YamlProblemError(Exception):
    """What is wrong in a YAML text.

    Args:
        problem: what, in one line.
        line: where, from 0.
    """

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem)
        self.problem, self.line = problem, line


_RESOLVER = yaml.resolver.Resolver()
_CONSTRUCTOR = yaml.constructor.SafeConstructor()


@lru_cache(maxsize=1 << 14)
def resolve_plain(text: str) -> Any:
    """Return what a text without quotes stands for: a number, a boolean, null or itself."""
    tag: str = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return _construct(tag, text)


def _construct(tag: str, text: str) -> Any:
    if tag in _TEXTS:
        return text
    node = yaml.ScalarNode(tag, text)
    return _CONSTRUCTOR.yaml_constructors[tag](_CONSTRUCTOR, node)


class ValueReader:
    """Builds values from the events of libyaml's parser.

    Args:
        stream: the text, or a file of bytes that is read as needed.
    """

    def __init__(self, stream: str | IO[bytes]) -> None:
        self._events: Iterator[Any] = iter(yaml.parse(stream, Loader=yaml.CSafeLoader))
        self._anchors: dict[str, Any] = {}

    def next(self) -> Any:
        """Return the next event.

        Raises:
            YamlProblemError: the text is no YAML.
        """
        try:
            return next(self._events)
        except StopIteration:
            raise YamlProblemError("nothing more stands here", 0) from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            parts = [part for part in (error.context, error.problem) if part]
            raise YamlProblemError(", ".join(parts), mark.line if mark else 0) from None
        except yaml.YAMLError as error:
            raise YamlProblemError(" ".join(str(error).split()), 0) from None

    def value(self, event: Any) -> Any:
        """Return the value that begins with an event, and read to its end.

        Raises:
            YamlProblemError: the text is no YAML, or a key stands twice in a map.
        """
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                _fail(f"found undefined alias {event.anchor!r}", event)
            return self._anchors[event.anchor]
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            _check_tag(event, _LISTS)
            value = list(self.elements())
        elif isinstance(event, yaml.MappingStartEvent):
            _check_tag(event, _MAPS)
            value = self._map()
        else:
            _fail("a value should stand here", event)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def elements(self) -> Iterator[Any]:
        """Yield the values of the list that has begun."""
        while not isinstance(event := self.next(), yaml.SequenceEndEvent):
            yield self.value(event)

    def read_keys(self) -> Iterator[Any]:
        """Yield the events of the keys of the map that has begun.

        The caller reads the value after each.
        """
        seen = set()
        while not isinstance(event := self.next(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                _fail("a key should be a name", event)
            if event.value in seen:
                _fail(f"the key {event.value!r} stands twice in one map; keep one of them", event)
            seen.add(event.value)
            yield event

    def _map(self) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key in self.read_keys():
            event = self.next()
            value = self.value(event)
            if key.value != "<<" or not key.implicit[0]:
                fields[key.value] = value
                continue
            for other in value if isinstance(value, list) else [value]:
                if not isinstance(other, dict):
                    _fail("<< should be followed by a map", event)
                merged = {**other, **merged}
        return {**merged, **fields} if merged else fields

    def _scalar(self, event: Any) -> Any:
        if event.implicit[0] and event.tag is None:
            return resolve_plain(event.value)
        if event.tag is None or event.tag == "!":
            return event.value
        _check_tag(event, _TAGS)
        try:
            return _construct(event.tag, event.value)
        except (ValueError, KeyError, yaml.YAMLError):
            _fail(f"{event.value!r} is no {event.tag.removeprefix(_PREFIX)}", event)


def _check_tag(event: Any, known: Iterable[str | None]) -> None:
    if event.tag not in known:
        _fail(f"the tag {event.tag!r} has no place in a request file", event)


def _fail(problem: str, event: Any) -> NoReturn:
    raise YamlProblemError(problem, event.start_mark.line)


def load_yaml(text: str) -> Any:
    """Return the value of a text of one document; None where it is empty.

    Raises:
        YamlProblemError: the text is no YAML, or holds several documents.
    """
    reader = ValueReader(text)
    reader.next()
    if isinstance(event := reader.next(), yaml.StreamEndEvent):
        return None
    try:
        value = reader.value(reader.next())
    except RecursionError:
        _fail("nested too deeply", event)
    reader.next()
    if not isinstance(event := reader.next(), yaml.StreamEndEvent):
        _fail("a second document begins; a request file is one", event)
    return value
