"""The page's styles: Fedloom's two palettes as variables, and the rules that use them."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files

from fedloom.page.palette import PALETTES

__all__ = ["THEME_COOKIE", "asset_text", "assets_version", "read_theme"]

THEME_COOKIE = "fedloom_theme"
"""Holds ``dark`` or ``light`` where somebody chose one; otherwise the system decides."""

# What the palette does not hold: errors, edges of fields (3 : 1), and text on the first colour.
_MORE = {
    "light": {"bad": "#b3261e", "edge": "#7b8796", "on": "#ffffff"},
    "dark": {"bad": "#ff8a80", "edge": "#71819a", "on": "#0e131a"},
}


@cache
def asset_text(name: str) -> str:
    """Return ``page.css`` or ``page.js`` as it is served."""
    text = files("fedloom.platform.ui").joinpath("assets", name).read_text(encoding="utf-8")
    return _variables() + text if name == "page.css" else text


@cache
def assets_version() -> str:
    """Return what changes whenever an asset does, so that browsers may keep them for ever."""
    both = asset_text("page.css") + asset_text("page.js")
    return sha256(both.encode()).hexdigest()[:12]


def read_theme(cookie: str | None) -> bool | None:
    """Return whether a cookie says dark; None where the system decides.

    Example:
        >>> read_theme("dark"), read_theme("light"), read_theme(None)
        (True, False, None)
    """
    return {"dark": True, "light": False}.get(cookie or "")


def _variables() -> str:
    light, dark = _rules("light"), _rules("dark")
    return (
        f":root, body.body--light {{ color-scheme: light; {light} }}\n"
        f"body.body--dark {{ color-scheme: dark; {dark} }}\n"
        # Before the page's script runs, and where there is none.
        f"@media (prefers-color-scheme: dark) {{ :root:not([data-theme=light]),"
        f" :root:not([data-theme=light]) body:not(.body--light) {{ {dark} }} }}\n"
        f":root[data-theme=dark], :root[data-theme=dark] body:not(.body--light) {{ {dark} }}\n"
    )


def _rules(theme: str) -> str:
    colors = PALETTES[theme]["colors"] | _MORE[theme]
    return " ".join(f"--{name}: {value};" for name, value in colors.items())
