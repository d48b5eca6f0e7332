"""The participation card: who was in a round's aggregate, and why the others were not."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from fedloom.federation.fleet import Failure
from fedloom.page.card import Card, Key, Trace, base_trace, plain, round_axis, run_keys
from fedloom.page.view import RunView
from fedloom.page.wording import clip, named

__all__ = ["participation_card"]

_UNKNOWN = "did not take part"

_COLORS = {
    Failure.DROPPED_OUT: "@c5",
    Failure.UNAVAILABLE: "@c8",
    Failure.STRAGGLER: "@c6",
    Failure.ERROR: "@c4",
    Failure.DIVERGED: "@c7",
    Failure.REJECTED: "@c3",
    Failure.TIMEOUT: "@c2",
    Failure.LOST: "@text",
}


def participation_card(views: Sequence[RunView]) -> Card | None:
    """Return participants and failures by reason, stacked; of several runs, who took part."""
    shown = [view for view in views if view.rounds["participants"].count()]
    if not shown:
        return None
    x = round_axis(shown)
    if not shown[0].alone:
        return _shares_card(shown, x)
    view = shown[0]
    reasons = _reasons(view)
    rounds, taking = view.rounds["round"].to_list(), view.rounds["participants"].to_list()
    data = [_bars(view, "In the aggregate", "@c1", rounds, taking)]
    keys = [Key("In the aggregate", "@c1", "square")]
    for reason, counts in reasons.items():
        label, color = reason.replace("_", " ").capitalize(), _COLORS.get(reason, "@c8")  # type: ignore[call-overload]
        data.append(_bars(view, label, color, rounds, counts))
        keys.append(Key(f"{label} ({sum(counts):,})", color, "square"))
    y: Trace = {"title": {"text": "Clients"}, "rangemode": "tozero", "tickformat": ",d"}
    if max(view.rounds["cohort_size"].drop_nulls(), default=0) <= 5:
        y["dtick"] = 1
    gap = 0.5 if len(rounds) <= 12 else 0.2
    layout = {"xaxis": x, "yaxis": y, "barmode": "stack", "hovermode": "x unified", "bargap": gap}
    note = "" if reasons else "Every client chosen took part"
    return Card("participation", "Participation", note, data, layout, tuple(keys))


def _bars(
    view: RunView, label: str, color: str, rounds: Sequence[int], counts: Sequence[int | None]
) -> Trace:
    bars = base_trace(
        view,
        type="bar",
        name=named(label),
        x=list(rounds),
        y=list(counts),
        marker={"color": color, "line": {"width": 0}},
        hovertemplate="%{y:,}",
    )
    return bars | {"width": 0.15} if len(rounds) == 1 else bars


def _reasons(view: RunView) -> dict[str, list[int]]:
    """Return failure → how many clients in each round, the most frequent first."""
    failed = view.clients.filter(~pl.col("participated").fill_null(value=True)).select(
        "round", reason=pl.col("failure").replace("", None).fill_null(_UNKNOWN)
    )
    if failed.is_empty():
        missing = view.rounds["cohort_size"] - view.rounds["participants"]
        counts = [max(0, n or 0) for n in missing]
        return {_UNKNOWN: counts} if any(counts) else {}
    by_reason = failed.group_by("reason", "round").len()
    order = failed["reason"].value_counts(sort=True)["reason"].to_list()
    rounds = view.rounds.select("round")
    return {
        reason: rounds.join(by_reason.filter(pl.col("reason") == reason), on="round", how="left")[
            "len"
        ]
        .fill_null(0)
        .to_list()
        for reason in order
    }


def _shares_card(views: Sequence[RunView], x: Trace) -> Card:
    data = []
    for view in views:
        rounds = view.rounds
        share = rounds["participants"] / rounds["cohort_size"]
        data.append(
            base_trace(
                view,
                type="scatter",
                name=named(clip(view.name, 32)),
                x=rounds["round"].to_list(),
                y=plain(share),
                customdata=[
                    list(row) for row in rounds.select("participants", "cohort_size").rows()
                ],
                mode="lines+markers" if rounds.height <= 40 else "lines",
                line={"color": view.color, "width": 2.5, "dash": view.dash},
                marker={"color": view.color, "size": 6},
                hovertemplate="%{y:.1%} (%{customdata[0]:,} of %{customdata[1]:,})",
            )
        )
    y = {"title": {"text": "Share of the cohort"}, "tickformat": ".0%", "range": [0, 1.05]}
    layout = {"xaxis": x, "yaxis": y, "hovermode": "x unified"}
    note = "Clients in the aggregate, of those chosen"
    return Card("participation", "Participation", note, data, layout, run_keys(views))
