"""The head of a comparison: what was scheduled, who wins where, and the table of all figures."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from fedloom.page.tiles import Tile, tile_list
from fedloom.page.wording import clip, count, duration, number, percent
from fedloom.scheduling.page.standing import Figure, figure, shown_figures, winners
from fedloom.scheduling.page.view import PolicyView
from fedloom.scheduling.problem import Problem

__all__ = ["facts", "policies_table", "tiles", "unfinished"]

NAME_WIDTH = 13
"""Letters of a policy's name that fit into a tile."""

_TITLES = (
    ("Shortest makespan", ("makespan_s",)),
    ("Best p95 response", ("response_s", "p95")),
    ("Least slowdown", ("slowdown", "mean")),
    ("Most deadlines met", ("deadline_attainment",)),
    ("Fairest to tenants", ("fairness_slowdown",)),
    ("Least switching", ("switch_seconds",)),
)


def tiles(views: Sequence[PolicyView]) -> str:
    """Return the winners of several policies, or the main figures of the only one."""
    return tile_list(_own_tiles(views[0]) if len(views) == 1 else _winner_tiles(views))


def facts(problem: Problem) -> str:
    """Return what was scheduled where, as short labelled facts."""
    known = {
        "Requests": f"{problem.requests:,}",
        "Tasks": f"{problem.tasks:,}",
        "Workflows": f"{len(problem.workflows):,}",
        "Models": f"{len(problem.models):,}",
        "Tenants": f"{len(problem.tenants):,}" if problem.tenants else "",
        "GPUs": f"{len(problem.cluster.gpus):,}",
        "Servers": f"{len(problem.cluster.servers):,}",
    }
    items = (f"<li><span>{label}</span>{value}</li>" for label, value in known.items() if value)
    return f'<ul class="facts">{"".join(items)}</ul>'


def unfinished(views: Sequence[PolicyView], problem: Problem) -> str:
    """Return what was not finished, and why; empty where everything was."""
    lines = [
        f"<li><b>{escape(view.name)}</b> left {view.unfinished:,} of "
        f"{count(problem.requests, 'request')} unfinished"
        f"{': ' + escape(view.schedule.stopped) if view.schedule.stopped else ''}</li>"
        for view in views
        if view.unfinished
    ]
    return f'<ul class="card alert">{"".join(lines)}</ul>' if lines else ""


def policies_table(views: Sequence[PolicyView]) -> str:
    """Return all figures of all policies; boxes show and hide a policy in the plots."""
    shown = shown_figures(views)
    best = {f: winners(views, f) for f in shown}
    groups = [(name, list(held)) for name, held in groupby(shown, key=lambda f: f.group)]
    heads = "".join(
        f'<th class="first" colspan="{len(held)}">{escape(name)}</th>' for name, held in groups
    )
    labels = "".join(
        f"<th{_first(i == 0)}>{escape(f.label)}</th>"
        for _, held in groups
        for i, f in enumerate(held)
    )
    body = "".join(_row(view, groups, best, len(views) > 1) for view in views)
    return (
        '<section class="card table runs policies"><div class="scroll"><table><thead>'
        f'<tr><th class="text name" rowspan="2">Policy</th>{heads}</tr><tr>{labels}</tr></thead>'
        f"<tbody>{body}</tbody></table></div></section>"
    )


def _row(
    view: PolicyView,
    groups: Sequence[tuple[str, list[Figure]]],
    best: dict[Figure, list[PolicyView]],
    boxed: bool,
) -> str:
    name = f'<span class="key{_dashed(view)}"></span><span>{escape(view.name)}</span>'
    if boxed:
        box = f'<input type="checkbox" checked data-run="{view.index}"'
        name = f'{box} aria-label="show {escape(view.name)}">{name}'
    cells = (
        _cell(view, figure, i == 0, view in best[figure])
        for _, held in groups
        for i, figure in enumerate(held)
    )
    return (
        f'<tr style="--key:var(--{view.color[1:]})">'
        f'<td class="text name"><label>{name}</label></td>{"".join(cells)}</tr>'
    )


def _cell(view: PolicyView, figure: Figure, first: bool, best: bool) -> str:
    text = escape(figure.text(figure.of(view)))
    bad = figure.path == ("unfinished_requests",) and view.unfinished
    if best:
        return f'<td{_first(first, "win")} title="the best">{text}</td>'
    return f"<td{_first(first, 'bad' if bad else '')}>{text}</td>"


def _first(first: bool, more: str = "") -> str:
    """The class of a cell, which begins a group of columns or not."""
    names = " ".join(name for name in ("first" if first else "", more) if name)
    return f' class="{names}"' if names else ""


def _dashed(view: PolicyView) -> str:
    return "" if view.dash == "solid" else " dash"


def _winner_tiles(views: Sequence[PolicyView]) -> list[Tile]:
    won = []
    for title, path in _TITLES:
        compared = figure(*path)
        if best := winners(views, compared):
            others = f" and {len(best) - 1} more" if len(best) > 1 else ""
            text = compared.text(compared.of(best[0])) + _beside_bound(best[0], path) + others
            won.append(Tile(title, clip(best[0].name, NAME_WIDTH), text))
    return won


def _beside_bound(view: PolicyView, path: tuple[str, ...]) -> str:
    ratio = figure("makespan_ratio").of(view)
    return f", {number(ratio, 3)} × the bound" if path == ("makespan_s",) and ratio else ""


def _own_tiles(view: PolicyView) -> list[Tile]:
    bound = view.number("makespan_lower_bound_s")
    done, left = view.number("completed_requests"), view.unfinished
    finished = f"{count(int(done), 'request')} finished" if done is not None else ""
    tiles = [
        Tile("Makespan", duration(view.number("makespan_s")), f"bound {duration(bound)}"),
        Tile("Response, p95", duration(view.number("response_s", "p95")), _mean(view)),
        Tile("Slowdown, mean", number(view.number("slowdown", "mean"), 3), "÷ critical path"),
        Tile("Utilisation", percent(view.number("utilisation", "mean")), "executing"),
        Tile("Switches", f"{view.number('switches') or 0:,.0f}", _switching(view)),
        Tile("Unfinished", f"{left:,}", finished),
    ]
    if (met := view.number("deadline_attainment")) is not None:
        tiles.insert(3, Tile("Deadlines met", percent(met), "unfinished ones are missed"))
    return tiles


def _mean(view: PolicyView) -> str:
    return f"mean {duration(view.number('response_s', 'mean'))}"


def _switching(view: PolicyView) -> str:
    return f"{duration(view.number('switch_seconds'))} in all"
