"""A table of clients and labels, with shades on a terminal and as plain columns elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

__all__ = ["Grid", "grid_of", "labels_that_fit", "render_plain", "render_table"]

MAX_CLIENTS = 40
MAX_LABELS = 20

# Light to dark blue. Each shade brings its own ink, so a cell reads the same on any terminal.
SHADES = (
    ("#08306b", "#eff6ff"),
    ("#08306b", "#c6dbef"),
    ("#08306b", "#85bcdb"),
    ("#ffffff", "#4090c5"),
    ("#ffffff", "#1764ab"),
    ("#ffffff", "#083a7a"),
)


@dataclass(frozen=True)
class Grid:
    """What is shown: a line per client, shortened where there are too many.

    Attributes:
        labels: heads of the columns; the last may stand for several labels.
        names: the clients; one stands for all those left out in the middle.
        counts: rows per line and label; empty for the line of those left out.
        totals: rows per label over all clients.
    """

    labels: tuple[str, ...]
    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    totals: tuple[int, ...]


def grid_of(
    client_ids: Sequence[str],
    label_counts: Sequence[Mapping[str, int]],
    *,
    max_clients: int = MAX_CLIENTS,
    max_labels: int = MAX_LABELS,
) -> Grid:
    """Shorten a split to what fits on a screen.

    Args:
        client_ids: names of the clients.
        label_counts: label → rows, per client; every client names every label.
        max_clients: beyond this, the first and last halves are shown.
        max_labels: beyond this, the rest is summed up in one column.
    """
    labels = tuple(label_counts[0]) if label_counts else ()
    counts = [_shorten(tuple(row.values()), max_labels) for row in label_counts]
    totals = tuple(sum(column) for column in zip(*counts, strict=True))
    names = list(client_ids)
    if len(names) > max_clients:
        half = max_clients // 2
        names = [*names[:half], f"… {len(names) - 2 * half} more", *names[-half:]]
        counts = [*counts[:half], (), *counts[-half:]]
    return Grid(_shorten_labels(labels, max_labels), tuple(names), tuple(counts), totals)


def labels_that_fit(
    width: int, client_ids: Sequence[str], label_counts: Sequence[Mapping[str, int]]
) -> int:
    """Return how many columns of labels fit beside the names and the sums, at least two.

    Args:
        width: characters of a line of the terminal.
        client_ids: names of the clients.
        label_counts: label → rows, per client.
    """
    rows = sum(sum(counts.values()) for counts in label_counts)
    most = max(
        (sum(column) for column in zip(*(counts.values() for counts in label_counts), strict=True)),
        default=0,
    )
    cell = max(len(str(most)), *(len(label) for label in label_counts[0])) + 2
    names = max(len(name) for name in client_ids) + 1
    return max(2, min(MAX_LABELS, (width - names - len(str(rows)) - 2) // cell))


def _shorten(row: tuple[int, ...], width: int) -> tuple[int, ...]:
    return row if len(row) <= width else (*row[: width - 1], sum(row[width - 1 :]))


def _shorten_labels(labels: tuple[str, ...], width: int) -> tuple[str, ...]:
    if len(labels) <= width:
        return labels
    return (*labels[: width - 1], f"{len(labels) - width + 1} more")


def render_plain(grid: Grid) -> str:
    """Return right-aligned columns of text, for files, pipes and people without colours."""
    lines = [("client", *grid.labels, "rows")]
    for name, row in zip(grid.names, grid.counts, strict=True):
        lines.append((name, *map(str, row), str(sum(row))) if row else (name,))
    lines.append(("all", *map(str, grid.totals), str(sum(grid.totals))))
    full = [line for line in lines if len(line) > 1]
    widths = [max(len(cell) for cell in column) for column in zip(*full, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=False))
        ).rstrip()
        for line in lines
    )


def render_table(grid: Grid) -> Table:
    """Return a table whose cells are the darker, the more rows they hold."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 0), show_footer=True, header_style="bold")
    table.add_column("client ", footer="all ", no_wrap=True)
    for label, total in zip(grid.labels, grid.totals, strict=True):
        table.add_column(f" {label} ", f" {total} ", justify="right", no_wrap=True)
    table.add_column("  rows", f"  {sum(grid.totals)}", justify="right", no_wrap=True)
    widths = _column_widths(grid)
    most = max((max(row, default=0) for row in grid.counts), default=0)
    for name, row in zip(grid.names, grid.counts, strict=True):
        if row:
            cells = [_shade(n, most, width) for n, width in zip(row, widths, strict=True)]
            table.add_row(f"{name} ", *cells, f"  {sum(row)}")
        else:
            table.add_row(name)
    return table


def _column_widths(grid: Grid) -> list[int]:
    """Return the width of each label's cells; the total is the widest of its numbers."""
    heads = zip(grid.labels, grid.totals, strict=True)
    return [max(len(label), len(str(total))) + 2 for label, total in heads]


def _shade(count: int, most: int, width: int) -> Text:
    """Return one cell, filled to its column's width."""
    from rich.text import Text

    # The square root keeps small counts apart where one client holds most of a label.
    place = round((count / most) ** 0.5 * (len(SHADES) - 1)) if most else 0
    ink, paper = SHADES[place]
    return Text(f"{count or '·'} ".rjust(width), f"{ink} on {paper}" if count else "dim")
