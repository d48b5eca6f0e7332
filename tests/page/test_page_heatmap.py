"""Who holds which labels: order, aggregation, readability."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedloom.errors import InputError
from fedloom.page import heatmap_page
from fedloom.page.heatmap import heatmap_card, heatmap_cards, read_counts
from fedloom.page.tables import RunTables
from fedloom.page.view import view_runs

from .synthetic_runs import make_run


def test_a_small_split_shows_every_number_under_its_name() -> None:
    counts = {f"client_{n}": {"10": n, "2": 5} for n in range(1, 6)}
    card = heatmap_card(counts, "Split")
    trace = card.data[0]

    assert trace["y"] == ["2", "10"]  # in the order of numbers
    assert trace["z"] == [[5] * 5, [1, 2, 3, 4, 5]]
    assert trace["x"] == list(counts)
    assert trace["texttemplate"] == "%{z:,}"
    assert card.layout["xaxis"]["ticktext"] == ["1", "2", "3", "4", "5"]
    assert card.layout["xaxis"]["title"]["text"] == "Client (client_…)"
    assert card.note == "40 rows; 6–10 per client"


def test_a_handful_of_clients_lies_under_one_another() -> None:
    trace = heatmap_card({"only": {str(n): n for n in range(4)}}, "Split").data[0]

    assert (trace["x"], trace["y"]) == (["0", "1", "2", "3"], ["only"])
    assert trace["z"] == [[0, 1, 2, 3]]
    assert "label %{x}" in trace["hovertemplate"]


def test_many_clients_are_sorted_by_their_main_label_and_unnamed() -> None:
    counts = {f"c{n}": {str(n % 2): 9, "2": 1} for n in range(50)}
    card = heatmap_card(counts, "Split")

    assert card.layout["xaxis"]["showticklabels"] is False
    assert card.data[0]["z"][0] == [9] * 25 + [0] * 25
    assert "sorted by the label they hold most of" in card.note


@given(st.integers(1001, 5000), st.integers(1, 4))
def test_no_more_columns_than_a_screen_has_and_no_row_lost(clients: int, labels: int) -> None:
    counts = {f"c{n}": {str(n % labels): 1 + n % 3} for n in range(clients)}
    card = heatmap_card(counts, "Split")
    cells = np.array(card.data[0]["z"])
    per_column = -(-clients // 1000)
    sizes = np.full(cells.shape[1], per_column)
    sizes[-1] = clients - per_column * (len(sizes) - 1)

    assert cells.shape[1] <= 1000
    total = sum(sum(held.values()) for held in counts.values())
    assert abs((cells * sizes).sum() - total) <= 0.05 * sizes.sum() * labels  # rounded to 0.1


def test_runs_with_the_same_split_share_a_heatmap() -> None:
    same = view_runs([make_run("a"), make_run("b"), make_run("c", seed=8)])
    titles = [card.title for card in heatmap_cards(same)]

    assert titles == ["Rows by label and client: a, b", "Rows by label and client: c"]
    assert heatmap_cards(same[:2])[0].title.endswith("the same in all runs")


def test_counts_are_read_from_json_and_from_the_originals_literal() -> None:
    clients = pl.DataFrame({
        "round": [1, 1, 1], "client_id": ["a", "b", "c"],
        "label_counts": ['{"cat": 3}', "{0: 5, 1: 0}", "nonsense"],
    })  # fmt: skip
    (view,) = view_runs([RunTables("run", clients, pl.DataFrame())])

    assert read_counts(view) == {"a": {"cat": 3}, "b": {"0": 5, "1": 0}, "c": {}}


def test_the_page_of_a_partition_escapes_names() -> None:
    html = heatmap_page({"<script>alert(1)</script>": {"<i>": 3}}, "digits <b>")

    assert "<script>alert" not in html
    assert "digits &lt;b&gt;" in html


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(InputError, match="at least one client"):
        heatmap_page({"a": {}}, "empty")
