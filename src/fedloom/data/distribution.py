"""The JSON file of the `custom` strategy: client → label → rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import Any, TypeAlias

from fedloom.data.raw import find_existing
from fedloom.errors import DataError

__all__ = ["Distribution", "check_distribution", "read_distribution"]

Distribution: TypeAlias = dict[str, dict[str, int]]
"""How many rows of each label each client is to hold; the order of clients matters."""


def read_distribution(path: Path | str) -> Distribution:
    """Read a distribution such as ``{"client_1": {"0": 500, "3": 20}, "client_2": {"1": 80}}``.

    Returns:
        The clients in the order of the file.

    Raises:
        DataError: the file is missing or not UTF-8, is malformed JSON (the message gives line
            and column), names a client or label twice, or has a count that is no whole number
            from 0 up (the message names client and label).
    """
    found = find_existing(str(path), "distribution file")
    return check_distribution(_parse(found), str(path))


def check_distribution(content: Any, source: str) -> Distribution:
    """Return `content` if it is client → label → rows.

    Args:
        content: what was read, or what the caller made.
        source: where it is from, for the message.

    Raises:
        DataError: it is something else, two clients' names are alike, or a count is no whole
            number from 0 up.
    """
    if not isinstance(content, Mapping) or not content:
        raise DataError(
            f"{source} holds {_describe(content)} instead of clients: "
            f'write {{"client_1": {{"0": 500}}}}'
        )
    _refuse_clashes(content, source)
    return {client: _check_client(client, counts, source) for client, counts in content.items()}


def _parse(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8-sig")
        return json.loads(text, object_pairs_hook=lambda pairs: _to_dict(pairs, path))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text, see byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path} is not valid JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        ) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, or a tower
        raise DataError(f"{path} is not usable JSON: {error}") from error


def _to_dict(pairs: list[tuple[str, Any]], path: Path) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise DataError(f"{path} names {twice!r} twice in one object: each name may occur once")
    return result


def _refuse_clashes(clients: Mapping[str, Any], source: str) -> None:
    """Refuse names whose files would be one on systems that do not tell case apart."""
    seen: dict[str, str] = {}
    for client in clients:
        if not isinstance(client, str) or not client.strip():
            raise DataError(f"{source} has a client with a blank name {client!r}: name it")
        other = seen.setdefault(client.casefold(), client)
        if other != client:
            raise DataError(f"{source}: clients {other!r} and {client!r} differ only in case")


def _check_client(client: str, counts: Any, source: str) -> dict[str, int]:
    if not isinstance(counts, Mapping):
        raise DataError(
            f"{source}: client {client!r} holds {_describe(counts)} instead of labels with counts"
        )
    for label, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, Integral) or count < 0:
            raise DataError(
                f"{source}: client {client!r}, label {label!r}: the count is {_describe(count)}; "
                f"a whole number from 0 up is wanted"
            )
    return {str(label): int(count) for label, count in counts.items()}


def _describe(value: Any) -> str:
    """Return a value in a few words, however large it is."""
    if isinstance(value, dict | list):
        return "an empty object" if value == {} else f"a {type(value).__name__}"
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 40 else f"{text[:37]}..."
