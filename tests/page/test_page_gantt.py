"""The Gantt chart: what it holds is what it was given, and what it shows is what it holds."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedloom.page import gantt_shape
from fedloom.page.chromium import Chromium
from fedloom.page.gantt import Chart, Field, Gantt, Row, gantt_part
from fedloom.page.gantt_density import density
from fedloom.page.gantt_pack import pack
from fedloom.page.html import compose_page
from fedloom.page.palette import PALETTES
from fedloom.page.part import Part
from fedloom.page.picture import PROGRAMS, await_plots, find_chromium

needs_chromium = pytest.mark.skipif(
    not any(map(shutil.which, PROGRAMS)), reason="no Chromium on this machine's PATH"
)


def whole(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def make_chart(*bars: tuple[int, int, int, int, int, int], name: str = "fifo") -> Chart:
    """Return a chart of bars (item, row, ready, start, switch, end)."""
    columns = np.array(bars, np.int64).reshape(-1, 6).T
    return Chart(name, "a note", *columns)


def make_gantt(*charts: Chart, rows: int = 2, **rest: Any) -> Gantt:
    items = max((int(chart.item.max(initial=-1)) + 1 for chart in charts), default=0)
    fields = [
        Field("Request", [f"req_{i:04d}" for i in range(items)], np.arange(items)),
        Field("Model", ["a", "b", "c"], np.arange(items) % 3),
    ]
    settings = {"color_by": ["Model"], "search": "Request", "charts_label": "Policies"} | rest
    return Gantt("Schedule", [Row(str(i), "s0") for i in range(rows)], fields, charts, **settings)


def unpack(packed: str) -> tuple[dict[str, Any], Callable[[list[Any]], np.ndarray]]:
    content = gzip.decompress(b64decode(packed))
    size = int.from_bytes(content[:4], "little")
    assert (size + 4) % 8 == 0  # or typed arrays could not begin there
    head = json.loads(content[4 : 4 + size])

    def column(place: list[Any]) -> np.ndarray:
        kind, offset, length = place
        return np.frombuffer(content, f"<{kind}", length, 4 + size + offset)

    return head, column


TWO_ROWS = make_chart(
    (2, 1, 0, 0, 0, 70_000),
    (1, 0, 200, 300, 100, 600),
    (0, 0, 0, 10, 0, 250),
    (2, 0, 0, 600, 0, 5_000_000_600),
)


def test_columns_hold_the_bars_row_by_row_as_narrow_as_they_can_be() -> None:
    head, column = unpack(pack(make_gantt(TWO_ROWS)))
    chart = head["charts"][0]

    assert head["end"] == 5_000_000_600
    assert head["groups"] == [["s0", 2]]
    assert column(chart["first"]).tolist() == [0, 3, 4]
    assert column(chart["item"]).tolist() == [0, 1, 2, 2]
    assert column(chart["step"]).tolist() == [10, 290, 300, 0]
    assert column(chart["wait"]).tolist() == [10, 100, 600, 0]
    assert column(chart["switch"]).tolist() == [0, 100, 0, 0]
    assert column(chart["run"]).tolist() == [240, 200, 5_000_000_000, 70_000]
    assert [chart[name][0] for name in ("item", "step", "run")] == ["u1", "u2", "f8"]
    assert all(chart[name][1] % 8 == 0 for name in ("item", "step", "run", "wait"))


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_whatever_goes_in_comes_out(data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 4))
    bars = []
    for item in range(data.draw(st.integers(0, 12))):
        start = data.draw(st.integers(0, 2**40))
        switch, run = data.draw(st.tuples(st.integers(0, 2**20), st.integers(0, 2**33)))
        ready = data.draw(st.integers(0, start))
        row = data.draw(st.integers(0, rows - 1))
        bars.append((item, row, ready, start, switch, start + switch + run))
    head, column = unpack(pack(make_gantt(make_chart(*bars), rows=rows)))

    chart = head["charts"][0]
    first, columns = column(chart["first"]), {}
    for name in ("item", "step", "wait", "switch", "run"):
        columns[name] = column(chart[name]).astype(np.int64)
    found = []
    for row in range(rows):
        own = slice(first[row], first[row + 1])
        starts = np.cumsum(columns["step"][own])
        for i, start in enumerate(starts.tolist(), first[row]):
            item, wait, switch, run = (
                int(columns[name][i]) for name in ("item", "wait", "switch", "run")
            )
            found.append((item, row, start - wait, start, switch, start + switch + run))
    assert sorted(found) == sorted(bars)


def test_the_values_with_most_time_have_colours_and_the_rest_share_one() -> None:
    bars = [(i, 0, 0, 100 * i, 0, 100 * i + 10 + i) for i in range(10)]
    names = [f"m{i}" for i in range(12)]
    gantt = make_gantt(make_chart(*bars))
    fields = [Field("Model", names, np.arange(10))]
    head, _ = unpack(pack(Gantt("t", gantt.rows, fields, gantt.charts, ["Model"])))

    assert head["fields"][0]["legend"] == ["m9", "m8", "m7", "m6", "m5", "m4", "m3", "3 others"]
    assert head["fields"][0]["slots"] == [7, 7, 7, 6, 5, 4, 3, 2, 1, 0, 7, 7]


def test_eight_values_have_a_colour_each() -> None:
    bars = [(i, 0, 0, 100 * i, 0, 100 * i + 10 + i) for i in range(8)]
    names = [f"m{i}" for i in range(9)]
    fields = [Field("Model", names, np.arange(8))]
    head, _ = unpack(pack(Gantt("t", [Row("0", "")], fields, [make_chart(*bars)], ["Model"])))

    assert head["fields"][0]["legend"] == [f"m{i}" for i in range(7, -1, -1)]


def test_a_chart_of_too_many_bars_shows_densities_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gantt_shape, "MOST_BARS", 3)
    gantt = make_gantt(TWO_ROWS, make_chart((0, 0, 0, 0, 0, 10), name="one"))
    head, column = unpack(pack(gantt))
    dense, single = head["charts"]

    assert "item" not in dense
    assert "item" in single
    assert dense["end"] == 5_000_000_600
    assert len(column(dense["run"])) == 2 * dense["bins"]
    assert "Above 3 bars a chart shows how busy each row was" in gantt_part(gantt).html
    assert "Above" not in gantt_part(make_gantt(single_bar())).html


def single_bar() -> Chart:
    return make_chart((0, 0, 0, 0, 0, 10))


def test_names_of_items_are_left_out_where_nothing_can_show_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gantt_shape, "MOST_BARS", 3)
    gantt = make_gantt(TWO_ROWS)
    head, _ = unpack(pack(gantt))

    assert head["fields"][0]["names"] == []
    assert gantt_part(gantt).html.count("<label hidden>") == 2  # no colour, no search


def test_many_charts_have_fewer_bars_each() -> None:
    assert make_gantt(*[single_bar()] * 5).limit == 200_000
    assert make_gantt(*[single_bar()] * 11).limit == 90_909


def test_a_density_is_the_share_of_each_bin() -> None:
    chart = make_chart(
        (0, 0, 0, 0, 500, 2_000), (1, 0, 0, 2_000, 0, 2_250), (2, 2, 0, 3_000, 0, 4_000)
    )
    bins, run, switch = density(chart, 3)
    edge = 4_000 / bins  # 2 µs

    assert (bins, edge) == (2_000, 2.0)
    assert run.reshape(3, bins)[0, [0, 249, 250, 1124, 1125, 1999]].tolist() == [
        0,
        0,
        255,
        255,
        0,
        0,
    ]
    assert switch.reshape(3, bins)[0, [0, 249, 250]].tolist() == [255, 255, 0]
    assert not run.reshape(3, bins)[1].any()
    assert run.reshape(3, bins)[2, [1499, 1500, 1999]].tolist() == [0, 255, 255]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), min_size=1))
@settings(max_examples=30, deadline=None)
def test_densities_agree_with_counting_every_microsecond(parts: list[tuple[int, int, int]]) -> None:
    bars, moment = [], 0
    busy = []
    for item, (gap, switch, run) in enumerate(parts):
        start = moment + gap
        moment = start + switch + run
        bars.append((item, 0, 0, start, switch, moment))
        busy += [0] * gap + [2] * switch + [1] * run
    if moment == 0:
        return
    bins, run, switch = density(make_chart(*bars), 1)

    states = np.repeat(busy, bins).reshape(bins, moment)  # each bin is `moment` slices of time
    assert np.abs(run - 255 * (states == 1).mean(axis=1)).max() <= 1
    assert np.abs(switch - 255 * (states == 2).mean(axis=1)).max() <= 1


@pytest.mark.parametrize(
    ("chart", "wrong"),
    [
        (make_chart((0, 2, 0, 0, 0, 10)), "on a row that is not there"),
        (make_chart((0, -1, 0, 0, 0, 10)), "on a row that is not there"),
        (Chart("x", "", whole(0), whole(0, 1), whole(0), whole(0), whole(0), whole(1)), "differ"),
    ],
)
def test_what_does_not_fit_together_is_refused(chart: Chart, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        pack(make_gantt(chart))


def test_a_bar_of_an_unknown_item_is_refused() -> None:
    fields = [Field("Model", ["a"], np.zeros(1, np.int64))]
    with pytest.raises(ValueError, match="an item that is not there"):
        pack(Gantt("t", [Row("0", "s")], fields, [make_chart((1, 0, 0, 0, 0, 10))]))


def page_of(gantt: Gantt, title: str = "demo") -> str:
    return compose_page(title, "", "", [], "", [gantt_part(gantt)])


def test_names_cannot_become_markup() -> None:
    evil = '"></script><script>alert(1)</script>'
    chart = make_chart((0, 0, 0, 0, 0, 10), name=evil)
    page = page_of(
        Gantt(evil, [Row(evil, evil)], [Field(evil, [evil], whole(0))], [chart], [evil], evil)
    )

    assert "<script>alert" not in page
    assert '"></script><script>' not in page


def test_the_same_chart_gives_the_same_page_and_loads_nothing() -> None:
    page = page_of(make_gantt(TWO_ROWS))

    assert page == page_of(make_gantt(TWO_ROWS))
    own = re.sub(r'(-gz">)[^<]*', r"\1", page)
    assert "http" not in own
    assert "url(" not in own


def test_a_part_brings_its_style_and_its_script() -> None:
    part = Part("<p>mine</p>", "p { color: red }", "let mine;")
    page = compose_page("t", "", "", [], "<p>foot</p>", [part])

    assert "<p>foot</p><p>mine</p></div>" in page
    assert "p { color: red }</style>" in page
    assert page.index("let mine;") < page.index("pageParts ?? []")


def test_few_rows_are_shown_together_and_many_one_chart_at_a_time() -> None:
    charts = [make_chart((0, 0, 0, 0, 0, 10), name=name) for name in "ab"]
    few, many = (gantt_part(make_gantt(*charts, rows=rows)).html for rows in (32, 33))

    assert few.count(" checked") == 2
    assert many.count(" checked") == 1


# ----- in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium(find_chromium(), monotonic() + 120) as browser:
        yield browser


@pytest.fixture
def show(browser: Chromium, tmp_path: Path) -> Callable[..., Chromium]:
    def show(gantt: Gantt, width: int = 1000, scheme: str = "light") -> Chromium:
        path = tmp_path / "page.html"
        path.write_text(page_of(gantt), encoding="utf-8")
        browser.errors.clear()
        browser.open("about:blank")
        browser.resize(width, 900, 1)
        browser.prefer(scheme)
        browser.open(path.as_uri())
        await_plots(browser)
        return browser

    return show


STATE = "document.getElementById('gantt').gantt"


def pixel(browser: Chromium, share: float, row: int) -> str:
    """Return the colour that the chart shows at a share of the time, in a row of 22 px."""
    return browser.evaluate(f"""(() => {{
      const plot = document.querySelector('.gantt-plot'), gutter = 132;
      const x = Math.round(gutter + (plot.clientWidth - gutter) * {share});
      const data = plot.getContext('2d').getImageData(x, 24 + 22 + {row} * 22 + 10, 1, 1).data;
      return '#' + [...data.slice(0, 3)].map((v) => v.toString(16).padStart(2, '0')).join('');
    }})()""")


SECOND = 1_000_000
FOUR = make_chart(
    (0, 0, 0, 0, 0, 40 * SECOND),  # model a
    (1, 0, 0, 40 * SECOND, 20 * SECOND, 80 * SECOND),  # b, with a switch
    (2, 1, 0, 30 * SECOND, 0, 50 * SECOND),  # c
    (3, 1, 10 * SECOND, 60 * SECOND, 0, 100 * SECOND),  # a
)


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_bars_stand_where_and_as_long_as_they_are(
    show: Callable[..., Chromium], scheme: str
) -> None:
    seen = show(make_gantt(FOUR), scheme=scheme)
    colors = PALETTES[scheme]["colors"]

    assert pixel(seen, 0.27, 0) == colors["c1"]
    assert pixel(seen, 0.73, 0) == colors["c2"]
    assert pixel(seen, 0.93, 0) == colors["bg"]  # idle
    assert pixel(seen, 0.37, 1) == colors["c3"]
    assert pixel(seen, 0.13, 1) == colors["bg"]
    assert pixel(seen, 0.87, 1) == colors["c1"]
    assert pixel(seen, 0.47, 0) not in (colors["c2"], colors["bg"])  # the switch is hatched
    assert seen.errors == []


@needs_chromium
def test_keys_buttons_and_the_wheel_move_the_view(show: Callable[..., Chromium]) -> None:
    seen = show(make_gantt(FOUR))
    span = f"[{STATE}.view.from, {STATE}.view.to]"
    press = (
        "document.querySelector('.gantt-plot')"
        ".dispatchEvent(new KeyboardEvent('keydown', {{ key: '{}' }}))"
    )
    seen.evaluate(press.format("+"))
    assert seen.evaluate(span) == [20 * SECOND, 80 * SECOND]
    seen.evaluate(press.format("ArrowRight"))
    assert seen.evaluate(span) == [29 * SECOND, 89 * SECOND]
    seen.evaluate(press.format("-"))
    assert seen.evaluate(span) == [0, 100 * SECOND]
    seen.evaluate("document.querySelector('[name=in]').click()")
    assert seen.evaluate(span) == [20 * SECOND, 80 * SECOND]
    seen.evaluate("document.querySelector('[name=reset]').click()")
    assert seen.evaluate(span) == [0, 100 * SECOND]
    wheel = (
        "document.querySelector('.gantt-plot').dispatchEvent(new WheelEvent('wheel', "
        "{{ deltaY: -100, ctrlKey: {}, clientX: 500, cancelable: true }}))"
    )
    assert seen.evaluate(wheel.format("false")) is True  # without focus, the page scrolls
    assert seen.evaluate(span) == [0, 100 * SECOND]
    assert seen.evaluate(wheel.format("true")) is False
    low, high = seen.evaluate(span)
    assert 0 < low < high < 100 * SECOND
    assert seen.errors == []


def mouse(browser: Chromium, kind: str, x: float, y: float, **rest: Any) -> None:
    browser.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **rest)


@needs_chromium
def test_a_drag_moves_the_view_and_a_bar_tells_what_it_is(show: Callable[..., Chromium]) -> None:
    seen = show(make_gantt(FOUR, row_label="GPU"))
    left, top, width = seen.evaluate(
        "(() => { const b = document.querySelector('.gantt-plot').getBoundingClientRect();"
        " return [b.left, b.top, b.width]; })()"
    )
    x = left + 132 + (width - 132) * 0.7
    mouse(seen, "mouseMoved", x, top + 24 + 22 + 22 + 10)
    tip = seen.evaluate("document.querySelector('.gantt-tip').innerText").split("\n")
    assert dict(zip(tip[::2], tip[1::2], strict=True)) == {
        "Request": "req_0003",
        "Model": "a",
        "GPU": "s0 / 1",
        "Waited": "50.000 s",
        "Start": "60.00 s",
        "Runs": "40.000 s",
        "End": "100.00 s",
    }
    seen.evaluate("document.querySelector('[name=in]').click()")
    mouse(seen, "mousePressed", x, top + 60, button="left", clickCount=1)
    mouse(seen, "mouseMoved", x - 50, top + 60, button="left", buttons=1)
    mouse(seen, "mouseReleased", x - 50, top + 60, button="left", clickCount=1)
    moved = 50 / (width - 132) * 60 * SECOND
    low, high = seen.evaluate(f"[{STATE}.view.from, {STATE}.view.to]")
    assert low == pytest.approx(20 * SECOND + moved)
    assert high - low == pytest.approx(60 * SECOND)
    assert seen.evaluate("document.activeElement.className") == "gantt-plot"
    assert seen.errors == []


@needs_chromium
def test_a_search_fades_all_others_and_goes_there(show: Callable[..., Chromium]) -> None:
    seen = show(make_gantt(FOUR))
    seen.evaluate("""(() => {
      const box = document.querySelector('[name=find]');
      box.value = 'REQ_0002';
      box.dispatchEvent(new Event('input'));
    })()""")
    colors = PALETTES["light"]["colors"]
    assert pixel(seen, 0.37, 1) == colors["c3"]
    assert pixel(seen, 0.27, 0) not in (colors["c1"], colors["bg"])
    status = "document.querySelector('#gantt [role=status]').textContent"
    assert seen.evaluate(status).startswith("1 matches")
    seen.evaluate(
        "document.querySelector('[name=find]')"
        ".dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter' }))"
    )
    assert seen.evaluate(f"[{STATE}.view.from, {STATE}.view.to]") == [28 * SECOND, 52 * SECOND]
    press = (
        "document.querySelector('.gantt-plot')"
        ".dispatchEvent(new KeyboardEvent('keydown', { key: 'n' }))"
    )
    seen.evaluate(press)
    assert "Request req_0002, Model c" in seen.evaluate(status)
    assert seen.errors == []


@needs_chromium
def test_charts_are_switched_and_colours_chosen(show: Callable[..., Chromium]) -> None:
    other = make_chart((0, 1, 0, 0, 0, 100 * SECOND), name="sjf")
    seen = show(make_gantt(FOUR, other, color_by=["Model", "Request"]))
    colors = PALETTES["light"]["colors"]
    seen.evaluate("document.querySelector('[name=chart][value=\"0\"]').click()")
    assert pixel(seen, 0.73, 0) == colors["bg"]
    assert pixel(seen, 0.73, 1) == colors["c1"]
    seen.evaluate("document.querySelector('[name=chart][value=\"1\"]').click()")
    seen.evaluate("document.querySelector('[name=chart][value=\"0\"]').click()")
    seen.evaluate("""(() => {
      const box = document.querySelector('[name=color]');
      box.value = 'Request';
      box.dispatchEvent(new Event('change'));
    })()""")
    legend = "[...document.querySelectorAll('.gantt-keys li')].map((entry) => entry.textContent)"
    assert seen.evaluate(legend) == ["req_0000", "req_0001", "req_0003", "req_0002", "Switching"]
    assert pixel(seen, 0.37, 1) == colors["c4"]
    assert seen.errors == []


def random_chart(bars: int, rows: int, seed: int = 0) -> Chart:
    rng = np.random.default_rng(seed)
    row = np.sort(rng.integers(0, rows, bars))
    length = rng.integers(1, SECOND, bars)
    end = np.cumsum(length)
    first = np.searchsorted(row, np.arange(rows))
    base = np.concatenate(([0], end))[first][row]
    start = end - length - base
    return Chart("random", "", np.arange(bars), row, start, start, length // 9, end - base)


@needs_chromium
@pytest.mark.parametrize(
    ("bars", "rows", "limit", "width"),
    [(0, 1, 200_000, 1000), (1, 1, 200_000, 360), (20_000, 1000, 200_000, 1000),
     (20_000, 4, 5_000, 1000)],
)  # fmt: skip
def test_any_size_is_drawn_without_an_error(
    show: Callable[..., Chromium],
    monkeypatch: pytest.MonkeyPatch,
    bars: int,
    rows: int,
    limit: int,
    width: int,
) -> None:
    monkeypatch.setattr(gantt_shape, "MOST_BARS", limit)
    seen = show(make_gantt(random_chart(bars, rows), rows=rows), width)

    assert seen.evaluate("document.documentElement.scrollWidth") == width
    assert seen.evaluate("document.querySelector('.gantt-plot').clientHeight") <= 640
    seen.evaluate(f"{STATE}.move({STATE}.data.end * 0.4, {STATE}.data.end * 0.401, 1e9)")
    seen.evaluate("new Promise(requestAnimationFrame)")
    assert seen.errors == []
