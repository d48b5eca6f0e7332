"""What every page has around it: the head with its links, the theme, and small shared pieces."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from nicegui import ui

from fedloom.errors import FedloomError, NotFoundError
from fedloom.platform.identity import ForbiddenError, Permission
from fedloom.platform.ui.gate import BASE, read_cookie
from fedloom.platform.ui.theme import THEME_COOKIE, assets_version, read_theme
from fedloom.platform.ui.visit import Visit, current_visit

__all__ = [
    "LineList",
    "badge",
    "card",
    "empty",
    "facts",
    "frame",
    "heading",
    "line",
    "link",
    "tile",
]

_NAV = (
    ("Overview", "/", Permission.VIEW),
    ("Tasks", "/tasks", Permission.VIEW),
    ("Models", "/models", Permission.VIEW),
    ("Nodes", "/nodes", Permission.VIEW),
    ("Data", "/datasets", Permission.VIEW),
    ("Logs", "/logs", Permission.VIEW),
    ("Tokens", "/tokens", Permission.GRANT_OWN_TOKEN),
)


@contextmanager
def frame(title: str, here: str) -> Iterator[Visit]:
    """Build a page's frame; what is made inside stands in its middle.

    Args:
        title: of the page.
        here: the address of the entry in the head that it belongs to.
    """
    visit = current_visit()
    ui.page_title(f"{title} · {visit.desk.title}")
    version = assets_version()
    ui.add_head_html(
        f'<link rel="stylesheet" href="{BASE}/assets/page.css?v={version}">'
        f'<script src="{BASE}/assets/page.js?v={version}"></script>'
    )
    with ui.element("a").props('href="#main"').classes("flm-skip"):
        ui.label("Skip to the page's content")
    _head(visit, here)
    with ui.element("main").classes("flm-main").props("id=main"):
        _banner(visit)
        try:
            yield visit
        except FedloomError as error:
            kinds = {NotFoundError: 404, ForbiddenError: 403}
            visit.client.status_code = kinds.get(type(error), 503)
            ui.label(str(error)).classes("flm-reason").props("role=alert")


def _banner(visit: Visit) -> None:
    """Say what keeps the page from being up to date, while it does."""
    banner = ui.label().classes("flm-banner").props("role=alert")
    banner.bind_text_from(visit.desk.broadcaster, "problem")
    banner.bind_visibility_from(visit.desk.broadcaster, "problem", bool)


def _head(visit: Visit, here: str) -> None:
    with ui.element("header").classes("flm-top"):
        link(visit.desk.title, "/").classes("flm-brand")
        with ui.element("nav").classes("flm-nav").props('aria-label="Main"'):
            for text, path, permission in _NAV:
                if visit.may(permission):
                    entry = link(text, path)
                    if path == here:
                        entry.props("aria-current=page")
        ui.label(f"{visit.who.user_id} · {visit.who.role}").classes("flm-user")
        _theme_button(visit)
        with ui.element("form").props(f'method=post action="{BASE}/logout"'):
            ui.button(icon="logout").props('flat round dense type=submit aria-label="Sign out"')


def _theme_button(visit: Visit) -> None:
    """Follow the system until somebody chooses; the choice is kept in a cookie."""
    dark = ui.dark_mode(read_theme(read_cookie(visit.client.request.scope, THEME_COOKIE)))

    def redraw() -> None:
        for element in visit.client.elements.values():
            if isinstance(element, ui.echart):
                element.update()

    def choose(event: Any) -> None:
        dark.value = not event.args
        choice = "dark" if dark.value else "light"
        visit.client.run_javascript(f"flmTheme('{choice}')")
        redraw()

    button = ui.button(icon="contrast").props('flat round dense aria-label="Dark or light"')
    # The browser alone knows what it shows while the system decides.
    button.on("click", choose, js_handler="() => emit(Quasar.Dark.isActive)")
    ui.on("flm_theme", lambda _: redraw())
    ui.add_head_html(
        "<script>matchMedia('(prefers-color-scheme: dark)').addEventListener('change',"
        " () => setTimeout(() => emitEvent('flm_theme'), 100));</script>"
    )


def link(text: str, path: str) -> ui.link:
    """Make a link to another page; NiceGUI adds where it is mounted."""
    return ui.link(text, path)


@contextmanager
def card(title: str = "") -> Iterator[ui.element]:
    """Make a framed part of a page."""
    with ui.element("section").classes("flm-card") as made:
        if title:
            heading(title, 2)
        yield made


def heading(text: str, level: int = 1) -> ui.element:
    """Make a heading."""
    with ui.element(f"h{level}") as made:
        ui.label(text).style("display: inline")
    return made


def badge(status: str) -> ui.label:
    """Make a badge with a coloured dot."""
    return ui.label(status).classes(f"flm-badge is-{status}")


def tile(caption: str) -> ui.label:
    """Make a large number with a caption; the answer is the number's label."""
    with ui.element("div").classes("flm-tile"):
        with ui.element("b"):
            number = ui.label("–")
        ui.label(caption).classes("flm-muted flm-small")
    return number


def facts(pairs: Sequence[tuple[str, str]]) -> None:
    """Make a list of names and values."""
    with ui.element("div").classes("flm-facts"):
        for name, value in pairs:
            ui.label(name)
            ui.label(value)


def line(text: str, note: str = "", path: str = "") -> None:
    """Make a line of a list: text, or a link, with a note at its end."""
    with ui.element("div").classes("flm-line"):
        if path:
            link(text, path)
        else:
            ui.label(text)
        if note:
            ui.label(note)


class LineList:
    """A list that is built anew only where it shows something else than before."""

    def __init__(self) -> None:
        self._place = ui.element("div").classes("flm-list")
        self._shown: Hashable = None

    def show(self, items: Sequence[tuple[str, str, str]], nothing: str) -> None:
        """Show lines: text, note, and the address of its link or an empty text."""
        if (key := (tuple(items), nothing)) == self._shown:
            return
        self._shown = key
        self._place.clear()
        with self._place:
            for text, note, path in items:
                line(text, note, path)
            if not items:
                empty(nothing)


def empty(text: str) -> ui.label:
    """Say that there is nothing yet."""
    return ui.label(text).classes("flm-empty")
