"""Points in time as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from fedloom.errors import InputError

__all__ = ["read_moment"]

_UNITS_S = {"s": 1, "min": 60, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def read_moment(flag: str, text: str | None, *, now: datetime | None = None) -> datetime | None:
    """Return when something is, in UTC: in so long (``2h``, ``30d``), or a date as ISO 8601 has it.

    Args:
        flag: named in errors.
        text: what was typed; None stays None. A time without a zone is UTC.
        now: the time of day if None.

    Raises:
        InputError: it cannot be read, or lies too far away.

    Example:
        >>> str(read_moment("--deadline", "90min", now=datetime(2030, 1, 1, tzinfo=UTC)))
        '2030-01-01 01:30:00+00:00'
    """
    if text is None:
        return None
    try:
        if found := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", text):
            length = timedelta(seconds=float(found[1]) * _UNITS_S[found[2]])
            return (now or datetime.now(UTC)) + length
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, KeyError, OverflowError):
        units = ", ".join(_UNITS_S)
        raise InputError(
            f"{flag} {text!r}: write how long ({units}), such as 2h, or 2030-01-31T18:00"
        ) from None
