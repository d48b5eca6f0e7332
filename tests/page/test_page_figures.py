"""The numbers that the plots show, and that Plotly accepts every plot."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import polars as pl
import pytest

from fedloom.page.curves import divergence_card, loss_card, score_card
from fedloom.page.metrics import metric_cards
from fedloom.page.palette import PALETTES
from fedloom.page.participation import participation_card
from fedloom.page.report import _cards
from fedloom.page.tables import RunTables
from fedloom.page.times import simulated_card, size_card, time_card
from fedloom.page.view import RunView, view_runs

from .synthetic_runs import make_run

NO_ROUNDS = pl.DataFrame()


def view(clients: dict[str, list[Any]], name: str = "run") -> list[RunView]:
    return view_runs([RunTables(name, pl.DataFrame(clients), NO_ROUNDS)])


def eleven_clients(**columns: list[Any]) -> list[RunView]:
    return view({"round": [1] * 11, "client_id": [f"c{n}" for n in range(11)], **columns})


def paint(value: Any) -> Any:
    """Put colours in place of tokens, as the page's script does."""
    palette = PALETTES["light"]
    if isinstance(value, str) and value.startswith("@scale"):
        return [[i / 5, color] for i, color in enumerate(palette["scale"])]
    if isinstance(value, str) and value.startswith("@"):
        return palette["colors"][value[1:].split("/")[0]]
    if isinstance(value, dict):
        return {key: paint(item) for key, item in value.items()}
    return [paint(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "runs",
    [
        [make_run(clients=1, rounds=1)],
        [make_run(clients=1, rounds=1, simulated=True, dropout=1.0)],
        [make_run(clients=4, rounds=3, simulated=True)],
        [make_run(dropout=0.3, simulated=True)],
        [make_run(clients=60, rounds=45)],
        [make_run("a"), make_run("b", clients=3, dropout=0.2), make_run("c", simulated=True)],
        [make_run(str(n), clients=10, rounds=2) for n in range(9)],
    ],
    ids=["one", "all failed", "few", "failures", "many", "three runs", "nine runs"],
)
def test_plotly_accepts_every_plot(runs: list[RunTables]) -> None:
    for card in _cards(view_runs(runs)):
        figure = go.Figure(paint({"data": card.data, "layout": card.layout}))
        assert figure.data


def test_the_band_holds_the_quantiles_and_the_line_the_median() -> None:
    scores = [n / 10 for n in range(11)]
    card = score_card(eleven_clients(local_score=scores, global_score=[0.9] * 11))
    assert card is not None
    band, median, overall = card.data

    assert band["y"] == [0.9, 0.9, 0.1, 0.1]  # a bar, as one round makes no area
    assert (median["x"], median["y"]) == ([1], [0.5])
    assert median["customdata"] == [[0.1, 0.9]]
    assert overall["y"] == [0.9]
    assert card.title == "Accuracy"


def test_few_clients_are_single_lines_with_gaps() -> None:
    card = score_card(
        view({"round": [1, 2, 2], "client_id": ["a", "a", "b"], "local_score": [0.1, None, 0.3]})
    )
    assert card is not None

    assert {line["name"]: line["y"] for line in card.data} == {"a": [0.1, None], "b": [None, 0.3]}


def test_without_global_scores_a_runs_line_is_the_clients_median() -> None:
    runs = [
        RunTables(name, pl.DataFrame({"round": [1, 1], "client_id": ["a", "b"],
                                      "local_score": [low, 0.9]}), NO_ROUNDS)
        for name, low in (("x", 0.5), ("y", 0.7))
    ]  # fmt: skip
    card = score_card(view_runs(runs))
    assert card is not None

    assert [(line["name"], line["y"]) for line in card.data] == [("x", [0.7]), ("y", [0.8])]
    assert [key.label for key in card.legend] == ["x", "y"]


def test_regression_is_called_by_its_score() -> None:
    card = score_card(eleven_clients(task=["regression"] * 11, local_score=[0.5] * 11))
    assert card is not None
    assert card.layout["yaxis"]["title"]["text"] == "R² on the test part"


@pytest.mark.parametrize(
    ("values", "kind"), [([1e-3, 5.0], "log"), ([0.0, 5.0], None), ([1.0, 5.0], None)]
)
def test_losses_that_span_widely_get_a_logarithmic_axis(
    values: list[float], kind: str | None
) -> None:
    card = loss_card(view({"round": [1, 2], "client_id": ["a", "a"], "local_loss": values}))
    assert card is not None
    assert card.layout["yaxis"].get("type") == kind


def test_cards_without_any_value_are_left_out() -> None:
    bare = view({"round": [1], "client_id": ["a"]})

    makers = (score_card, loss_card, divergence_card, time_card, simulated_card, size_card)
    assert [make(bare) for make in makers] == [None] * 6


def test_participation_stacks_failures_by_reason() -> None:
    card = participation_card(
        view({
            "round": [1, 1, 1, 2, 2, 2], "client_id": ["a", "b", "c"] * 2,
            "participated": [True, False, False, True, True, False],
            "failure": ["", "error", "straggler", "", "", "straggler"],
        })
    )  # fmt: skip
    assert card is not None

    assert {bar["name"]: bar["y"] for bar in card.data} == {
        "In the aggregate": [1, 2],
        "Straggler": [1, 1],
        "Error": [1, 0],
    }
    assert [key.label for key in card.legend] == ["In the aggregate", "Straggler (2)", "Error (1)"]
    assert len({key.color for key in card.legend}) == 3


def test_participation_is_known_from_the_rounds_alone() -> None:
    rounds = pl.DataFrame({"round": [1, 2], "cohort_size": [5, 5], "participants": [5, 3]})
    card = participation_card(view_runs([RunTables("run", pl.DataFrame(), rounds)]))
    assert card is not None
    assert [bar["y"] for bar in card.data] == [[5, 3], [0, 2]]


def test_time_boxes_hold_quartiles_whiskers_and_the_slowest() -> None:
    card = time_card(eleven_clients(train_seconds=[float(n) for n in range(11)]))
    assert card is not None
    box, _, slowest = card.data

    names = ("lowerfence", "q1", "median", "q3", "upperfence")
    assert [box[name] for name in names] == [[1.0], [2.5], [5.0], [7.5], [9.0]]
    assert slowest["y"] == [10.0]


def test_runs_have_colours_of_their_own_and_then_other_dashes() -> None:
    looks = [(v.color, v.dash) for v in view_runs([make_run(rounds=1, clients=1)] * 20)]
    assert len(set(looks)) == 20


def contrast(one: str, other: str) -> float:
    """Contrast of two colours after WCAG 2.2."""

    def luminance(color: str) -> float:
        channels = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_can_be_read_on_the_surface(theme: str) -> None:
    colors = PALETTES[theme]["colors"]

    assert all(contrast(colors[f"c{n}"], colors["surface"]) >= 3 for n in range(1, 9))
    assert contrast(colors["text"], colors["bg"]) >= 7
    assert contrast(colors["muted"], colors["bg"]) >= 4.5


def test_numbers_that_clients_validated_have_a_card_each() -> None:
    clients = pl.DataFrame({"round": [1, 1, 2, 2], "client_id": ["a", "b", "a", "b"]})
    rows = [
        (1, "a", "validate", "accuracy", 0.5),
        (1, "b", "validate", "accuracy", 0.7),
        (2, "a", "validate", "accuracy", 0.6),
        (2, "b", "validate", "accuracy", float("nan")),
        (1, "a", "train", "seen", 3.0),
        (1, "a", "validate", "<b>", 1.0),
    ]
    columns = ["round", "client_id", "phase", "name", "value"]
    metrics = pl.DataFrame(rows, schema=columns, orient="row")
    cards = metric_cards(view_runs([RunTables("run", clients, NO_ROUNDS, metrics)]))
    assert [card.title for card in cards] == ["accuracy", "<b>"]
    assert [(t["name"], t["y"]) for t in cards[0].data] == [("a", [0.5, 0.6]), ("b", [0.7, None])]
    figure = go.Figure(paint({"data": cards[0].data, "layout": cards[0].layout}))
    assert figure.data


def test_runs_without_metrics_have_no_such_cards() -> None:
    assert metric_cards(eleven_clients()) == []
