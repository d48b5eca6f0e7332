"""Times, spans and sizes in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from fedloom.platform.store import Event, EventKind
from fedloom.platform.task import Task

__all__ = ["ago", "model_path", "say_event", "say_size", "say_span", "say_time", "took"]


def model_path(name: str, version: int) -> str:
    """Return the address of a version's page, below the page's own.

    Example:
        >>> model_path("a model?", 2)
        '/models/a%20model%3F/2'
    """
    return f"/models/{quote(name, safe='')}/{version}"


def say_time(moment: datetime | None) -> str:
    """Return a point in time to the second, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if moment else "–"


def say_span(seconds: float) -> str:
    """Return a span in its two largest units.

    Example:
        >>> say_span(0.5), say_span(75), say_span(7300), say_span(200_000)
        ('0.5 s', '1 min 15 s', '2 h 1 min', '2 d 7 h')
    """
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """Return how long ago something was."""
    if moment is None:
        return "never"
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    return "just now" if seconds < 10 else f"{say_span(seconds)} ago"


def took(task: Task, now: datetime | None = None) -> str:
    """Return how long a task has run, or ran."""
    if task.started_at is None:
        return "–"
    end = task.finished_at or now or datetime.now(UTC)
    return say_span((end - task.started_at).total_seconds())


def say_size(size_bytes: float) -> str:
    """Return a size with its unit.

    Example:
        >>> say_size(512), say_size(4_200_000)
        ('512 B', '4.2 MB')
    """
    if size_bytes < 1000:
        return f"{int(size_bytes)} B"
    for unit in ("kB", "MB", "GB"):
        size_bytes /= 1000
        if size_bytes < 1000:
            return f"{size_bytes:.3g} {unit}"
    return f"{size_bytes / 1000:.3g} TB"


def say_event(event: Event) -> str:
    """Return an event in words."""
    task, data = f"Task {event.task_id}", event.data
    match event.kind:
        case EventKind.TASK_CREATED:
            return f"{task}: {data.get('user_id')} asked for {data.get('model_name')}"
        case EventKind.TASK_STATUS:
            reason = f": {data['reason']}" if data.get("reason") else ""
            return f"{task} is {data.get('status')}{reason}"
        case EventKind.TASK_RESUMED:
            return f"{task} goes on after round {data.get('rounds_done')}"
        case EventKind.TASK_DELETED:
            return f"{data.get('count', 1)} deleted task(s)"
        case EventKind.ROUND:
            return f"{task}: round {data.get('round')} is done{_score(data)}"
        case EventKind.ROUNDS_CUT:
            return f"{task} repeats the rounds after {data.get('after')}"
        case EventKind.CLIENTS:
            return f"{task}: {data.get('count')} clients in round {data.get('round')}"
        case EventKind.LOG:
            return f"{task}: log of {data.get('source')}"
        case EventKind.NODE:
            return f"Node {data.get('name')} reported"
        case EventKind.NODE_REMOVED:
            return f"Node {data.get('name')} was removed"
        case EventKind.TOKEN:
            return f"Token {data.get('id')} {data.get('change')}"


def _score(data: Mapping[str, Any]) -> str:
    score = data.get("global_score")
    return f", score {score:.4g}" if isinstance(score, int | float) else ""
