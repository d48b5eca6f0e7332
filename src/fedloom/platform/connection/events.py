"""What changes on a platform, as it happens (server-sent events)."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from typing import Any

import httpx

from fedloom.errors import LinkError
from fedloom.platform.connection.link import ApiLink
from fedloom.platform.connection.values import Event, read_value

__all__ = ["follow_events", "read_stream"]

_SILENCE_S = 60.0
"""The API says something, if only that it is there, more often than that."""
_PATIENCE_S = 60.0
_PAUSE_S = 1.0


def follow_events(
    link: ApiLink,
    *,
    after_id: int | None = None,
    task_id: int | None = None,
    patience_s: float = _PATIENCE_S,
) -> Iterator[Event]:
    """Yield events without end, each once and in order, also over a restart of the API.

    Args:
        link: to the API.
        after_id: begin after this one; with what happens from now on if None.
        task_id: only those of a task.
        patience_s: seconds for which the API may be away.

    Raises:
        FedloomError: the API says no, or is away for too long.
    """
    last, reached = after_id, time.monotonic()
    started: list[int] = []
    while True:
        if last is None and started:
            last = started[0]  # nothing has come yet, and nothing since then must be missed
        headers = {"Accept": "text/event-stream"}
        if last is not None:
            headers["Last-Event-ID"] = str(last)
        try:
            with link.stream(
                "/events", headers=headers, silence_s=_SILENCE_S, after_id=last, task_id=task_id
            ) as answer:
                for event in read_stream(_note_start(answer.iter_lines(), started)):
                    reached = time.monotonic()
                    if last is None or event.id > last:
                        last = event.id
                        yield event
                        reached = time.monotonic()  # whoever asks may have taken long
        except (LinkError, httpx.HTTPError) as error:
            if time.monotonic() - reached > patience_s:
                raise LinkError(f"{link.access.url} sends no events: {error}") from error
        time.sleep(_PAUSE_S)


def read_stream(lines: Iterable[str]) -> Iterator[Event]:
    """Yield the events that a stream's lines spell; what is no event is left out."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            event = _read_event(fields)
            fields = {}
            if event is not None:
                yield event
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            joined = f"{fields[name]}\n{value}" if name == "data" and name in fields else value
            fields[name] = joined


def _note_start(lines: Iterable[str], started: list[int]) -> Iterator[str]:
    """Pass lines on, and keep the number after which the stream said that it begins."""
    for line in lines:
        if not started and (found := re.fullmatch(r": listening after (\d{1,19})", line)):
            started.append(int(found[1]))
        yield line


def _read_event(fields: dict[str, str]) -> Event | None:
    try:
        found: Any = json.loads(fields.get("data", ""))
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    number = fields.get("id", "")
    if "kind" not in found:  # the data alone: the rest is in the fields beside it
        found = {"kind": fields.get("event", "message"), "data": found}
    if "id" not in found:
        if not number.isdecimal():
            return None
        found["id"] = int(number)
    return read_value(Event, found)
