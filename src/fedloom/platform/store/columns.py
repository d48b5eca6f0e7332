"""How times, JSON and texts lie in a database, the same on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Set
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import DateTime, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

__all__ = ["JsonText", "UtcDateTime", "clean_text", "is_storable", "to_plain"]


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time: UTC without a zone in the database, as in the original, UTC with it here."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Take the zone off; a time without one is a bug of ours."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Put the zone on."""
        return value and value.replace(tzinfo=UTC)


class JsonText(TypeDecorator[Any]):
    """A JSON value as ASCII text, which every database takes; see `to_plain` for what it holds."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Dialect) -> str | None:
        """Write it."""
        if value is None:
            return None
        return json.dumps(to_plain(value), allow_nan=False, separators=(",", ":"))

    def process_result_value(self, value: str | None, _dialect: Dialect) -> Any:
        """Read it."""
        return None if value is None else json.loads(value)


def to_plain(value: Any) -> Any:
    """Return a value as JSON has it.

    NaN and infinities become null, because no reader of JSON outside Python takes them; NumPy's
    scalars and arrays become numbers and lists, times ISO texts, keys texts.

    Example:
        >>> to_plain({1: (float("nan"), 2.0)})
        {'1': [None, 2.0]}

    Raises:
        TypeError: JSON has nothing for it.
    """
    match value:
        case None | bool() | int():
            return value
        case str():
            return str(value)
        case float():
            return float(value) if math.isfinite(value) else None
        case datetime() | date():
            return value.isoformat()
        case Mapping():
            return {str(key): to_plain(item) for key, item in value.items()}
        case list() | tuple():
            return [to_plain(item) for item in value]
        case Set():
            return sorted(to_plain(item) for item in value)
        case _ if hasattr(value, "tolist"):
            return to_plain(value.tolist())
    raise TypeError(f"JSON has nothing for {type(value).__name__}")


def is_storable(text: str) -> bool:
    """Say whether a database can hold a text: PostgreSQL takes no NUL, and none a surrogate."""
    return "\x00" not in text and text.encode("utf-8", "replace") == text.encode("utf-8", "ignore")


def clean_text(text: str, limit: int) -> str:
    """Return a text that every database takes, cut to `limit` characters with a mark."""
    clean = text.replace("\x00", "�").encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= limit else f"{clean[: limit - 1]}…"
