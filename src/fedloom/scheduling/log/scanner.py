"""Reading one JSON document piece by piece, so that a large log never stands in memory as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import IO, Any, TypeVar

__all__ = ["JsonScanner", "NotJsonError", "UnexpectedEndError"]

Batch = TypeVar("Batch")

_SPACE = " \t\n\r"
_FIRST_READ = 1 << 20
_LONGEST_WORD = 12
"""No token but a string or a number is longer."""


class NotJsonError(Exception):
    """The text is not JSON; the message says what stands there instead."""


class UnexpectedEndError(Exception):
    """The text ends in the middle of something."""


class JsonScanner:
    """A cursor over JSON text.

    Args:
        file: opened as text.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._text = ""
        self._at = 0
        self._ended = False
        self._one_by_one = False
        self._decode = json.JSONDecoder().raw_decode

    def peek(self) -> str:
        """Return the next character that is no space, without moving past it; "" at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACE:
                    return self._text[self._at]
                self._at += 1
            if not self._read(_FIRST_READ):
                return ""

    def take(self, expected: str) -> None:
        """Move past a character.

        Raises:
            NotJsonError: another one stands there.
            UnexpectedEndError: the text ends.
        """
        found = self.peek()
        if not found:
            raise UnexpectedEndError
        if found != expected:
            raise NotJsonError(f"{expected!r} is expected where {self._around()} stands")
        self._at += 1

    def value(self) -> Any:
        """Return the next value, whatever it is, and move past it.

        Raises:
            NotJsonError: no value stands there.
            UnexpectedEndError: the text ends in the middle of it.
        """
        self.peek()
        size = _FIRST_READ
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except RecursionError as error:
                raise NotJsonError("brackets are nested too deeply") from error
            except json.JSONDecodeError as error:
                if _may_go_on(error, self._text) and self._read(size):
                    size *= 2  # so that a value of any size is tried few times
                    continue
                raise _explain(error, self._text) from error
            if end < len(self._text) or not self._read(size):
                # A number may go on behind the text that was read; anything else has its end.
                self._at = end
                return value

    def entries(self) -> Iterator[str]:
        """Yield the keys of an object, moved to the value of each; take that before the next."""
        self.take("{")
        if self.peek() != "}":
            yield self._key()
            while self.peek() == ",":
                self.take(",")
                yield self._key()
        self.take("}")

    def batches(self, parse: Callable[[str], Batch | None]) -> Iterator[Batch | list[Any]]:
        """Yield the items of a list: many at once where they are objects, else a list of one.

        Args:
            parse: turns the text of a list of objects into whatever is wanted; None where it is
                no list of JSON, or not sure. Then its items come one by one.
        """
        self.take("[")
        if self.peek() != "]":
            while True:
                if (several := self._several(parse)) is not None:
                    yield several
                    continue
                yield [self.value()]
                if self.peek() != ",":
                    break
                self.take(",")
        self.take("]")

    def _several(self, parse: Callable[[str], Batch | None]) -> Batch | None:
        """Parse the next objects of a list up to a comma, and move past it; None if unsure.

        All up to the last ``},`` in the text at hand: if that parses, brackets and quotes are
        balanced, so the comma belongs to the list.
        """
        if len(self._text) - self._at < _FIRST_READ // 2:
            self._read(_FIRST_READ)
        if self._one_by_one or (end := self._text.rfind("},", self._at)) < 0:
            return None
        found = parse(f"[{self._text[self._at : end + 1]}]")
        self._one_by_one = found is None
        if found is not None:
            self._at = end + 2
        return found

    def _key(self) -> str:
        if (found := self.peek()) and found != '"':
            raise NotJsonError(f"a key in quotes is expected where {self._around()} stands")
        key: str = self.value()
        self.take(":")
        return key

    def _read(self, size: int) -> bool:
        """Read on; return whether there was anything."""
        more = "" if self._ended else self._file.read(size)
        if not more:
            self._ended = True
            return False
        self._text, self._at = self._text[self._at :] + more, 0
        self._one_by_one = False
        return True

    def _around(self) -> str:
        return repr(self._text[self._at : self._at + 20])


def _may_go_on(error: json.JSONDecodeError, text: str) -> bool:
    """Return whether more text could mend the error: it is at the end, or in an open string."""
    return "nterminated string" in error.msg or error.pos >= len(text) - _LONGEST_WORD


def _explain(error: json.JSONDecodeError, text: str) -> Exception:
    """Tell text that ends too early from text that is wrong; `text` goes on to the file's end."""
    rest = text[error.pos :].rstrip(_SPACE)
    words = ("true", "false", "null", "NaN", "Infinity", "-Infinity")
    if "nterminated string" in error.msg or any(word.startswith(rest) for word in words):
        return UnexpectedEndError()
    if "escape" in error.msg and len(rest) < _LONGEST_WORD:
        return UnexpectedEndError()
    return NotJsonError(f"{error.msg} at {text[max(0, error.pos - 10) : error.pos + 20]!r}")
