"""`fedloom workload export`: requests in the formats of other tools, and in all of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedloom.cli.workload_options import (
    REQUEST_FORMATS,
    AsJson,
    ConfigOption,
    FileArgument,
    Quiet,
    complete,
)

__all__ = ["export"]


def export(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="Format to write.",
            autocompletion=complete("vidur", "servegen", "swf", "chrome", *REQUEST_FORMATS),
        ),
    ],
    file: FileArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    config: ConfigOption = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write requests in another tool's format, or in another one of Fedloom.

    KIND is vidur or servegen (columns of their traces), swf (Standard
    Workload Format) or chrome (a trace for Perfetto), which need the
    configuration; or json, yaml, jsonl, csv, parquet.

    For example:

    \b
      fedloom workload export parquet requests.json --output requests.parquet
      fedloom workload export vidur requests.json -c my.json -o vidur.csv
      fedloom workload export swf requests.json -c my.json -o jobs.swf
    """
    from fedloom.cli.places import keep_inputs
    from fedloom.cli.printing import print_json, spell_size
    from fedloom.cli.progress import show_bar
    from fedloom.workload.config.read import read_config
    from fedloom.workload.exchange import save_exported

    keep_inputs([output], [file, *(config or ())])
    known = read_config(config).config if config else None
    with show_bar("exporting", shown=not (quiet or as_json)) as progress:
        count = save_exported(kind, file, known, output, progress=progress)
    if as_json:
        print_json({"files": [str(output)], "requests": count})
    elif not quiet:
        print(f"{output}: {count:,} requests, {spell_size(output.stat().st_size)}")
