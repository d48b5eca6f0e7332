"""`fedloom partition`: who would hold which rows, without training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fedloom.experiment.split import Split

__all__ = ["partition"]

DATA_PANEL = "Data"
SPLIT_PANEL = "Split"


def partition(
    dataset: Annotated[
        str,
        typer.Option(
            help="Name of a data set, or npz:PATH, csv:PATH, images:FOLDER.",
            rich_help_panel=DATA_PANEL,
        ),
    ] = "digits",
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder where data files are looked for.", rich_help_panel=DATA_PANEL),
    ] = None,
    label_column: Annotated[
        str | None, typer.Option(help="csv: the column of labels.", rich_help_panel=DATA_PANEL)
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(help="images: side in pixels.", rich_help_panel=DATA_PANEL)
    ] = None,
    test_fraction: Annotated[
        float,
        typer.Option(help="Share of rows set aside for tests.", rich_help_panel=DATA_PANEL),
    ] = 0.2,
    task: Annotated[
        str | None,
        typer.Option(help="classification or regression.", rich_help_panel=DATA_PANEL),
    ] = None,
    sample_size: Annotated[
        int | None, typer.Option(help="Training rows to use.", rich_help_panel=DATA_PANEL)
    ] = None,
    sample_frac: Annotated[
        float | None,
        typer.Option(help="The same as a fraction, 0…1.", rich_help_panel=DATA_PANEL),
    ] = None,
    clients: Annotated[
        int, typer.Option(help="Number of clients.", rich_help_panel=SPLIT_PANEL)
    ] = 20,
    strategy: Annotated[
        str,
        typer.Option(
            "--partition",
            "--strategy",
            help="iid, quantity_skew, dirichlet, shard, label_per_client or custom.",
            rich_help_panel=SPLIT_PANEL,
        ),
    ] = "iid",
    partition_param: Annotated[
        float | None,
        typer.Option(
            "--partition-param",
            "--distribution-param",
            help="The strategy's parameter; without it, the strategy's default.",
            rich_help_panel=SPLIT_PANEL,
        ),
    ] = None,
    distribution: Annotated[
        Path | None,
        typer.Option(help="custom: JSON file, client → label → rows.", rich_help_panel=SPLIT_PANEL),
    ] = None,
    min_samples: Annotated[
        int, typer.Option(help="Rows each client gets at least.", rich_help_panel=SPLIT_PANEL)
    ] = 1,
    allow_shortfall: Annotated[
        bool,
        typer.Option(
            "--allow-shortfall",
            help="custom: give what is there where more is asked for.",
            rich_help_panel=SPLIT_PANEL,
        ),
    ] = False,
    seed: Annotated[
        int, typer.Option(help="Determines the split.", rich_help_panel=SPLIT_PANEL)
    ] = 42,
    output: Annotated[
        Path | None, typer.Option(help="Also write a heatmap as an HTML page.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show who would hold which rows of a data set, without training.

    The same flags give the same split in `fedloom generate`.
    """
    from fedloom.data import read_distribution
    from fedloom.experiment.split import partition as split_rows

    split = split_rows(
        dataset=dataset,
        data_dir=str(data_dir) if data_dir else None,
        label_column=label_column,
        image_size=image_size,
        test_fraction=test_fraction,
        task=task,
        sample_size=sample_size,
        sample_frac=sample_frac,
        clients=clients,
        partition=strategy,
        partition_param=partition_param,
        distribution=read_distribution(distribution) if distribution else None,
        min_samples=min_samples,
        allow_shortfall=allow_shortfall,
        seed=seed,
    )
    page = _write_page(split, output) if output else None
    if as_json:
        print(json.dumps(_to_json(split, seed, page), indent=2))
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
