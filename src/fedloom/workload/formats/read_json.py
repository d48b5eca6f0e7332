"""Reading JSON a request at a time: any layout, the metadata before or after the requests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn, TextIO

from fedloom.errors import InputError
from fedloom.workload.formats.source import Found, Source

__all__ = ["decode_json", "json_items", "jsonl_items"]

_CHUNK = 1 << 18
_LONGEST_VALUE = 1 << 26
"""Characters of one value, above which a quote or bracket must have been left open: 64 Mi."""

_LONGEST_TOKEN = 16
"""A failure this near to the end of what was read may be a token whose rest is not read yet."""

_SPACE = re.compile(r"[ \t\r\n]*")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one map; keep one of them")
    return fields


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)


def decode_json(text: str) -> Any:
    """Return the value that a text spells; a key that stands twice in a map raises ValueError."""
    return _DECODER.decode(text)


def jsonl_items(source: Source, found: Found) -> Iterator[tuple[int, Any]]:  # noqa: ARG001
    """Yield the line and the value of each request of a JSONL file.

    Raises:
        InputError: a line is no JSON.
    """
    number, found_any = 0, False
    with source.open_text(newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip(" \t\r\n"):
                continue
            found_any = True
            try:
                yield number, _DECODER.decode(line)
            except ValueError as error:
                reason = str(error)
                if not line.endswith("\n"):
                    reason += "; the file is cut here"
                raise InputError(f"{source.path}: line {number}: {reason}") from None
            except RecursionError:
                raise InputError(f"{source.path}: line {number}: nested too deeply") from None
    if not found_any:
        raise InputError(f"{source.path}: {number} lines, but no request on any of them")


def json_items(source: Source, found: Found) -> Iterator[tuple[int, Any]]:
    """Yield the line and the value of each request of a JSON file; note its metadata.

    Raises:
        InputError: the file is cut, is no JSON or holds no list of requests.
    """
    with source.open_text() as file:
        text = _Text(file, source)
        if text.peek() == "[":
            yield from text.elements()
        else:
            yield from _members(text, found)
        if text.peek():
            text.fail("something follows where the file should end")


def _members(text: _Text, found: Found) -> Iterator[tuple[int, Any]]:
    text.expect("{", "a file of requests begins with { or [")
    seen: set[str] = set()
    while text.peek() != "}" or seen:
        name = text.value()
        if not isinstance(name, str) or name in seen:
            text.fail(f"{name!r} stands where a new key should be")
        seen.add(name)
        text.expect(":", f"a colon should follow the key {name!r}")
        if name == "requests":
            if text.peek() != "[":
                text.fail("requests should be a list")
            yield from text.elements()
        else:
            value = text.value()
            if name == "metadata":
                found.metadata = value
        if text.peek() == "}":
            break
        text.expect(",", "a comma or } should follow")
    text.expect("}", "a } should follow")
    if "requests" not in seen:
        hint = "; a file with a request per line ends in .jsonl" if "request_id" in seen else ""
        raise InputError(f'{text.path}: there is no list "requests"{hint}')


class _Text:
    """A JSON text of which a part is in memory."""

    def __init__(self, file: TextIO, source: Source) -> None:
        self.path = source.path
        self._file = file
        self._text = ""
        self._at = 0
        self._lines = 1
        self._counted = 0
        self._requests = 0
        self._ended = False

    def peek(self) -> str:
        """Return the next character that is no space; "" at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def expect(self, character: str, otherwise: str) -> None:
        """Go past a character."""
        if self.peek() != character:
            self.fail(otherwise)
        self._at += 1

    def elements(self) -> Iterator[tuple[int, Any]]:
        """Yield line and value of each element of the list that begins here."""
        self.expect("[", "a list should begin")
        if self.peek() != "]":
            while True:
                self._requests += 1
                self.peek()
                line = self._line()
                yield line, self.value()
                if self.peek() == "]":
                    break
                self.expect(",", "a comma or ] should follow")
        self._at += 1
        self._requests = 0

    def value(self) -> Any:
        """Return the value that begins here and go past it."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                unfinished = error.msg.startswith("Unterminated") or error.pos > (
                    len(self._text) - _LONGEST_TOKEN
                )
                if not (unfinished and self._read_on()):
                    self._at = error.pos
                    self.fail(error.msg)
            except ValueError as error:
                self.fail(str(error))
            except RecursionError:
                self.fail("nested too deeply")
            else:
                # A number may go on in what is not read yet.
                if end < len(self._text) or not self._read_on():
                    self._at = end
                    return value

    def fail(self, reason: str) -> NoReturn:
        """Raise an error that says where."""
        place = f"request {self._requests}, " if self._requests else ""
        ended = self._ended and self._at >= len(self._text.rstrip()) - _LONGEST_TOKEN
        if ended or reason.startswith("Unterminated"):
            reason += "; the file ends here, it may be cut"
        raise InputError(f"{self.path}: {place}line {self._line()}: {reason}")

    def _line(self) -> int:
        """Return the line of the next character."""
        if self._at > self._counted:
            self._lines += self._text.count("\n", self._counted, self._at)
            self._counted = self._at
        return self._lines

    def _read_on(self) -> bool:
        """Read more, forgetting what lies behind; return whether there was more."""
        rest = len(self._text) - self._at
        if rest > _LONGEST_VALUE:
            self.fail(f"a value is longer than {_LONGEST_VALUE} characters; is a quote missing?")
        more = self._file.read(max(_CHUNK, rest))
        self._ended = not more
        if more:
            self._line()
            self._text = self._text[self._at :] + more
            self._counted -= self._at
            self._at = 0
        return bool(more)
