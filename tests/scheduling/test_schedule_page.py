"""The page that compares policies: who wins where, what was left over, and every bar in place."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedloom.errors import InputError, OutputError
from fedloom.page.chromium import Chromium
from fedloom.page.picture import PROGRAMS, await_plots, find_chromium
from fedloom.scheduling.metrics.measure import measure
from fedloom.scheduling.page.columns import response_times, waiting_tasks
from fedloom.scheduling.page.comparison import render_comparison, write_comparison
from fedloom.scheduling.page.rows import gantt_of
from fedloom.scheduling.page.standing import FIGURES, figure, winners
from fedloom.scheduling.page.view import PolicyResult, PolicyView, view_results
from fedloom.scheduling.policy import Policy
from fedloom.scheduling.problem import NEVER, Problem, Schedule
from fedloom.scheduling.simulate.engine import simulate

needs_chromium = pytest.mark.skipif(
    not any(map(shutil.which, PROGRAMS)), reason="no Chromium on this machine's PATH"
)

SECOND = 1_000_000


def whole(*seconds: float) -> np.ndarray:
    return np.array([NEVER if s < 0 else round(s * SECOND) for s in seconds], np.int64)


@pytest.fixture
def problem(make_problem: Callable[..., Problem]) -> Problem:
    """Two requests of a model and a gang, one of a node beside the GPUs and the model."""
    return make_problem(
        {"one": (1, 10, None), "gang": (2, 40, None), "free": (0, 0, None)},
        {"pair": (["one", "gang"], [(0, 1)]), "light": (["free", "one"], [(0, 1)])},
        [("pair", 0, [4, 6]), ("pair", 1, [2, 3]), ("light", 2, [1, 5])],
        {"servers": [{"name": "a", "gpus": 2, "gpu_memory_gb": 80},
                     {"name": "b", "gpus": 1, "gpu_memory_gb": 80}], },
        tenants={"x": 1, "y": 1},
        tenant=[0, 1, -1],
    )  # fmt: skip


def make_schedule(policy: str = "fifo", **rest: Any) -> Schedule:
    """Two of the three requests done; of the second, the gang never ran."""
    none = [-1, -1]
    columns: dict[str, Any] = {
        "ready_us": whole(0, 6, 1, 8, 2, 3),
        "start_us": whole(0, 6, 2, -1, 2, 3),
        "switch_us": whole(2, 1, 0, 0, 0, 1),
        "end_us": whole(6, 13, 4, -1, 3, 9),
        "gpus": np.array([[0, -1], [0, 1], [1, -1], none, none, [2, -1]], np.int32),
        "arrival_us": whole(0, 1, 2),
        "stopped": "the policy stopped placing",
    }
    return Schedule(policy, **(columns | rest))


def make_metrics(**rest: Any) -> dict[str, Any]:
    spread = {"mean": 2.0, "p50": 2.0, "p95": 3.0, "p99": 4.0, "max": 5.0}
    by_gpu = [
        {"gpu": f"a/{i}", "index": i, "executing": 0.5, "switching": 0.2, "idle": 0.3}
        for i in range(3)
    ]
    return {
        "completed_requests": 3,
        "unfinished_requests": 0,
        "makespan_s": 13.0,
        "makespan_lower_bound_s": 10.0,
        "response_s": spread,
        "waiting_s": spread,
        "slowdown": spread,
        "deadline_attainment": 0.5,
        "fairness_slowdown": 0.9,
        "utilisation": {"mean": 0.5, "switching": 0.2, "idle": 0.3, "by_gpu": by_gpu},
        "switches": 3,
        "switch_seconds": 4.0,
        "goodput_per_s": 0.2,
        "tenants": {"x": {"slowdown": {"mean": 1.5}}, "": {"slowdown": {"mean": 1.0}}},
        "workflows": {
            "pair": {"waiting_s": {"mean": 70.0}, "slowdown": {"mean": 3.0}},
            "light": {"waiting_s": {"mean": 600.0}, "slowdown": {"mean": None}},
        },
        **rest,
    }


def make_view(index: int = 0, **rest: Any) -> PolicyView:
    return PolicyView(f"p{index}", index, make_schedule(), make_metrics(**rest))


def data_of(page: str) -> Mapping[str, Any]:
    found = re.search(r'<script type="application/json" id="page-data">(.*?)</script>', page)
    assert found
    data = json.loads(found[1], parse_constant=lambda name: pytest.fail(f"{name} in the data"))
    return {card["name"]: card for card in data["cards"]}


def test_response_times_are_those_of_finished_requests(problem: Problem) -> None:
    assert response_times(problem, make_schedule()).tolist() == [7 * SECOND, 13 * SECOND]


def test_tasks_wait_from_ready_to_start_or_to_the_end() -> None:
    edges = np.arange(0, 14) * float(SECOND)
    waiting = waiting_tasks(make_schedule(), edges)

    assert waiting.tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1]


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(-1, 20)), max_size=12),
    st.sampled_from([1, 3, 10]),
)
def test_waiting_agrees_with_counting_every_moment(
    tasks: list[tuple[int, int]], bin_us: int
) -> None:
    ready = np.array([at for at, _ in tasks], np.int64)
    start = np.array([NEVER if wait < 0 else at + wait for at, wait in tasks], np.int64)
    edges = np.arange(0, 61, bin_us, dtype=np.float64)
    found = waiting_tasks(make_schedule(ready_us=ready, start_us=start), edges)

    moments = np.arange(0, edges[-1]) + 0.5
    left = np.where(start < 0, 1000, start)
    counts = ((ready[:, None] < moments) & (moments < left[:, None])).sum(axis=0)
    assert found == pytest.approx(counts.reshape(-1, bin_us).mean(axis=1))


@pytest.mark.parametrize("core", ["python", "compiled"])
def test_the_queue_shows_what_still_waits_when_the_time_is_up(
    make_problem: Callable[..., Problem], core: Any
) -> None:
    """One GPU, five calls of 10 s; of the nodes beside it none waits, though one does not end."""
    problem = make_problem(
        {"one": (1, 10, 0.0), "free": (0, 0, None)},
        {"call": (["one"], []), "light": (["free"], [])},
        [*[("call", 0, [10])] * 5, ("light", 0, [99])],
        1,
    )
    schedule = simulate(problem, Policy(), until_us=20 * SECOND, core=core)
    metrics = measure(problem, schedule).to_dict()
    page = render_comparison([PolicyResult(schedule, metrics)], problem)
    (trace,) = data_of(page)["queue"]["data"]
    # The third and the others: none of them was done, and so none is said to have started.
    assert (trace["y"][0], trace["y"][-1]) == (4, 3)


def test_bars_are_executions_on_each_gpu_they_take(problem: Problem) -> None:
    gantt = gantt_of(view_results([PolicyResult(make_schedule(), make_metrics())]), problem)
    chart = gantt.charts[0]

    assert [(row.name, row.group) for row in gantt.rows] == [("0", "a"), ("1", "a"), ("0", "b")]
    bars = sorted(zip(chart.item.tolist(), chart.row.tolist(), strict=True))
    assert bars == [(0, 0), (1, 0), (1, 1), (2, 1), (5, 2)]
    assert "Not drawn: 1 task without a GPU." in gantt.note
    known = {f.label: [f.names[code] for code in f.codes] for f in gantt.fields}
    assert known == {
        "Request": ["req_0000"] * 2 + ["req_0001"] * 2 + ["req_0002"] * 2,
        "Node": ["n0", "n1"] * 3,
        "Workflow": ["pair"] * 4 + ["light"] * 2,
        "Model": ["one", "gang", "one", "gang", "free", "one"],
        "Type": ["llm"] * 6,
        "Tenant": ["x", "x", "y", "y", "–", "–"],
    }
    assert chart.note == "makespan 13.0 s"


def test_the_best_is_the_least_or_the_most_and_equals_share() -> None:
    views = [make_view(0, makespan_s=12.0), make_view(1), make_view(2, makespan_s=12.0)]

    assert [view.index for view in winners(views, figure("makespan_s"))] == [0, 2]
    assert winners(views, figure("response_s", "p95")) == []  # all alike
    views = [
        make_view(0, fairness_slowdown=0.8),
        make_view(1),
        make_view(2, fairness_slowdown=None),
    ]
    assert [view.index for view in winners(views, figure("fairness_slowdown"))] == [1]
    views = [make_view(0, fairness_slowdown=0.90001), make_view(1)]
    assert winners(views, figure("fairness_slowdown")) == []  # the same on the page


def test_leaving_requests_unfinished_wins_nothing() -> None:
    lazy = make_view(0, unfinished_requests=2, makespan_s=1.0, switch_seconds=0.0)
    busy = make_view(1)
    for path in (("makespan_s",), ("switch_seconds",), ("unfinished_requests",)):
        assert [view.index for view in winners([lazy, busy], figure(*path))] == [1], path
    assert [v.index for v in winners([make_view(0, unfinished_requests=2, goodput_per_s=9.0), busy],
                                     figure("goodput_per_s"))] == [0]  # fmt: skip
    lazier = make_view(1, unfinished_requests=3, switch_seconds=0.1)
    assert winners([lazy, lazier], figure("makespan_s")) == []
    assert [view.index for view in winners([lazy, lazier], figure("switch_seconds"))] == [0]
    assert figure("makespan_ratio").of(lazy) is None


def test_the_table_marks_the_best_of_each_column(problem: Problem) -> None:
    results = [
        PolicyResult(make_schedule("fifo"), make_metrics()),
        PolicyResult(make_schedule("sjf"), make_metrics(makespan_s=12.0, switches=9)),
    ]
    page = render_comparison(results, problem)

    assert re.findall(r'<td class="(?:first )?win" title="the best">([^<]+)<', page) == [
        "3",  # the switches of fifo
        "12.0 s",
        "1.20",
    ]
    assert '<dt>Shortest makespan</dt><dd class="value">sjf</dd>' in page
    assert "12.0 s, 1.20 × the bound" in page
    assert re.findall(r'data-run="(\d)" aria-label="show ([^"]+)"', page) == [
        ("0", "fifo"),
        ("1", "sjf"),
    ]
    assert 'class="card alert"' not in page


def test_unfinished_requests_come_first_with_the_reason(problem: Problem) -> None:
    result = PolicyResult(make_schedule(), make_metrics(unfinished_requests=1))
    page = render_comparison([result], problem)

    alert = page.index("left 1 of 3 requests unfinished: the policy stopped placing")
    assert alert < page.index('<dl class="tiles">')
    assert '<td class="first bad">1</td>' in page


def test_labels_tell_options_apart_and_equal_names_get_numbers(problem: Problem) -> None:
    results = [
        PolicyResult(make_schedule("greedy"), make_metrics(), "greedy:wait=1"),
        PolicyResult(make_schedule("greedy"), make_metrics()),
        PolicyResult(make_schedule("greedy"), make_metrics()),
    ]
    assert [v.name for v in view_results(results)] == ["greedy:wait=1", "greedy", "greedy (2)"]
    assert "greedy:wait=1" in render_comparison(results, problem)


def test_cards_show_what_the_metrics_say(problem: Problem) -> None:
    cards = data_of(render_comparison([PolicyResult(make_schedule(), make_metrics())], problem))

    assert cards["response"]["data"][0]["x"] == [7, 13]
    assert cards["response"]["data"][0]["y"] == [0.33333, 0.66667]  # of three requests
    waiting = cards["waiting"]
    assert waiting["layout"]["yaxis"]["ticktext"] == ["light", "pair"]
    assert waiting["data"][0]["x"] == [10.0, 1.1667]
    assert waiting["layout"]["xaxis"]["title"]["text"].endswith("(min)")
    assert cards["slowdown"]["layout"]["yaxis"]["ticktext"] == ["x", "no tenant"]
    assert [trace["x"] for trace in cards["usage"]["data"]] == [[0.5], [0.2], [0.3]]
    assert [trace["y"] for trace in cards["gpus"]["data"]] == [[0.5] * 3, [0.2] * 3, [0.3] * 3]
    assert cards["switches"]["data"][0]["text"] == [" 3 switches, 4.0 s "]


def test_without_tenants_slowdown_is_by_workflow(problem: Problem) -> None:
    result = PolicyResult(make_schedule(), make_metrics(tenants={}))
    card = data_of(render_comparison([result], problem))["slowdown"]

    assert card["layout"]["yaxis"]["ticktext"] == ["pair"]  # the other has no number


def test_a_page_outlives_metrics_that_it_does_not_know(problem: Problem) -> None:
    nan = float("nan")
    for metrics in ({}, {"makespan_s": nan, "utilisation": 3, "tenants": {}, "switches": "many"}):
        page = render_comparison([PolicyResult(make_schedule(), metrics)] * 2, problem)
        assert set(data_of(page)) == {"response", "queue"}


def test_nothing_that_ran_is_a_page_too(problem: Problem) -> None:
    never = np.full(6, NEVER, np.int64)
    idle = make_schedule(start_us=never, end_us=never, gpus=np.full((6, 2), -1, np.int32))
    metrics = make_metrics(unfinished_requests=3, makespan_s=0.0, completed_requests=0)
    cards = data_of(render_comparison([PolicyResult(idle, metrics)] * 2, problem))

    assert "response" not in cards
    assert "queue" not in cards


def test_names_cannot_become_markup(problem: Problem) -> None:
    evil = "</script><script>alert(1)</script>"
    metrics = make_metrics(
        tenants={evil: {"slowdown": {"mean": 1.5}}},
        workflows={evil: {"waiting_s": {"mean": 1.5}}},
        unfinished_requests=1,
    )
    for results in ([1], [1, 2]):
        shown = [PolicyResult(make_schedule(evil, stopped=evil), metrics) for _ in results]
        page = render_comparison(shown, replace(problem, tenants=(evil, "y")))
        assert "<script>alert" not in page
        assert page.count("</script>") == 4


@pytest.mark.parametrize("count", [0, 33])
def test_a_page_has_room_for_some_policies_only(problem: Problem, count: int) -> None:
    with pytest.raises(InputError, match=f"1 to 32 policies, not {count}"):
        render_comparison([PolicyResult(make_schedule(), make_metrics())] * count, problem)


def test_a_page_that_cannot_be_written_is_an_error_of_one_line(
    problem: Problem, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    results = [PolicyResult(make_schedule(), make_metrics())]
    with pytest.raises(OutputError, match="cannot write"):
        write_comparison(results, problem, tmp_path / "file" / "page.html")


def test_many_gpus_are_put_together(problem: Problem) -> None:
    by_gpu = [{"gpu": f"s/{i}", "executing": i % 2, "switching": 0, "idle": 0} for i in range(1200)]
    usage = {"mean": 0.5, "by_gpu": by_gpu}
    result = PolicyResult(make_schedule(), make_metrics(utilisation=usage))
    alone = data_of(render_comparison([result], problem))["gpus"]["data"][0]
    several = data_of(render_comparison([result] * 2, problem))["gpus"]["data"][0]

    assert len(alone["y"]) == 400
    assert alone["y"][:2] == [0.33333, 0.66667]
    assert alone["customdata"][0] == "s/0 and 2 more"
    assert several["z"][1][:2] == [0.33333, 0.66667]


def test_every_figure_has_a_name_of_its_own() -> None:
    assert len({(f.group, f.label) for f in FIGURES}) == len({f.path for f in FIGURES}) == 16


@needs_chromium
def test_pages_of_one_and_of_eleven_policies_are_drawn(problem: Problem, tmp_path: Path) -> None:
    result = PolicyResult(make_schedule(), make_metrics())
    with Chromium(find_chromium(), monotonic() + 90) as browser:
        for count, width in ((1, 400), (11, 1400), (11, 400)):
            write_comparison([result] * count, problem, tmp_path / "page.html")
            browser.open("about:blank")
            browser.resize(width, 900, 1)
            browser.open((tmp_path / "page.html").as_uri())
            await_plots(browser)
            drawn = browser.evaluate(
                "[...document.querySelectorAll('.plot')]"
                ".map(p => p.querySelectorAll('.main-svg').length)"
            )
            assert drawn
            assert all(drawn)
            assert browser.evaluate("document.documentElement.scrollWidth") == width
        browser.evaluate("document.querySelector('input[data-run=\"1\"]').click()")
        hidden = browser.evaluate(
            "[...document.querySelectorAll('.plot')].flatMap(p => p.data)"
            ".filter(t => t.visible === false).map(t => t.meta.run)"
        )
        assert hidden == [1, 1, 1, 1]  # in the response times, the queue, waiting and slowdown
        assert browser.errors == []
