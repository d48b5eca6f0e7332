"""Pages as a browser shows them, and the pictures of them."""

from __future__ import annotations

import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil
import pytest

from fedloom.page import MissingProgramError, heatmap_page, save_png, write_report
from fedloom.page.chromium import Chromium, ChromiumError
from fedloom.page.picture import PROGRAMS, PictureError, await_plots, find_chromium

from .synthetic_runs import make_run

needs_chromium = pytest.mark.skipif(
    not any(map(shutil.which, PROGRAMS)), reason="no Chromium on this machine's PATH"
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    write_report([make_run(clients=1, rounds=1)], folder / "one.html")
    write_report([make_run(dropout=0.3, simulated=True)], folder / "run.html")
    write_report([make_run(clients=1000, rounds=50)], folder / "large.html")
    many = [make_run(str(n), clients=10, rounds=4, seed=n % 3) for n in range(9)]
    write_report(many, folder / "runs.html")
    write_report([make_run(n, rounds=4) for n in "abc"], folder / "three.html")
    split = heatmap_page({"<b>a</b>": {"0": 3}, "b": {"0": 1, "1": 2}}, "split")
    (folder / "split.html").write_text(split, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium(find_chromium(), monotonic() + 120) as browser:
        yield browser


@pytest.fixture
def show(browser: Chromium, pages: Path) -> Callable[..., Chromium]:
    def show(name: str, width: int = 1400, scheme: str = "light") -> Chromium:
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
    [("one", 400), ("run", 400), ("large", 1400), ("runs", 1400), ("split", 400)],
)
def test_every_plot_is_drawn_without_an_error(
    show: Callable[..., Chromium], name: str, width: int
) -> None:
    seen = show(name, width)

    drawn = seen.evaluate(
        "[...document.querySelectorAll('.plot')].map(p => p.querySelectorAll('.main-svg').length)"
    )
    assert drawn
    assert all(drawn)
    assert seen.evaluate("document.documentElement.scrollWidth") == width
    assert seen.errors == []


@needs_chromium
def test_nothing_of_a_legend_or_a_title_is_cut_off(show: Callable[..., Chromium]) -> None:
    cut = """[...document.querySelectorAll('.plot')].flatMap(plot => {
        const box = plot.getBoundingClientRect();
        return [...plot.querySelectorAll('.main-svg text')].filter(text => {
            const at = text.getBoundingClientRect();
            return at.width && (at.left < box.left - 1 || at.right > box.right + 1
                || at.bottom > box.bottom + 1 || at.top < box.top - 1);
        }).map(text => plot.id + ': ' + text.textContent);
    })"""
    assert show("run", 400).evaluate(cut) == []
    assert show("runs").evaluate(cut) == []


@needs_chromium
def test_the_theme_follows_the_reader_until_the_button_is_pressed(
    show: Callable[..., Chromium],
) -> None:
    seen = show("run", scheme="dark")
    look = """[getComputedStyle(document.body).backgroundColor,
        document.querySelector('.plot')._fullLayout.font.color]"""

    assert seen.evaluate(look) == ["rgb(14, 19, 26)", "#e8edf4"]
    seen.evaluate("document.getElementById('theme').click()")
    assert seen.evaluate(look) == ["rgb(244, 246, 249)", "#17202c"]
    assert seen.errors == []


@needs_chromium
def test_a_run_can_be_hidden_in_all_plots(show: Callable[..., Chromium]) -> None:
    seen = show("three", 400)
    seen.evaluate("document.querySelector('input[data-run=\"1\"]').click()")
    shown: list[list[Any]] = seen.evaluate(
        "[...document.querySelectorAll('.plot')].flatMap(p => p.data)"
        ".filter(t => t.meta).map(t => [t.meta.run, t.visible !== false])"
    )

    assert {run for run, visible in shown if not visible} == {1}
    assert {run for run, visible in shown if visible} == {0, 2}
    kind = "document.getElementById('plot-time')._fullLayout.xaxis.type"
    assert seen.evaluate(kind) == "linear"  # seconds that Plotly would take for categories


@needs_chromium
def test_no_button_sends_the_data_anywhere(show: Callable[..., Chromium]) -> None:
    titles = "[...document.querySelectorAll('.modebar-btn')].map(b => b.dataset.title)"
    assert set(show("run").evaluate(titles)) == {
        "Download plot as a PNG", "Zoom", "Pan", "Reset axes"
    }  # fmt: skip


def read_png(path: Path) -> tuple[int, int, bytes]:
    """Return width, height and the first pixel of a PNG."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    pixels = zlib.decompressobj().decompress(data[data.index(b"IDAT") + 4 :], 8)
    return width, height, pixels[1:4]


@needs_chromium
def test_a_picture_shows_the_whole_page(pages: Path, tmp_path: Path) -> None:
    save_png(pages / "one.html", tmp_path / "dark.png", width=420, dark=True)
    width, height, first = read_png(tmp_path / "dark.png")

    assert (width, first) == (420, bytes([14, 19, 26]))
    assert height > 1500
    assert [path.name for path in tmp_path.iterdir()] == ["dark.png"]


@needs_chromium
def test_a_page_of_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.html").write_text("<p>hello</p>", encoding="utf-8")

    with pytest.raises(PictureError, match="it is not a page of Fedloom"):
        save_png(tmp_path / "other.html", tmp_path / "other.png")
    assert not (tmp_path / "other.png").exists()


def make_program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_a_browser_that_hangs_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child"
    program = make_program(tmp_path / "chromium", f"sleep 60 & echo $! > {child}; wait")
    monkeypatch.setenv("FEDLOOM_CHROMIUM", str(program))

    with pytest.raises(PictureError, match=r"no answer to Target\.createTarget in time"):
        save_png(tmp_path / "page.html", tmp_path / "page.png", timeout_s=0.7)
    pid = int(child.read_text())
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            break
        sleep(0.02)
    else:
        pytest.fail("the child is still there")


def test_a_browser_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = make_program(tmp_path / "chromium", "echo no display >&2; exit 3")
    monkeypatch.setenv("FEDLOOM_CHROMIUM", str(program))

    with pytest.raises(PictureError, match=r"it ended early: no display$"):
        save_png(tmp_path / "page.html", tmp_path / "page.png")


def test_a_refused_command_is_an_error(tmp_path: Path) -> None:
    answer = r"""printf '{"id":1,"error":{"message":"not allowed"}}\0' >&4; sleep 5"""
    program = make_program(tmp_path / "chromium", answer)

    with (
        pytest.raises(ChromiumError, match=r"Target\.createTarget: not allowed"),
        Chromium(str(program), monotonic() + 5),
    ):
        pytest.fail("it must not start")


def test_without_a_browser_the_error_lists_what_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("FEDLOOM_CHROMIUM", raising=False)
    with pytest.raises(MissingProgramError, match=r"chromium, .*chrome is on PATH: install one"):
        find_chromium()

    monkeypatch.setenv("FEDLOOM_CHROMIUM", "/nowhere/chrome")
    with pytest.raises(MissingProgramError, match="FEDLOOM_CHROMIUM='/nowhere/chrome' is not"):
        find_chromium()
