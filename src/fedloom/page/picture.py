"""Pictures of pages: a headless Chromium, driven over a pipe, photographs the whole page."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from time import monotonic, sleep

from fedloom.errors import FedloomError, InputError
from fedloom.files import open_replacing
from fedloom.page.chromium import Chromium, ChromiumError

__all__ = [
    "PROGRAMS",
    "MissingProgramError",
    "PictureError",
    "await_plots",
    "find_chromium",
    "save_png",
]

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
"""What a Chromium may be called on PATH, in the order of the search."""

VARIABLE = "FEDLOOM_CHROMIUM"
"""Environment variable that names the program instead."""

_STATE = """({
  ready: document.documentElement?.dataset.ready === "true",
  error: document.documentElement?.dataset.error ?? "",
  strange: document.readyState === "complete" && !document.getElementById("page-data"),
})"""


class MissingProgramError(InputError):
    """A program that a feature needs is not installed."""


class PictureError(FedloomError):
    """Chromium is there, but gave no picture: it failed, or took too long."""


def save_png(
    html_path: Path,
    png_path: Path,
    *,
    width: int = 1400,
    dark: bool = False,
    scale: float = 1.0,
    timeout_s: float = 60,
) -> None:
    """Photograph a whole page of Fedloom into a PNG file.

    Args:
        html_path: the page, as written by `write_report`.
        png_path: the picture; written in one step.
        width: of the page, in CSS pixels; its height is what it needs.
        dark: whether the page is shown dark.
        scale: pixels of the picture per CSS pixel; 2 is sharp on a dense screen.
        timeout_s: seconds after which Chromium and all its processes are killed.

    Raises:
        MissingProgramError: no Chromium or Chrome is found.
        PictureError: the page shows an error, or there was no picture in time.
        OutputError: the picture cannot be written.
    """
    program = find_chromium()
    try:
        with Chromium(program, monotonic() + timeout_s) as browser:
            browser.resize(width, 900, scale)
            browser.prefer("dark" if dark else "light")
            browser.open(html_path.resolve().as_uri())
            await_plots(browser)
            picture = browser.photograph(width)
    except (ChromiumError, OSError) as error:
        raise PictureError(f"no picture of {html_path} from {program}: {error}") from error
    with open_replacing(png_path) as file:
        file.write(picture)


def find_chromium() -> str:
    """Return the path of a Chromium or Chrome.

    Raises:
        MissingProgramError: there is none on PATH, or FEDLOOM_CHROMIUM names none.
    """
    if named := os.environ.get(VARIABLE):
        if found := shutil.which(named):
            return found
        raise MissingProgramError(f"{VARIABLE}={named!r} is not a program; name a Chromium there")
    for name in PROGRAMS:
        if found := shutil.which(name):
            return found
    raise MissingProgramError(
        f"a PNG needs Chromium or Chrome; none of {', '.join(PROGRAMS)} is on PATH: install one "
        f"(Debian: apt install chromium) or name it in {VARIABLE}"
    )


def await_plots(browser: Chromium) -> None:
    """Wait until a page of Fedloom has drawn its plots.

    Raises:
        ChromiumError: the page reports an error, or the browser's deadline passes.
    """
    while not (state := browser.evaluate(_STATE))["ready"]:
        if state["error"] or state["strange"]:
            raise ChromiumError(state["error"] or "it is not a page of Fedloom")
        sleep(0.05)
