"""The table of rounds at the foot of a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from fedloom.page.head import score_of
from fedloom.page.view import RunView
from fedloom.page.wording import count, duration, number

__all__ = ["rounds_card"]

_NUMBERS = {
    "global_loss": "Loss",
    "train_loss": "Training loss",
    "update_norm": "Update norm",
    "epsilon": "ε",
}

_SECONDS = {
    "train_seconds": "Training",
    "evaluate_seconds": "Evaluation",
    "simulated_seconds": "Simulated",
}

_SHOWN = 500
"""More rounds than these are thinned evenly; the records hold them all."""


def rounds_card(views: Sequence[RunView]) -> str:
    """Return the card with the rounds: one table, or one folded table per run."""
    if len(views) == 1:
        body, note = f'<div class="scroll">{_table(views[0])}</div>', _note(views[0])
    else:
        body, note = "".join(map(_folded, views)), ""
    return (
        '<section class="card table"><div class="card-head"><h2>Rounds</h2>'
        f'<p class="note">{note}</p></div>{body}</section>'
    )


def _folded(view: RunView) -> str:
    return (
        f"<details><summary>{escape(view.name)}"
        f'<span class="note">{count(view.summary.rounds, "round")} {_note(view)}</span></summary>'
        f'<div class="scroll">{_table(view)}</div></details>'
    )


def _note(view: RunView) -> str:
    step = _step(view)
    return f"every {step}th round is shown" if step > 1 else ""


def _step(view: RunView) -> int:
    return -(-view.tables.rounds.height // _SHOWN)


def _table(view: RunView) -> str:
    rounds = view.tables.rounds.gather_every(_step(view))
    columns = _columns(view)
    head = "".join(f"<th>{title}</th>" for title, _ in columns)
    body = "".join(_row(view, row, columns) for row in rounds.iter_rows(named=True))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


Column = tuple[str, Callable[[dict[str, Any]], str]]


def _columns(view: RunView) -> list[Column]:
    """Return title and text of each column that holds anything."""
    rounds = view.tables.rounds
    columns: list[Column] = [("Round", lambda row: f"{row['round']:,}")]
    columns.append(("Participants", _participants))
    if rounds["num_examples"].count():
        columns.append(("Rows", lambda row: _whole(row["num_examples"])))
    if rounds["global_score"].count():
        title = "Accuracy" if view.summary.task in (None, "classification") else "R² score"
        columns.append((title, lambda row: score_of(view.summary, row["global_score"])))
    for shown, write in ((_NUMBERS, number), (_SECONDS, duration)):
        columns += [
            (title, _cell(name, write)) for name, title in shown.items() if rounds[name].count()
        ]
    return columns


def _cell(name: str, write: Callable[[float | None], str]) -> Callable[[dict[str, Any]], str]:
    return lambda row: write(row[name])


def _participants(row: dict[str, Any]) -> str:
    return f"{_whole(row['participants'])} of {_whole(row['cohort_size'])}"


def _whole(value: int | None) -> str:
    return number(None) if value is None else f"{value:,}"


def _row(view: RunView, row: dict[str, Any], columns: Sequence[Column]) -> str:
    best = ' class="best"' if row["round"] == view.summary.best_round else ""
    return f"<tr{best}>{''.join(f'<td>{text(row)}</td>' for _, text in columns)}</tr>"
