"""Tables in Markdown, which read well in a terminal too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

__all__ = ["format_seconds", "format_spread", "render_table"]


def render_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose columns are as wide as what stands in them, but for the last."""
    cells = [tuple(columns), *(tuple(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    widths[-1] = len(columns[-1])  # reasons stand there, and may be sentences
    return "\n".join(_render_lines(cells, widths))


def format_seconds(value: float) -> str:
    """Return seconds with as many decimals as tell something."""
    return f"{value:.4f}" if value < 1 else f"{value:.2f}"


def format_spread(seconds: Sequence[float]) -> tuple[str, str]:
    """Return the median of times, and the fastest with the slowest."""
    bounds = f"{format_seconds(min(seconds))}–{format_seconds(max(seconds))}"
    return format_seconds(median(seconds)), bounds


def _render_lines(cells: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    for number, row in enumerate(cells):
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"| {' | '.join(padded)} |"
        if number == 0:
            yield f"|{'|'.join('-' * (width + 2) for width in widths)}|"
