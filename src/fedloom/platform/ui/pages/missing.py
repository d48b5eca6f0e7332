"""Addresses that lead nowhere."""

from __future__ import annotations

from nicegui import ui
from starlette.exceptions import HTTPException

from fedloom.platform.ui.frame import card, frame, heading, link

__all__ = ["missing_page"]


def missing_page(rest: str) -> None:
    """Say that there is no such page, and where others are."""
    if rest.startswith("_nicegui"):  # a script or a style, before which nobody has signed in
        raise HTTPException(404, "there is no such file")
    with frame("Not found", "") as visit:
        visit.client.status_code = 404
        heading("There is no such page")
        with card():
            ui.label("The address may be mistyped, or what it showed may be gone.")
            with ui.element("div").classes("flm-row"):
                link("Overview", "/")
                link("Tasks", "/tasks")
                link("Models", "/models")
