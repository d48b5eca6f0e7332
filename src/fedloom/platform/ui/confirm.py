"""Asking before something is done that cannot be taken back."""

from __future__ import annotations

from nicegui import ui

__all__ = ["confirm"]


async def confirm(text: str, action: str) -> bool:
    """Ask, and say whether the answer was yes; closing the dialog is no."""
    with ui.dialog() as dialog, ui.card():
        ui.label(text)
        with ui.element("div").classes("flm-row").style("align-self: flex-end"):
            ui.button("Leave it", on_click=lambda: dialog.submit(False)).props("flat autofocus")
            ui.button(action, on_click=lambda: dialog.submit(True)).props("color=negative")
    answer = await dialog
    dialog.delete()
    return answer is True
