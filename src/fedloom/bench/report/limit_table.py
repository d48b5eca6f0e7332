"""Where the time of each cell's rounds goes, as bars in a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from fedloom.bench.report.shares import Limit, Limitation
from fedloom.bench.report.summary import CellSummary
from fedloom.page.wording import MISSING

__all__ = ["limit_card"]

_COLORS = {
    Limit.COMPUTE: "c1",
    Limit.CLIENTS: "c2",
    Limit.SERVER: "c8",
    Limit.NETWORK: "c3",
    Limit.PHASES: "c6",
}

_NOTE = (
    "Shares of a round as its mean client sees it; the largest names the limit. Compute: it works; "
    "wait for clients: it is done, another is not; wait for the server: central evaluation, step "
    "and files; network: nobody works in a phase of the clients. Without the first round, which "
    "loads and compiles, where there are others"
)


def limit_card(cells: Sequence[CellSummary]) -> str:
    """Return the card as HTML; "" where no cell's time was measured."""
    known = [(cell, cell.limitation) for cell in cells if cell.limitation is not None]
    if not known:
        return ""
    shown = [limit for limit in Limit if any(limit in found.shares for _, found in known)]
    heads = "".join(f"<th>{escape(limit.capitalize())}</th>" for limit in shown)
    keys = "".join(
        f'<li><span class="key square" style="--key:var(--{_COLORS[limit]})"></span>'
        f"{escape(limit.capitalize())}</li>"
        for limit in shown
    )
    rows = "".join(_row(cell, found, shown) for cell, found in known)
    return (
        '<section class="card table bars"><div class="card-head"><h2>Where the time goes</h2>'
        f'<ul class="keys">{keys}</ul></div><p class="note">{escape(_NOTE)}.</p>'
        '<div class="scroll" tabindex="0"><table><thead><tr><th class="text">Cell</th>'
        f'<th class="text">Share of a round</th>{heads}</tr></thead><tbody>{rows}</tbody></table>'
        "</div></section>"
    )


def _row(cell: CellSummary, found: Limitation, shown: Sequence[Limit]) -> str:
    bar = "".join(
        f'<span style="width:{100 * share:.2f}%;--key:var(--{_COLORS[limit]})"></span>'
        for limit, share in found.shares.items()
    )
    figures = "".join(_figure(found, limit) for limit in shown)
    return (
        f'<tr><td class="text">{escape(cell.name)}</td>'
        f'<td class="text share"><span class="bar">{bar}</span></td>{figures}</tr>'
    )


def _figure(found: Limitation, limit: Limit) -> str:
    if (share := found.shares.get(limit)) is None:
        return f"<td>{MISSING}</td>"
    text = f"{100 * share:.0f} %"
    return f"<td><b>{text}</b></td>" if limit is found.limit else f"<td>{text}</td>"
