"""One request in the original's layout of YAML, read line by line without a YAML library.

The layout is that of `yaml.dump` in block style. Only what is certain is read here: maps indented
by two, lists of plain values, simple texts, numbers, texts in quotes, folded texts. Anything else
makes `parse_item` give up, and libyaml reads the request instead (about ten times slower).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from fedloom.workload.formats.yaml_values import YamlProblemError, load_yaml, resolve_plain

__all__ = ["UNREAD", "parse_item", "read_value"]

_FLOAT = re.compile(r"[0-9]+\.[0-9]+")
_NUMBER = re.compile(r"[0-9][0-9A-Za-z_.+:-]*[0-9A-Za-z_.+-]|[0-9]")
_TEXT = re.compile(r"""[A-Za-z_](?:[!-9;-~]++|:(?=[!-~])|[ ](?=[!-"$-~ ]))*+""")
_SINGLE = re.compile(r"'((?:[^'\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]++|'')*+)'")
_DOUBLE = re.compile(r'"([ !#-\[\]-~]*)"')
_KEY = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_./ -]*[A-Za-z0-9_./-])?")
_LONGEST_KEYWORD = 5

_UNSURE: Final = object()
"""A text that this module leaves to libyaml."""

_OPEN: Final = object()
"""A text in quotes that are not closed on its line."""

UNREAD = (_UNSURE, _OPEN)
"""What `read_value` returns for a text that is not, or not surely, one whole value."""


class _GiveUpError(Exception):
    pass


def parse_item(text: str) -> dict[str, Any] | None:
    """Return the fields of a request; None: the text is not, or not surely, in the layout.

    Args:
        text: an element of the list, without its ``- `` and its last line break.
    """
    try:
        return _Item().parse(text)
    except _GiveUpError:
        return None


class _Item:
    """The state of reading: which maps are open, by their indentation."""

    def __init__(self) -> None:
        self._root: dict[str, Any] = {}
        self._maps = {2: self._root}
        self._list: list[Any] = []
        self._depth = 2
        self._opened: tuple[dict[str, Any], str] | None = None
        self._held: list[str] = []
        self._holder: tuple[Any, Any] = (self._root, "")
        self._first = ""

    def parse(self, text: str) -> dict[str, Any]:
        for line in f"  {text}".split("\n"):
            content = line.lstrip(" ")
            indent = len(line) - len(content)
            if self._opened is None and indent > self._depth:
                self._continue(content)
            elif content.startswith("- "):
                self._add_element(indent, content[2:])
            else:
                self._add_field(indent, content)
        self._close_folded()
        if self._opened is not None:
            raise _GiveUpError
        return self._root

    def _add_field(self, indent: int, content: str) -> None:
        name, colon, text = content.partition(": ")
        if not colon:
            name, colon = content[:-1], content[-1:]
        key = _read_key(name)
        if key is None or colon not in (": ", ":"):
            raise _GiveUpError
        if self._held:
            self._close_folded()
        fields = self._map_at(indent)
        if key in fields:
            raise _GiveUpError
        self._depth = indent
        if text:
            self._set(fields, key, text)
        else:
            self._opened = (fields, key)
            fields[key] = None

    def _map_at(self, indent: int) -> dict[str, Any]:
        if self._opened is not None:
            above, key = self._opened
            if indent != self._depth + 2:
                raise _GiveUpError
            above[key] = self._maps[indent] = {}
            self._opened = None
        elif indent not in self._maps:
            raise _GiveUpError
        return self._maps[indent]

    def _add_element(self, indent: int, text: str) -> None:
        if self._held:
            self._close_folded()
        if self._opened is not None:
            above, key = self._opened
            if indent != self._depth:
                raise _GiveUpError
            above[key] = self._list = []
            self._opened = None
        elif self._holder[0] is not self._list or indent != self._depth:
            raise _GiveUpError
        self._list.append(None)
        self._set(self._list, -1, text)

    def _set(self, holder: Any, key: Any, text: str) -> None:
        value = read_value(text) if text else _UNSURE
        if value is _UNSURE:
            raise _GiveUpError
        holder[key] = value
        self._holder = (holder, key)
        self._first = text
        if value is _OPEN:
            self._held = [text]

    def _continue(self, content: str) -> None:
        if not (content and self._first):
            raise _GiveUpError
        if not self._held:
            self._held = [self._first]
        self._held.append(content)

    def _close_folded(self) -> None:
        if self._held:
            holder, key = self._holder
            holder[key] = _read_folded(self._held)
            self._held = []


@lru_cache(maxsize=1 << 14)
def _read_key(text: str) -> str | None:
    if _KEY.fullmatch(text):
        return text
    if match := _SINGLE.fullmatch(text):
        return match[1].replace("''", "'")
    return None


def read_value(text: str) -> Any:
    """Return the value that stands on one line after its key; one of `UNREAD` if not sure."""
    if _FLOAT.fullmatch(text):
        return float(text)
    if _TEXT.fullmatch(text):
        return text if len(text) > _LONGEST_KEYWORD else resolve_plain(text)
    if _NUMBER.fullmatch(text):
        return resolve_plain(text)
    return _read_quoted(text)


def _read_quoted(text: str) -> Any:
    if match := _SINGLE.fullmatch(text):
        return match[1].replace("''", "'")
    if match := _DOUBLE.fullmatch(text):
        return match[1]
    if text == "{}":
        return {}
    if text == "[]":
        return []
    if text[:1] == '"' and text[-1] == '"' and len(text) > 1:
        return _read_escaped(text)
    return _OPEN if text[:1] in ("'", '"') else _UNSURE


def _read_escaped(text: str) -> Any:
    try:
        value = load_yaml(text)
    except YamlProblemError:
        return _OPEN
    return value if isinstance(value, str) else _UNSURE


def _read_folded(lines: list[str]) -> Any:
    if len(lines) == 1 or any(line[-1] in " \t" for line in lines):
        raise _GiveUpError
    text = " ".join(lines)
    if _TEXT.fullmatch(text) or _SINGLE.fullmatch(text) or _DOUBLE.fullmatch(text):
        return read_value(text)
    if text[0] == '"' and isinstance(value := _read_escaped("\n ".join(lines)), str):
        return value
    raise _GiveUpError
