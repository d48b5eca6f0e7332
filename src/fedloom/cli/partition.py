"""`fedloom partition`: who would hold which rows, without training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

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
    split = _split(
        dataset=dataset,
        data_dir=data_dir,
        label_column=label_column,
        image_size=image_size,
        test_fraction=test_fraction,
        task=task,
        sample_size=sample_size,
        sample_frac=sample_frac,
        clients=clients,
        partition=strategy,
        partition_param=partition_param,
        distribution=distribution,
        min_samples=min_samples,
        allow_shortfall=allow_shortfall,
        seed=seed,
    )
    page = _write_page(split, output) if output else None
    if as_json:
        print(json.dumps(_to_json(split, seed, page), indent=2))
    else:
        _print_split(split, page)


@dataclass(frozen=True)
class _Split:
    """A split data set, in the words of the output."""

    dataset: str
    strategy: str
    param: float | None
    client_ids: Sequence[str]
    label_counts: Sequence[Mapping[str, int]]
    left_out: Sequence[str]

    @property
    def sizes(self) -> list[int]:
        return [sum(counts.values()) for counts in self.label_counts]

    @property
    def title(self) -> str:
        param = "" if self.param is None else f" {self.param:g}"
        return f"{self.dataset} · {self.strategy}{param}"


def _split(
    *,
    clients: int,
    partition: str,
    partition_param: float | None,
    distribution: Path | None,
    min_samples: int,
    allow_shortfall: bool,
    seed: int,
    **source: Any,
) -> _Split:
    """Load the data set and split it."""
    from fedloom.data import (
        Task,
        bin_labels,
        bin_names,
        load_dataset,
        partition_rows,
        read_distribution,
    )

    wanted = read_distribution(distribution) if distribution else None
    data = load_dataset(source.pop("dataset"), seed=seed, **source)
    is_number = data.task is Task.REGRESSION
    labels = bin_labels(data.train_labels) if is_number else data.train_labels
    names = bin_names() if is_number else data.classes
    held = partition_rows(
        labels,
        partition,
        clients,
        param=partition_param,
        seed=seed,
        min_samples=min_samples,
        distribution=wanted,
        allow_shortfall=allow_shortfall,
        class_names=names,
    )
    counts = held.label_counts(labels, names)
    return _Split(data.name, held.strategy, held.param, held.client_ids, counts, held.left_out)


def _write_page(split: _Split, output: Path) -> Path:
    """Write the heatmap and return where."""
    from fedloom.files import write_text
    from fedloom.page import heatmap_page

    path = output if output.suffix else output.with_suffix(".html")
    counts = dict(zip(split.client_ids, split.label_counts, strict=True))
    write_text(path, heatmap_page(counts, split.title))
    return path


def _to_json(split: _Split, seed: int, page: Path | None) -> dict[str, Any]:
    return {
        "dataset": split.dataset,
        "partition": split.strategy,
        "partition_param": split.param,
        "seed": seed,
        "clients": [
            {"client_id": name, "num_examples": size, "label_counts": dict(counts)}
            for name, size, counts in zip(
                split.client_ids, split.sizes, split.label_counts, strict=True
            )
        ],
        "left_out": list(split.left_out),
        "output": str(page) if page else None,
    }


def _print_split(split: _Split, page: Path | None) -> None:
    """Print a title, the table, and what is worth knowing of it."""
    from rich.console import Console

    from fedloom.cli.split_table import grid_of, labels_that_fit, render_plain, render_table

    console = Console(highlight=False, soft_wrap=True)
    sizes = split.sizes
    console.print(f"{split.title} · {len(sizes)} clients · {sum(sizes)} rows", markup=False)
    if console.is_terminal:
        width = labels_that_fit(console.width, split.client_ids, split.label_counts)
        console.print(render_table(grid_of(split.client_ids, split.label_counts, max_labels=width)))
    else:
        print(render_plain(grid_of(split.client_ids, split.label_counts)))
    held = [sum(1 for count in counts.values() if count) for counts in split.label_counts]
    console.print(f"rows of a client: {_spread(sizes)}; labels of a client: {_spread(held)}")
    for note in split.left_out:
        console.print(f"note: {note}", markup=False)
    if page:
        console.print(f"heatmap: {page}", markup=False)


def _spread(values: Sequence[int]) -> str:
    if min(values) == max(values):
        return f"{values[0]} each"
    return f"{min(values)} to {max(values)}, median {median(values):g}"
