"""The page of a workload: right numbers, small, whatever the workload is."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from math import exp
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedloom.errors import OutputError
from fedloom.page.chromium import Chromium
from fedloom.page.picture import PROGRAMS, await_plots, find_chromium
from fedloom.workload.statistics.page import render_stats_page, write_stats_page
from fedloom.workload.statistics.view import Histogram, StatsView

needs_chromium = pytest.mark.skipif(
    not any(map(shutil.which, PROGRAMS)), reason="no Chromium on this machine's PATH"
)

SMALL = StatsView(
    name="small.json",
    requests=5,
    duration_s=4.0,
    rate_per_s=1.0,
    bin_s=1.0,
    arrivals={"chat": [1, 1, 0, 0, 1], "draw": [0, 1, 1, 0, 0]},
    gaps=Histogram([0.5, 1.0, 2.0], [1, 3]),
    gap_mean_s=1.0,
    gap_cv=0.5,
    mix={"chat": 3, "draw": 2, "never": 0},
    tenants={"a": 4, "b": 1},
    gpu_hours_by_model={"llama": 3.0, "sdxl": 1.0, "idle": 0.0},
    gpu_hours_by_type={"llm": 3.0, "image_generation": 1.0},
    model_types={"llama": "llm", "sdxl": "image_generation", "idle": "llm"},
    tokens={"input": Histogram([1, 10, 100], [1, 3]), "output": Histogram([10, 100], [4])},
    total_s={"chat": Histogram([1, 2, 3], [1, 2]), "draw": Histogram([4, 8], [2])},
)


def cards_of(view: StatsView) -> Mapping[str, Any]:
    page = render_stats_page(view)
    found = re.search(r'<script type="application/json" id="page-data">(.*?)</script>', page)
    assert found
    data = json.loads(found[1], parse_constant=lambda name: pytest.fail(f"{name} in the data"))
    return {card["name"]: card for card in data["cards"]}


def tiles_of(view: StatsView) -> dict[str, str]:
    page = render_stats_page(view)
    return dict(re.findall(r'<dt>([^<]+)</dt><dd class="value">([^<]+)</dd>', page))


def test_a_quantile_lies_evenly_within_its_bin() -> None:
    histogram = Histogram([0, 10, 20, 40], [2, 0, 2])

    assert [histogram.quantile(share) for share in (0, 0.25, 0.5, 0.75, 1)] == [0, 5, 10, 30, 40]
    with pytest.raises(ValueError, match="without values"):
        Histogram([0, 1], [0]).quantile(0.5)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6).filter(any), st.floats(0, 1))
def test_a_quantile_has_its_share_below_it(counts: list[int], share: float) -> None:
    histogram = Histogram(list(range(len(counts) + 1)), counts)
    value = histogram.quantile(share)
    whole = int(value)
    below = sum(counts[:whole]) + (counts[whole] * (value - whole) if whole < len(counts) else 0)

    assert below == pytest.approx(share * sum(counts), abs=1e-9)


def test_arrivals_are_stacked_by_workflow_most_first() -> None:
    card = cards_of(SMALL)["arrivals"]

    assert [(t["name"], t["y"]) for t in card["data"]] == [
        ("chat", [1, 1, 0, 0, 1]),
        ("draw", [0, 1, 1, 0, 0]),
    ]
    assert card["data"][0]["x"] == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert card["layout"]["xaxis"]["title"]["text"] == "Time since the first arrival (s)"


def test_beyond_eight_workflows_the_rarest_are_put_together() -> None:
    arrivals = {f"w{i}": [20 - i, i] for i in range(10)}
    data = cards_of(replace(SMALL, arrivals=arrivals))["arrivals"]["data"]

    assert [trace["name"] for trace in data] == [f"w{i}" for i in range(7)] + ["3 others"]
    assert data[-1]["y"] == [13 + 12 + 11, 7 + 8 + 9]
    assert sum(sum(trace["y"]) for trace in data) == 200


def test_the_exponential_law_has_the_same_mean_and_number() -> None:
    gaps, law = cards_of(SMALL)["gaps"]["data"]

    assert gaps["x"] == [0.5, 0.5, 1.0, 2.0]
    assert gaps["y"] == [0, 1, 3, 0]
    assert law["x"] == pytest.approx([0.5**0.5, 2**0.5], rel=1e-4)
    expected = [4 * (exp(-0.5) - exp(-1)), 4 * (exp(-1) - exp(-2))]
    assert law["y"] == pytest.approx(expected, rel=1e-4)
    assert "Coefficient of variation 0.500" in render_stats_page(SMALL)


def test_bars_say_counts_shares_and_hours() -> None:
    cards = cards_of(SMALL)

    assert cards["mix"]["data"][0]["text"] == [" 3 (60.0 %) ", " 2 (40.0 %) ", " 0 (0.0 %) "]
    assert cards["tenants"]["layout"]["yaxis"]["ticktext"] == ["a", "b"]
    hours = cards["hours"]["data"][0]
    assert hours["customdata"] == ["llama", "sdxl"]
    assert hours["x"] == [3.0, 1.0]
    assert hours["marker"]["color"] == ["@c1", "@c2"]
    page = render_stats_page(SMALL)
    assert "4.00 h in all" in page
    assert "llm 3.00 h" in page


def test_forty_models_are_too_many_to_name() -> None:
    hours = {f"m{i}": 100.0 - i for i in range(40)}
    view = replace(SMALL, gpu_hours_by_model=hours, model_types=dict.fromkeys(hours, "llm"))
    card = cards_of(view)["hours"]

    assert len(card["data"][0]["x"]) == 25
    assert card["data"][0]["customdata"][-1] == "16 other models"
    assert sum(card["data"][0]["x"]) == pytest.approx(sum(hours.values()))


def test_boxes_show_quantiles_of_each_workflow() -> None:
    view = replace(SMALL, critical_s={"chat": Histogram([0, 1], [3])})
    critical, total = cards_of(view)["times"]["data"]

    assert (critical["name"], critical["median"]) == ("Critical path", [0.5])
    assert total["median"] == [2.25, 6]
    assert (total["q1"][1], total["q3"][1]) == (5, 7)
    assert total["y"] == [0.18, 1.18]


def test_tiles_are_the_figures_that_come_first() -> None:
    assert tiles_of(SMALL) == {
        "Requests": "5",
        "Duration": "4.0 s",
        "Rate": "1.00",
        "Gap variation": "0.500",
        "GPU-hours": "4.00",
        "Tenants": "2",
    }
    slow = render_stats_page(replace(SMALL, rate_per_s=0.01))
    assert '36.0</dd><dd class="more">arrivals per hour' in slow
    rare = render_stats_page(replace(SMALL, rate_per_s=1e-5))
    assert '0.0360</dd><dd class="more">arrivals per hour' in rare


@pytest.mark.parametrize("requests", [0, 1])
def test_hardly_any_requests_leave_cards_out(requests: int) -> None:
    view = StatsView("one", requests, arrivals={"w": [1] * requests}, mix={"w": requests})

    assert list(cards_of(view)) == ["arrivals", "mix"][: 2 * requests]
    assert tiles_of(view)["Rate"] == "–"
    assert tiles_of(view)["Duration"] == "–"


def test_names_cannot_become_markup_and_are_cut() -> None:
    evil = "<b>x</b></script>" + "y" * 200
    view = replace(
        SMALL,
        name=evil,
        mix={evil: 1},
        arrivals={evil: [1]},
        tenants={evil: 1},
        gpu_hours_by_model={evil: 1.0},
        gpu_hours_by_type={evil: 1.0},
        model_types={evil: evil},
        tokens={evil: Histogram([1, 2], [1])},
        total_s={evil: Histogram([1, 2], [1])},
    )
    page = render_stats_page(view)

    assert "<b>x" not in page
    assert page.count("</script>") == 3
    for card in cards_of(view).values():
        assert all(len(t) < 60 for t in card["layout"]["yaxis"].get("ticktext", []))


def test_a_million_requests_make_a_small_page(tmp_path: Path) -> None:
    names = [f"workflow_{i}" for i in range(40)]
    wide = Histogram([10 ** (i / 10) for i in range(121)], [9999] * 120)
    view = replace(
        SMALL,
        requests=1_000_000,
        arrivals={name: [1000] * 240 for name in names},
        mix=dict.fromkeys(names, 25_000),
        gaps=wide,
        tokens={"input": wide, "output": wide},
        total_s=dict.fromkeys(names, wide),
    )
    page = tmp_path / "page.html"
    write_stats_page(view, page)

    assert page.stat().st_size < 2_400_000  # nearly all of it is Plotly
    assert "15 other workflows" not in page.read_text(encoding="utf-8")
    assert "16 other workflows" in page.read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        write_stats_page(SMALL, tmp_path / "file" / "page.html")


@needs_chromium
@pytest.mark.parametrize("width", [400, 1400])
def test_every_plot_is_drawn_in_a_browser(tmp_path: Path, width: int) -> None:
    views = {
        "small": SMALL,
        "empty": StatsView("one", 1, arrivals={"w": [1]}, mix={"w": 1}),
        "no config": replace(SMALL, gpu_hours_by_model={}, tokens={}, gap_mean_s=None),
    }
    with Chromium(find_chromium(), monotonic() + 60) as browser:
        browser.resize(width, 900, 1)
        for name, view in views.items():
            write_stats_page(view, tmp_path / f"{name}.html")
            browser.open((tmp_path / f"{name}.html").as_uri())
            await_plots(browser)
            drawn = browser.evaluate(
                "[...document.querySelectorAll('.plot')]"
                ".map(p => p.querySelectorAll('.main-svg').length)"
            )
            assert drawn
            assert all(drawn)
            assert browser.evaluate("document.documentElement.scrollWidth") == width
        assert browser.errors == []
