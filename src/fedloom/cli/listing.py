"""Rows for people: columns side by side, times and lists in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["as_plain", "ask_first", "print_pairs", "print_rows", "spell", "spell_age"]

_NOTHING = "–"
_WIDEST = 48
_SECONDS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def print_rows(heads: Sequence[str], rows: Iterable[Sequence[Any]], *, none: str) -> None:
    """Print a table; a cell of more than 48 characters is shortened.

    Args:
        heads: of the columns.
        rows: a cell for each.
        none: what is said where there is no row.
    """
    table = [[_shorten(spell(cell)) for cell in row] for row in rows]
    if not table:
        typer.echo(none)
        return
    widths = [max(len(row[i]) for row in (heads, *table)) for i in range(len(heads))]
    for row in (heads, *table):
        typer.echo("  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)).rstrip())


def print_pairs(pairs: Iterable[tuple[str, Any]]) -> None:
    """Print names and values, a line each; what has no value is left out."""
    shown = [(name, spell(value)) for name, value in pairs if value not in (None, "", (), [], {})]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        typer.echo(f"{name:<{width}}  {value}")


def spell(value: Any) -> str:
    """Return a value on one line."""
    match value:
        case None | "":
            return _NOTHING
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4g}"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        case dict():
            return ", ".join(f"{k}={spell(v)}" for k, v in value.items()) or _NOTHING
        case list() | tuple():
            return ", ".join(spell(item) for item in value) or _NOTHING
        case _:
            return "".join(c if c.isprintable() else " " for c in str(value))


def spell_age(moment: datetime | None) -> str:
    """Return how long ago something was: "12 s", "3 h"."""
    if moment is None:
        return _NOTHING
    passed = max(0.0, (datetime.now(UTC) - moment).total_seconds())
    size, unit = next((pair for pair in _SECONDS if passed >= pair[0]), _SECONDS[-1])
    return f"{passed / size:.0f} {unit}"


def as_plain(values: Iterable[BaseModel]) -> list[dict[str, Any]]:
    """Return values as JSON has them."""
    return [json.loads(value.model_dump_json()) for value in values]


def ask_first(question: str, *, yes: bool) -> None:
    """Ask before something is lost; without a terminal there is nobody to ask.

    Raises:
        typer.Abort: the answer is no.
    """
    if not yes:
        typer.confirm(question, abort=True)


def _shorten(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
