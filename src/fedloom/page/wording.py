"""Numbers and names as a page shows them."""

from __future__ import annotations

from html import escape

__all__ = ["MISSING", "clip", "count", "duration", "named", "number", "percent", "rounded"]

MISSING = "–"


def count(value: int, noun: str) -> str:
    """Return a number of things: ``1 client``, ``1,000 clients``."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def number(value: float | None, digits: int = 4) -> str:
    """Return a number to some significant digits; a dash stands for None."""
    if value is None:
        return MISSING
    if value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.{digits - 1}e}"
    if abs(value) >= 10**digits:
        return f"{value:,.0f}"
    return f"{value:#,.{digits}g}".removesuffix(".")


def percent(value: float | None) -> str:
    """Return a share of 0…1 as a percentage with one decimal."""
    return MISSING if value is None else f"{100 * value:.1f} %"


def duration(seconds: float | None) -> str:
    """Return a time in the units that people use: ``850 ms``, ``43.2 s``, ``1 h 12 min``."""
    if seconds is None:
        return MISSING
    if seconds < 0.9995:
        return f"{1000 * seconds:.3g} ms"
    if seconds < 119.95:
        return f"{seconds:.1f} s"
    if seconds < 3599.5:
        return f"{round(seconds) // 60} min {round(seconds) % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def rounded(value: float | None) -> float | None:
    """Return a number to five significant digits: what a plot can show, and a page can carry."""
    return None if value is None else float(f"{value:.5g}")


def clip(text: str, width: int) -> str:
    """Return the text, cut to `width` characters where it is longer."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def named(text: str) -> str:
    """Return a name for use inside a plot, where Plotly reads a little HTML."""
    return escape(text, quote=False)
