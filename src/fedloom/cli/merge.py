"""`fedloom merge`: many tables of records into one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["merge"]

_LONG_BYTES = 20_000_000
"""Size of the inputs from which on a merge shows its progress."""


def merge(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUTS...",
            help="CSV and Parquet files, and patterns such as 'outputs/runs/*.csv' or '**/*.csv'.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(help="File to write, .csv or .parquet; replaced if it exists, never read."),
    ] = Path("merged.csv"),
    id_col: Annotated[
        str, typer.Option("--id-col", help="Name of the sequential id, the last column.")
    ] = "MLaaS_ID",
    start_id: Annotated[int, typer.Option("--start-id", help="The first id.")] = 1,
    dedupe: Annotated[
        bool,
        typer.Option(
            "--dedupe",
            help="Keep the first of rows that are the same: equal run_id, round and client_id, "
            "or equal in every column where a table has none of these.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
) -> None:
    """Merge tables of records into one: all columns of all files, and a sequential id.

    INPUTS are CSV and Parquet files and patterns such as 'outputs/runs/*.csv'; quote a pattern that
    the shell is not to expand. The text of CSV cells passes through unchanged, and memory does not
    grow with the files.

    For example:

    \b
      fedloom merge outputs/runs/clients.csv outputs/runs/fashion.csv --output merged.csv --dedupe
      fedloom merge 'outputs/runs/*.csv' --output merged.csv
      fedloom merge '**/clients.parquet' --output all.parquet --id-col row --start-id 0
    """
    from fedloom.records.merging import merge_files

    with _progress_bar(shown=not (quiet or as_json) and sys.stderr.isatty()) as progress:
        summary = merge_files(
            inputs, output, id_col=id_col, start_id=start_id, dedupe=dedupe, progress=progress
        )
    if as_json:
        import json

        counts = {key: getattr(summary, key) for key in ("rows", "files", "duplicates")}
        typer.echo(json.dumps({"output": str(summary.output), **counts}))
    elif not quiet:
        left_out = f", {summary.duplicates} duplicates left out" if dedupe else ""
        files = "1 file" if summary.files == 1 else f"{summary.files} files"
        typer.echo(f"{summary.output}: {summary.rows} rows of {files}{left_out}")


@contextmanager
def _progress_bar(*, shown: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar on standard error from the moment a merge turns out to be long."""
    if not shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("merging", total=None, visible=False)

        def update(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=total > _LONG_BYTES)

        yield update
