"""Flags that several commands of `fedloom workload` share, and how their values are completed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

__all__ = [
    "REQUEST_FORMATS",
    "AsJson",
    "ConfigOption",
    "Configs",
    "FileArgument",
    "Prefix",
    "Quiet",
    "complete",
]

REQUEST_FORMATS = ("json", "yaml", "jsonl", "csv", "parquet")
"""The formats of request files: `FileFormat`, which is not imported to show the help."""


def complete(*choices: str) -> Callable[[str], list[str]]:
    """Return how a shell completes a value that is one of a few."""

    def find(incomplete: str) -> list[str]:
        return [choice for choice in choices if choice.startswith(incomplete)]

    return find


Configs: TypeAlias = Annotated[
    list[Path],
    typer.Option(
        "--config",
        "-c",
        help="Configuration: JSON, YAML or TOML, or the name of one in the box (see 'fedloom "
        "workload configs'); several are merged.",
        show_default=False,
    ),
]
ConfigOption: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option("--config", "-c", help="The configuration of the requests; several are merged."),
]
FileArgument: TypeAlias = Annotated[Path, typer.Argument(metavar="FILE")]
Prefix: TypeAlias = Annotated[
    str, typer.Option("--output-prefix", "-o", help="Beginning of the output files' names.")
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")]
