"""JSON with the line of every key and item."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from fedloom.workload.config.faults import KeyPath
from fedloom.workload.config.places import Parsed, Repeated, SourceError, check_depth

__all__ = ["parse_json"]

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


def parse_json(text: str) -> Parsed:
    """Read a JSON text.

    Raises:
        SourceError: it is no JSON, or nests too deep.

    Example:
        >>> dict(parse_json('{"a": [\\n1,\\n2]}').lines)
        {('a',): 1, ('a', 0): 2, ('a', 1): 3}
    """
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise SourceError(
            f"no valid JSON: {error.msg}, column {error.colno}", error.lineno
        ) from error
    except RecursionError as error:
        raise SourceError("nests too deep") from error
    except UnicodeEncodeError as error:
        raise SourceError("holds half of a character (a lone surrogate)") from error
    except ValueError as error:  # a number of thousands of digits
        reason = str(error).partition(":")[0]
        raise SourceError(f"no valid JSON: {reason}") from error
    check_depth(value)
    return _find_lines(text, value)


@dataclass(slots=True)
class _Open:
    """A map or list whose end has not come yet; `key` leads to the value that comes next."""

    path: KeyPath
    is_map: bool
    key: str | int | None


def _find_lines(text: str, value: object) -> Parsed:
    """Walk through the tokens of a text that is known to be valid."""
    lines: dict[KeyPath, int] = {}
    repeated: list[Repeated] = []
    stack: list[_Open] = []
    line, counted = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", counted, match.start())
        counted, token = match.start(), match.group()
        if token in ("}", "]"):
            stack.pop()
        elif token == ",":
            stack[-1].key = None if stack[-1].is_map else _next(stack[-1].key)
        elif stack and stack[-1].is_map and stack[-1].key is None:
            stack[-1].key = json.loads(token)
            path = (*stack[-1].path, stack[-1].key)
            if path in lines:
                repeated.append(Repeated(path, line, lines[path]))
            lines[path] = line
        elif token != ":":
            path = (*stack[-1].path, stack[-1].key) if stack else ()
            if stack and not stack[-1].is_map:
                lines[path] = line
            if token in ("{", "["):
                stack.append(_Open(path, token == "{", None if token == "{" else 0))
    return Parsed(value, lines, tuple(repeated))


def _next(position: str | int | None) -> int:
    return int(position or 0) + 1
