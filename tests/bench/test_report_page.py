"""The page of a study: what stands on it, from one cell to hundreds."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import polars as pl
import pytest

from fedloom.bench.report import render_study, write_study
from fedloom.bench.results.frames import CELLS, CLIENTS, ROUNDS, StudyResults
from fedloom.errors import InputError, OutputError
from fedloom.page.chromium import Chromium
from fedloom.page.picture import PROGRAMS, await_plots, find_chromium

from .synthetic_study import make_study

needs_chromium = pytest.mark.skipif(
    not any(map(shutil.which, PROGRAMS)), reason="no Chromium on this machine's PATH"
)

SIX = ["cpu-evaluate", "cpu-fit", "score-backend", "time-backend", "score-clients", "time-clients"]


def cards(html: str) -> dict[str, dict[str, Any]]:
    found = re.search(r'<script type="application/json" id="page-data">(.*?)</script>', html)
    assert found
    data = json.loads(found[1], parse_constant=lambda name: pytest.fail(f"{name} in the data"))
    return {card["name"]: card for card in data["cards"]}


def curves(card: dict[str, Any]) -> dict[str, list[float]]:
    return {trace["name"]: trace["y"] for trace in card["data"] if "name" in trace}


def tags(html: str) -> str:
    """The page without Plotly and scripts."""
    return re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)


@pytest.fixture(scope="module")
def page() -> str:
    return render_study([make_study(repeats=3, diverging=("FedAdagrad",))])


def test_the_six_charts_come_first_and_have_units(page: str) -> None:
    shown = cards(page)

    assert list(shown)[:6] == SIX
    axes = [shown[name]["layout"]["yaxis"]["title"]["text"] for name in SIX]
    assert axes == [
        "CPU of the client's process (%, one core = 100)",
        "CPU of the client's process (%, one core = 100)",
        "Score on the server's test part",
        "Time of a round (s)",
        "Score on the server's test part",
        "Time of a round (s)",
    ]
    assert all(shown[name]["layout"]["xaxis"]["title"]["text"] == "Round" for name in SIX)
    assert list(curves(shown["time-backend"])) == ["jax", "tensorflow", "torch"]
    assert list(curves(shown["score-clients"])) == ["2 clients", "5 clients", "8 clients"]


def test_the_groups_to_explore_are_there(page: str) -> None:
    explored = {f"{kind}-{by}" for kind in ("cpu", "parts")
                for by in ("backend", "strategy", "backend-clients")}  # fmt: skip

    assert explored | {"score-strategy", "loss-strategy"} <= set(cards(page))


def test_repeats_make_a_band_and_one_run_makes_none(page: str) -> None:
    single = cards(render_study([make_study()]))

    def bands(card: dict[str, Any]) -> int:
        return sum(trace.get("fill") == "toself" for trace in card["data"])

    assert bands(cards(page)["score-backend"]) == 3
    assert bands(single["score-backend"]) == 0
    assert "One run per cell: no intervals" in render_study([make_study()])
    assert "Student's t" in page.replace("&#x27;", "'")


def test_baselines_are_level_lines_and_a_table(page: str) -> None:
    card = cards(page)["score-strategy"]
    names = [note["text"] for note in card["layout"]["annotations"]]

    assert names == ["central training 0.911", "each client alone 0.600", "constant guess 0.272"]
    level = [trace["y"] for trace in card["data"] if "name" not in trace and len(trace["x"]) == 2]
    assert level == [[0.911, 0.911], [0.6, 0.6], [0.272, 0.272]]
    assert "Without federated learning" in page


def test_divergence_is_said_first_and_beside_the_means(page: str) -> None:
    body = tags(page)

    assert body.index("9 of 36 cells diverged") < body.index("Runs finished")
    assert body.count("with 9 diverged cells") == 4  # three cards of scores, one of losses
    assert re.search(r'<td class="text bad"[^>]*title="[^"]*the loss went from', body)


def test_a_cell_that_says_finished_and_diverged_is_not_counted_as_finished() -> None:
    study = make_study(backends=("jax",), clients=(2,), diverging=("FedAdam",))
    silent = study.cells.with_columns(status=pl.lit("finished"), reason=pl.lit(""))

    html = render_study([replace(study, cells=silent)])

    assert "3 of 4" in html
    assert "diverged (finished)" in html


def test_every_cell_is_in_the_table_with_intervals(page: str) -> None:
    rows = re.findall(r'<tr><td class="text name".*?</tr>', page)

    assert len(rows) == 36
    assert all(re.search(r"\d\.\d{3} ± \d\.\d{3}", row) for row in rows)
    assert all("compute" in row for row in rows)


def test_imported_scores_are_shown_as_recorded_too() -> None:
    html = render_study([make_study(imported=True)])
    shown = cards(html)

    assert "jax, as recorded, not corrected" in curves(shown["score-backend"])
    assert shown["cpu-fit"]["layout"]["yaxis"]["title"]["text"] == "CPU of the machine (%)"
    assert "As recorded" in html
    assert "clients, not taken apart" in html


@pytest.mark.parametrize(
    "study",
    [
        make_study(backends=()),
        StudyResults("none", pl.DataFrame(), pl.DataFrame(), pl.DataFrame()),
        StudyResults("typed", CELLS.to_frame(), ROUNDS.to_frame(), CLIENTS.to_frame()),
    ],
)
def test_a_study_without_cells_is_a_page(study: StudyResults) -> None:
    html = render_study([study])

    assert "No cell has any results yet" in html
    assert cards(html) == {}


def test_a_study_that_has_only_begun_is_a_page() -> None:
    whole = make_study(rounds=1, clients=(1,), baselines=False)
    begun = replace(whole, cells=whole.cells.clear(), clients=whole.clients.clear())
    waiting = replace(whole, rounds=whole.rounds.clear(), clients=whole.clients.clear())
    initial = replace(whole, rounds=whole.rounds.filter(pl.col("round") == 0))

    assert "not finished, or still running" in render_study([begun])
    assert "12 cells" in render_study([waiting])
    assert "score-backend" in cards(render_study([initial]))


def test_numbers_that_are_none_leave_gaps() -> None:
    study = make_study(backends=("jax",))
    wild = pl.when(pl.col("round") == 2).then(float("nan")).otherwise("score").alias("score")

    card = cards(render_study([replace(study, rounds=study.rounds.with_columns(wild))]))

    assert 2 not in card["score-backend"]["data"][0]["x"]


def test_names_cannot_break_the_page() -> None:
    evil = "</script><img src=x onerror=alert(1)>"
    study = replace(make_study(strategies=(evil,), name=evil), warnings=[f"{evil} lost"])

    html = render_study([study])

    assert "<img" not in html
    assert html.count("</script>") == render_study([make_study()]).count("</script>")


def test_warnings_are_listed() -> None:
    study = replace(make_study(), warnings=["jax/FedAdagrad/2: one of 2 client logs is missing"])

    assert "one of 2 client logs is missing" in tags(render_study([study]))


def test_the_page_loads_nothing_and_is_the_same_again() -> None:
    html = render_study([make_study(rounds=2)])
    own = re.sub(r'(id="plotly-gz">)[^<]*', r"\1", html)

    assert html == render_study([make_study(rounds=2)])
    assert "http" not in own
    assert "@import" not in own


def test_more_groups_than_can_be_told_apart_are_left_out_and_counted() -> None:
    study = make_study(backends=("jax",), strategies=[f"S{i:02}" for i in range(40)], clients=(2,),
                       rounds=1)  # fmt: skip

    html = render_study([study])

    assert len(curves(cards(html)["score-strategy"])) == 32
    assert "8 more groups are left out" in html
    assert len(re.findall(r'<tr><td class="text name"', html)) == 40  # the table has all


def test_a_page_is_written_in_one_step(tmp_path: Path) -> None:
    write_study([make_study(rounds=1)], tmp_path / "report.html")

    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(InputError):
        write_study([], tmp_path / "other.html")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        write_study([make_study(rounds=1)], tmp_path / "file" / "report.html")


# --- as a browser shows it -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    many = [f"Strategy{i}" for i in range(14)]
    studies = {
        "one": [make_study(backends=("jax",), strategies=("FedAvg",), clients=(2,), rounds=1)],
        "full": [make_study(repeats=3, diverging=("FedAdam",))],
        "large": [make_study(strategies=many, clients=range(2, 12), rounds=100)],
        "empty": [make_study(backends=())],
        "two": [make_study(name="a"), make_study(name="b", imported=True)],
    }
    for name, shown in studies.items():
        write_study(shown, folder / f"{name}.html")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium(find_chromium(), monotonic() + 240) as browser:
        yield browser


@pytest.fixture
def show(browser: Chromium, pages: Path) -> Callable[..., Chromium]:
    def show(name: str, width: int, scheme: str = "light") -> Chromium:
        browser.errors.clear()
        browser.open("about:blank")
        browser.resize(width, 900, 1)
        browser.prefer(scheme)
        browser.open((pages / f"{name}.html").as_uri())
        await_plots(browser)
        return browser

    return show


@needs_chromium
@pytest.mark.parametrize(
    ("name", "width"),
    [("one", 390), ("full", 390), ("large", 390), ("large", 1400), ("empty", 390), ("two", 390)],
)
def test_nothing_overflows_and_every_plot_is_drawn(
    show: Callable[..., Chromium], name: str, width: int
) -> None:
    seen = show(name, width)

    assert seen.errors == []
    assert seen.evaluate("document.documentElement.scrollWidth") <= width
    assert seen.evaluate(
        "[...document.querySelectorAll('.plot')].every(p => p.querySelector('svg.main-svg'))"
    )


@needs_chromium
def test_the_table_is_sorted_and_searched(show: Callable[..., Chromium]) -> None:
    seen = show("full", 1400)
    names = "[...document.querySelectorAll('#cells tbody tr:not([hidden]) td.name')]"
    first = f"{names}.map(cell => cell.textContent)[0]"
    click = "document.querySelectorAll('#cells thead tr:nth-child(2) th button')[{}].click()"

    seen.evaluate(click.format(2))  # the final score, worst first
    assert "FedAdam" in seen.evaluate(first)
    seen.evaluate(click.format(2))
    assert "FedAdam" not in seen.evaluate(first)
    assert seen.evaluate("document.querySelectorAll('#cells th[aria-sort]').length") == 1
    seen.evaluate(
        "(box => { box.value = 'torch fedavg 5'; box.dispatchEvent(new Event('input')); })"
        "(document.querySelector('#cells input'))"
    )
    assert seen.evaluate(f"{names}.length") == 2  # FedAvg and FedAvgM


@needs_chromium
def test_the_dark_page_is_dark(show: Callable[..., Chromium]) -> None:
    seen = show("full", 1400, "dark")

    color = "getComputedStyle(document.querySelector('#cells td.name')).backgroundColor"
    assert seen.evaluate(color) == "rgb(23, 30, 40)"
