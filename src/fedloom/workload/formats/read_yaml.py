"""Reading YAML a request at a time: the original's layout fast, any other by libyaml's events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NoReturn, TextIO

import yaml

from fedloom.errors import InputError
from fedloom.workload.formats.source import Found, Source
from fedloom.workload.formats.yaml_mould import Moulds
from fedloom.workload.formats.yaml_values import ValueReader, YamlProblemError, load_yaml

__all__ = ["yaml_items"]

_CHUNK = 1 << 20
_NEXT_ITEM = "\n- "
_LIST_BEGINS = re.compile(r"^requests:[ ]*\n(?=- )|\A(?:(?:---|#.*)?[ ]*\n)*(?=- )", re.MULTILINE)
_OUTSIDE = re.compile(r"\n(?=[^ \n#])")


class _NotApartError(Exception):
    """The items cannot be read each by itself, for example because one refers to another."""


def yaml_items(source: Source, found: Found) -> Iterator[tuple[int, Any]]:
    """Yield the line and the value of each request of a YAML file; note its metadata.

    Raises:
        InputError: the file is cut, is no YAML or holds no list of requests.
    """
    done = 0
    try:
        for item in _split_items(source, found):
            yield item
            done += 1
    except _NotApartError:
        yield from islice(_event_items(source, found), done, None)


def _split_items(source: Source, found: Found) -> Iterator[tuple[int, Any]]:
    with source.open_text() as file:
        start = file.read(_CHUNK)
        match = _LIST_BEGINS.search(start)
        if match is None:
            raise _NotApartError
        head, rest = start[: match.start()], start[match.end() :]
        bare = not match[0].startswith("requests:")
        items = _Items(source, file, rest.removeprefix("- "), start.count("\n", 0, match.end()) + 1)
        if not bare:
            found.metadata = _read_around(source, head, "")
        yield from items
        if bare and items.tail.strip() not in ("", "..."):
            raise _NotApartError
        if not bare and items.tail:
            found.metadata = _read_around(source, head, items.tail, items.line)


def _read_around(source: Source, head: str, tail: str, tail_line: int = 0) -> Any:
    """Return the metadata that stands before or after the list."""
    try:
        around = load_yaml(f"{head}requests: []\n{tail}")
    except YamlProblemError as error:
        if "alias" in error.problem:
            raise _NotApartError from None
        below = error.line - head.count("\n") - 1
        _fail(source, error.line if below < 0 else tail_line - 1 + below, error.problem)
    return around.get("metadata") if isinstance(around, dict) else None


class _Items:
    """The elements of a list at the left margin.

    Attributes:
        tail: what follows the list; known when all elements are read.
        line: of the next element, then of the tail.
    """

    def __init__(self, source: Source, file: TextIO, text: str, line: int) -> None:
        self._source, self._file, self._text, self.line = source, file, text, line
        self.tail = ""
        self._moulds = Moulds()

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        pieces = self._pieces()
        for text, last in pieces:
            value = self._moulds.read(text.rstrip("\n") if last else text)
            if value is None and (match := _OUTSIDE.search(text)):
                rest = [text[match.end() :], *(piece for piece, _ in pieces)]
                self.tail = _NEXT_ITEM.join(rest)
                text, last = text[: match.start()], True
                value = self._moulds.read(text.rstrip("\n"))
            yield self.line, self._read_odd(text, last) if value is None else value
            self.line += text.count("\n") + 1

    def _pieces(self) -> Iterator[tuple[str, bool]]:
        """Yield the text of each element, and whether it is the last."""
        text = self._text
        while more := self._file.read(_CHUNK):
            *whole, text = (text + more).split(_NEXT_ITEM)
            for piece in whole:
                yield piece, False
        *whole, text = text.split(_NEXT_ITEM)
        for piece in whole:
            yield piece, False
        yield text, True

    def _read_odd(self, text: str, last: bool) -> Any:
        try:
            value = load_yaml(f"- {text}\n")
        except YamlProblemError as error:
            # A text in quotes may reach over what looked like the next element.
            if "alias" in error.problem or ("quoted" in error.problem and not last):
                raise _NotApartError from None
            reason = error.problem + ("; the file ends here, it may be cut" if last else "")
            _fail(self._source, self.line - 1 + error.line, reason)
        if not isinstance(value, list) or len(value) != 1:
            raise _NotApartError
        return value[0]


def _event_items(source: Source, found: Found) -> Iterator[tuple[int, Any]]:
    with source.open_bytes() as file:
        reader = ValueReader(file)
        try:
            reader.next()
            if isinstance(reader.next(), yaml.StreamEndEvent):
                raise InputError(f"{source.path}: there is no list requests")
            yield from _read_document(source, reader, reader.next(), found)
            reader.next()
            event = reader.next()
        except YamlProblemError as error:
            _fail(source, error.line, error.problem)
        except RecursionError:
            raise InputError(f"{source.path}: nested too deeply") from None
        if not isinstance(event, yaml.StreamEndEvent):
            _fail(source, event.start_mark.line, "a second document begins; one is right")


def _read_document(
    source: Source, reader: ValueReader, event: Any, found: Found
) -> Iterator[tuple[int, Any]]:
    if isinstance(event, yaml.SequenceStartEvent):
        yield from _read_list(reader)
        return
    if not isinstance(event, yaml.MappingStartEvent):
        raise InputError(f"{source.path}: a file of requests is a map with a list requests")
    listed = False
    for key in reader.read_keys():
        event = reader.next()
        if key.value == "requests":
            if not isinstance(event, yaml.SequenceStartEvent):
                _fail(source, event.start_mark.line, "requests should be a list")
            listed = True
            yield from _read_list(reader)
        else:
            value = reader.value(event)
            if key.value == "metadata":
                found.metadata = value
    if not listed:
        raise InputError(f"{source.path}: there is no list requests")


def _read_list(reader: ValueReader) -> Iterator[tuple[int, Any]]:
    while not isinstance(event := reader.next(), yaml.SequenceEndEvent):
        yield event.start_mark.line + 1, reader.value(event)


def _fail(source: Source, line: int, problem: str) -> NoReturn:
    raise InputError(f"{source.path}: line {line + 1}: {problem}")
