"""`fedloom partition`: who would hold which rows, without training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedloom.cli.plan_options import DATA_FIELDS, SPLIT_FIELDS, with_plan_options

if TYPE_CHECKING:
    from fedloom.experiment.split import Split

__all__ = ["partition"]


@with_plan_options([*DATA_FIELDS, *SPLIT_FIELDS, "seed"])
def partition(
    options: dict[str, Any],
    output: Annotated[
        Path | None, typer.Option(help="Also write a heatmap as an HTML page.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show who would hold which rows of a data set, without training.

    The same flags give the same split in `fedloom generate`.
    """
    from fedloom.experiment.reading import read_plan
    from fedloom.experiment.split import split_dataset

    plan = read_plan(None, options)
    split = split_dataset(plan)
    page = _write_page(split, output) if output else None
    if as_json:
        print(json.dumps(_to_json(split, plan.seed, page), indent=2))
    else:
        _print_split(split, page)


def _title(split: Split) -> str:
    parts = split.partition
    param = "" if parts.param is None else f" {parts.param:g}"
    return f"{split.dataset.name} · {parts.strategy}{param}"


def _write_page(split: Split, output: Path) -> Path:
    """Write the heatmap and return where."""
    from fedloom.files import write_text
    from fedloom.page import heatmap_page

    path = output if output.suffix else output.with_suffix(".html")
    counts = dict(zip(split.client_ids, split.label_counts, strict=True))
    write_text(path, heatmap_page(counts, _title(split)))
    return path


def _to_json(split: Split, seed: int, page: Path | None) -> dict[str, Any]:
    parts = split.partition
    return {
        "dataset": split.dataset.name,
        "partition": parts.strategy,
        "partition_param": parts.param,
        "seed": seed,
        "clients": [
            {"client_id": name, "num_examples": size, "label_counts": counts}
            for name, size, counts in zip(
                split.client_ids, parts.sizes, split.label_counts, strict=True
            )
        ],
        "left_out": list(split.left_out),
        "output": str(page) if page else None,
    }


def _print_split(split: Split, page: Path | None) -> None:
    """Print a title, the table, and what is worth knowing of it."""
    from rich.console import Console

    from fedloom.cli.split_table import grid_of, labels_that_fit, render_plain, render_table

    console = Console(highlight=False, soft_wrap=True, markup=False)
    ids, counts, sizes = split.client_ids, split.label_counts, split.partition.sizes
    console.print(f"{_title(split)} · {len(sizes)} clients · {sum(sizes)} rows")
    if console.is_terminal:
        width = labels_that_fit(console.width, ids, counts)
        console.print(render_table(grid_of(ids, counts, max_labels=width)))
    else:
        console.print(render_plain(grid_of(ids, counts)))
    held = [sum(1 for count in client.values() if count) for client in counts]
    console.print(f"rows of a client: {_spread(sizes)}; labels of a client: {_spread(held)}")
    for note in split.left_out:
        console.print(f"note: {note}")
    if page:
        console.print(f"heatmap: {page}")


def _spread(values: Sequence[int]) -> str:
    if min(values) == max(values):
        return f"{values[0]} each"
    return f"{min(values)} to {max(values)}, median {median(values):g}"
