"""Reading a large JSON list element by element."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from fedloom.errors import InputError
from fedloom.workload.traces.text import open_text

__all__ = ["json_list", "objects_in"]

_CHARACTERS = 1 << 20
_BLANK = " \t\r\n"


def json_list(path: Path, required: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number (from 1) and the object of each element of a list of objects.

    About one element and a megabyte are in memory at a time.

    Raises:
        InputError: the file is empty, cut off, no list of objects, or an element lacks a required
            field.
    """
    number = 0
    with open_text(path) as file:
        for number, element in enumerate(_elements(file, path), start=1):
            if not isinstance(element, dict):
                raise InputError(f"{path}, element {number}: an object {{…}} would be right")
            for name in required:
                if name not in element:
                    raise InputError(
                        f"{path}, element {number} has no {name!r}; "
                        f"found were {', '.join(element)[:200]}"
                    )
            yield number, element


def _elements(file: IO[str], path: Path) -> Iterator[Any]:
    text = file.read(_CHARACTERS).lstrip(_BLANK)
    if not text.startswith("["):
        what = "is empty" if not text else "is no JSON list"
        raise InputError(f"{path} {what}; a list of objects [{{…}}, …] would be right")
    decoder, text, number = json.JSONDecoder(), text[1:], 0
    while True:
        text = text.lstrip(_BLANK) or file.read(_CHARACTERS).lstrip(_BLANK)
        if text.startswith("]"):
            return
        if number and text.startswith(","):
            text = text[1:]
        element, text = _next(decoder, text, file, path, number + 1)
        number += 1
        yield element


def _next(
    decoder: json.JSONDecoder, text: str, file: IO[str], path: Path, number: int
) -> tuple[Any, str]:
    """Return the element at the beginning of the text, reading on until it is whole."""
    while True:
        text = text.lstrip(_BLANK)
        try:
            element, end = decoder.raw_decode(text)
        except json.JSONDecodeError as error:
            more = file.read(max(_CHARACTERS, len(text)))
            if not more:
                raise InputError(
                    f"{path} ends or breaks within element {number} ({error.msg}); fetch it again"
                ) from None
            text += more
        else:
            return element, text[end:]


def objects_in(holder: dict[str, Any], name: str, path: Path, place: str) -> list[dict[str, Any]]:
    """Return the objects that a field lists; none where it is absent or null.

    Raises:
        InputError: it is something else.
    """
    found = holder.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InputError(
            f"{path}, {place}: {name} is {found!r:.60}; a list of objects would be right"
        )
    return found
