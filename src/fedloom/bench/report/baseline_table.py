"""The table of what is reached without federated learning, beside what is reached with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from fedloom.bench.report.interval import Interval
from fedloom.bench.report.measures import Kind
from fedloom.bench.report.reference_lines import BASELINES, baseline_score
from fedloom.bench.report.spelling import spell, spell_interval
from fedloom.bench.report.summary import CellSummary
from fedloom.page.wording import MISSING

__all__ = ["baseline_card"]

Key = tuple[str, int]


def baseline_card(baselines: Sequence[Mapping[str, Any]], cells: Sequence[CellSummary]) -> str:
    """Return the card as HTML; "" where there are no baselines."""
    grouped: dict[Key, list[Mapping[str, Any]]] = {}
    for baseline in baselines:
        key = (str(baseline.get("backend", "")), _whole(baseline.get("clients")))
        grouped.setdefault(key, []).append(baseline)
    if not grouped:
        return ""
    heads = "".join(f"<th>{escape(label.capitalize())}</th>" for label in BASELINES.values())
    rows = "".join(_row(key, grouped[key], cells) for key in sorted(grouped))
    return (
        '<section class="card table"><div class="card-head"><h2>Without federated learning</h2>'
        f'<p class="note">{escape(_note(baselines))}</p></div>'
        '<div class="scroll" tabindex="0"><table><thead><tr><th class="text">Backend</th>'
        f"<th>Clients</th>{heads}<th>Worst client alone</th><th>Best client alone</th>"
        '<th>Best strategy</th><th class="text"></th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _note(baselines: Sequence[Mapping[str, Any]]) -> str:
    """Say how it was done, and what was left out of it."""
    computed = sorted({str(b["computed_on"]) for b in baselines if b.get("computed_on")})
    how = "Scores on the server's test part, after as many epochs as the cells' rounds together"
    parts = [how + (f", computed on {', '.join(computed)}" if computed else "")]
    parts += dict.fromkeys(str(text) for b in baselines for text in b.get("left_out", ()))
    return "; ".join(parts)


def _row(key: Key, held: Sequence[Mapping[str, Any]], cells: Sequence[CellSummary]) -> str:
    backend, clients = key
    figures = "".join(
        f"<td>{escape(spell_interval(_scores(held, name), Kind.SCORE))}</td>" for name in BASELINES
    )
    alone = [_inner(b, "alone") for b in held]
    ends = "".join(f"<td>{_end(alone, name)}</td>" for name in ("lowest", "highest"))
    best = max(_finals(cells, key), default=None)
    score, strategy = (spell(best[0], Kind.SCORE), best[1]) if best else (MISSING, "")
    return (
        f'<tr><td class="text">{escape(backend)}</td><td>{clients or MISSING}</td>{figures}{ends}'
        f'<td>{score}</td><td class="text">{escape(strategy)}</td></tr>'
    )


def _scores(held: Sequence[Mapping[str, Any]], key: str) -> Interval:
    return Interval.of(baseline_score(baseline, key) for baseline in held)


def _inner(baseline: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = baseline.get(key)
    return found if isinstance(found, Mapping) else {}


def _end(held: Sequence[Mapping[str, Any]], name: str) -> str:
    known = [float(b[name]) for b in held if isinstance(b.get(name), int | float)]
    return spell(sum(known) / len(known) if known else None, Kind.SCORE)


def _finals(cells: Sequence[CellSummary], key: Key) -> list[tuple[float, str]]:
    return [
        (mean, cell.strategy)
        for cell in cells
        if (cell.backend, cell.clients) == key
        and (mean := cell.measures["final_score"].mean) is not None
    ]
