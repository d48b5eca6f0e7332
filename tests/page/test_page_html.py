"""A page holds everything itself, says what it should, and stays small."""

from __future__ import annotations

import gzip
import re
from base64 import b64decode
from pathlib import Path

import polars as pl
import pytest

from fedloom.errors import InputError, OutputError
from fedloom.page import RunTables, render_report, write_report

from .synthetic_runs import make_run

LOADS = re.compile(r"<(?:script|img|link|iframe|source|use|object|embed)\b[^>]*(?:src|href|data)=")


def without_plotly(html: str) -> str:
    return re.sub(r'(id="plotly-gz">)[^<]*', r"\1", html)


@pytest.fixture(scope="module")
def page() -> str:
    return render_report([make_run(dropout=0.2, simulated=True)])


def test_nothing_is_loaded_from_anywhere(page: str) -> None:
    own = without_plotly(page)

    assert LOADS.findall(own) == ['<link rel="icon" href=']  # an empty data: address
    assert "http" not in own
    assert "url(" not in own
    assert "@import" not in own


def test_plotly_is_in_the_page_once_with_its_licence_and_sends_nothing(page: str) -> None:
    packed = re.findall(r'id="plotly-gz">([^<]+)<', page)

    assert len(packed) == 1
    assert b"plotly.js" in gzip.decompress(b64decode(packed[0]))[:200]
    assert re.search(r"<!-- plotly\.js v[\d.]+ .*MIT license -->", page)
    assert 'showSendToCloud: false, plotlyServerURL: ""' in page


def test_the_head_says_what_ran_and_how_it_ended(page: str) -> None:
    for text in ("fashion_mnist · cnn · FedAvg", "dirichlet 0.3", "00079f3c21b7", "updates missing",
                 "Final accuracy", "Best accuracy", "Simulated time"):  # fmt: skip
        assert text in page


def test_the_table_of_rounds_marks_the_best() -> None:
    rounds = pl.DataFrame({"round": [1, 2, 3], "global_score": [0.5, 0.875, 0.75],
                           "cohort_size": [2] * 3, "participants": [2, 1, 2]})  # fmt: skip
    page = render_report([RunTables("run", pl.DataFrame(), rounds)])

    assert re.findall(r'<tr class="best"><td>(\d+)</td><td>([^<]+)</td><td>([^<]+)</td>', page) == [
        ("2", "1 of 2", "87.5 %")
    ]
    assert '<dd class="value">75.0 %</dd>' in page


def test_missing_values_never_become_nan(page_data) -> None:
    nan = float("nan")
    clients = pl.DataFrame({"round": [1, 1], "client_id": ["a", "b"], "local_score": [nan, nan],
                            "local_loss": [nan, float("inf")], "train_seconds": [None, 0.5],
                            "divergence": [nan, 1.0]})  # fmt: skip
    data = page_data(render_report([RunTables("run", clients, pl.DataFrame())]))

    assert {card["name"] for card in data["cards"]} == {"divergence", "time", "participation"}


def test_names_cannot_become_markup(page_data) -> None:
    evil = "</script><script>alert(1)</script>"
    run = make_run(evil, clients=3, rounds=2, client_ids=[evil, "<b>b</b>", "c"], dataset=evil)
    other = make_run(evil, clients=3, rounds=2, client_ids=["&amp;", "\u2028", "c"])

    for html in (render_report([run]), render_report([run, other])):
        assert "<script>alert" not in html
        assert html.count("</script>") == 3
        names = [name for card in page_data(html)["cards"] for name in card["data"][0].get("x", [])]
        assert not any("<" in str(name) for name in names)


def test_several_runs_have_a_table_with_a_box_for_each() -> None:
    page = render_report([make_run("same"), make_run("same", algorithm="FedProx")])

    assert re.findall(r'data-run="(\d)" aria-label="show ([^"]+)"', page) == [
        ("0", "same"),
        ("1", "same (2)"),
    ]
    assert "FedProx" in page


def test_a_large_run_makes_a_light_page(page_data) -> None:
    page = render_report([make_run(clients=1000, rounds=50, dropout=0.05)])

    assert len(without_plotly(page)) < 300_000
    assert len(page) < 2_500_000
    drawn = [t for card in page_data(page)["cards"] for t in card["data"] if t["type"] != "heatmap"]
    assert sum(len(trace["x"]) for trace in drawn) < 3000


def test_very_many_rounds_are_thinned_but_keep_the_last(page_data) -> None:
    rounds = pl.DataFrame({"round": range(1, 5002), "global_loss": [1.0] * 5001})
    page = render_report([RunTables("run", pl.DataFrame(), rounds)])
    line = page_data(page)["cards"][0]["data"][-1]

    assert len(line["x"]) <= 1001
    assert line["x"][-1] == 5001
    assert "every 11th round is shown" in page


def test_the_same_tables_give_the_same_page() -> None:
    assert render_report([make_run()]) == render_report([make_run()])


@pytest.mark.parametrize("count", [0, 33])
def test_a_page_has_room_for_some_runs_only(count: int) -> None:
    with pytest.raises(InputError, match=f"1 to 32 runs, not {count}"):
        render_report([make_run(clients=1, rounds=1)] * count)


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    write_report([make_run(clients=1, rounds=1)], path)
    assert path.read_text(encoding="utf-8").endswith("</html>\n")

    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        write_report([make_run(clients=1, rounds=1)], tmp_path / "file" / "report.html")
