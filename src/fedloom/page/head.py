"""The head of a page: what ran, how well it did, and the table of runs where there are several."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from fedloom.page.tiles import Tile, tile_list
from fedloom.page.view import RunView, Summary
from fedloom.page.wording import MISSING, count, duration, number, percent

__all__ = ["facts", "partition_of", "runs_table", "score_of", "tiles", "title_of"]


def title_of(views: Sequence[RunView]) -> str:
    """Return the title: data set, model and algorithm, as far as all runs share them."""
    summaries = [view.summary for view in views]
    shared = [
        names.pop()
        for key in ("dataset", "model", "algorithm")
        if len(names := {getattr(s, key) for s in summaries}) == 1 and names != {None}
    ]
    what = " · ".join(shared) or views[0].name
    return what if len(views) == 1 else f"{what}: {len(views)} runs"


def score_of(summary: Summary, value: float | None) -> str:
    """Return a score as the task reads it: accuracy in per cent, anything else as a number."""
    is_accuracy = summary.task in (None, "classification")
    return percent(value) if is_accuracy else number(value, 3)


def partition_of(summary: Summary) -> str | None:
    """Return the partition with its parameter, such as ``dirichlet 0.3``."""
    if summary.partition is None or summary.partition_param is None:
        return summary.partition
    return f"{summary.partition} {summary.partition_param:g}"


def tiles(view: RunView) -> str:
    """Return the figures that come first, for a run that is alone on its page."""
    s = view.summary
    score = "accuracy" if s.task in (None, "classification") else "R² score"
    best = "" if s.best_round is None else f"in round {s.best_round:,}"
    failed = s.cohort - s.participants
    missing = "none failed" if not failed else f"{failed:,} of {s.cohort:,} updates missing"
    entries = [
        (f"Final {score}", score_of(s, s.final_score), f"after {count(s.rounds, 'round')}"),
        (f"Best {score}", score_of(s, s.best_score), best),
        ("Clients", f"{s.clients:,}", f"{s.cohort / max(1, s.rounds):,.4g} per round"),
        ("Participation", percent(s.participants / s.cohort) if s.cohort else MISSING, missing),
        ("Total time", duration(s.total_seconds), "training and evaluation"),
    ]
    if s.simulated_seconds is not None:
        entries.append(("Simulated time", duration(s.simulated_seconds), "on the modelled devices"))
    return tile_list(Tile(*entry) for entry in entries)


def facts(view: RunView) -> str:
    """Return what determines the run, as short labelled facts."""
    s = view.summary
    known = {
        "Data set": s.dataset,
        "Model": s.model,
        "Algorithm": s.algorithm,
        "Partition": partition_of(s),
        "Backend": s.backend,
        "Task": s.task,
        "Run": s.run_id,
    }
    items = (
        f"<li><span>{label}</span>{escape(value)}</li>" for label, value in known.items() if value
    )
    return f'<ul class="facts">{"".join(items)}</ul>'


def runs_table(views: Sequence[RunView]) -> str:
    """Return the table of runs; its boxes show and hide a run in all plots."""
    names = ["Run", "Data set", "Model", "Algorithm", "Partition"]
    figures = ["Clients", "Rounds", "Final score", "Best score", "Total time"]
    if any(view.summary.simulated_seconds is not None for view in views):
        figures.append("Simulated time")
    head = "".join(f'<th class="text">{n}</th>' for n in names)
    head += "".join(f"<th>{n}</th>" for n in figures)
    body = "".join(_run_row(view, "Simulated time" in figures) for view in views)
    return (
        '<section class="card table runs"><div class="scroll"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></section>"
    )


def _run_row(view: RunView, simulated: bool) -> str:
    s = view.summary
    best = score_of(s, s.best_score)
    best += "" if s.best_round is None else f" (round {s.best_round:,})"
    texts = [s.dataset, s.model, s.algorithm, partition_of(s)]
    figures = [f"{s.clients:,}", f"{s.rounds:,}", score_of(s, s.final_score), best]
    figures.append(duration(s.total_seconds))
    if simulated:
        figures.append(duration(s.simulated_seconds))
    dash = "" if view.dash == "solid" else " dash"
    return (
        f'<tr style="--key:var(--{view.color[1:]})"><td class="text name"><label>'
        f'<input type="checkbox" checked data-run="{view.index}" '
        f'aria-label="show {escape(view.name)}"><span class="key{dash}"></span>'
        f"<span>{escape(view.name)}</span></label></td>"
        + "".join(f'<td class="text">{escape(t or MISSING)}</td>' for t in texts)
        + "".join(f"<td>{escape(f)}</td>" for f in figures)
        + "</tr>"
    )
