"""Where commands may write: under a prefix, and never over what they read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from fedloom.errors import InputError, OutputError

__all__ = ["Overwrite", "keep_inputs", "read_prefix", "refuse_existing"]

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]


def read_prefix(text: str) -> Path:
    """Return the beginning of the output files' names.

    Raises:
        InputError: it names a folder, or nothing.
        OutputError: its folder cannot be made or written.
    """
    if Path(text).name in ("", "..") or text.endswith(("/", os.sep)):
        example = f"{text.rstrip('/')}/mine" if text.strip("./") else "mine"
        raise InputError(
            f"--output-prefix {text!r} is no beginning of a file's name; write {example!r}"
        )
    _check_folder(Path(text))
    return Path(text)


def keep_inputs(outputs: Iterable[Path], inputs: Iterable[Path | None]) -> None:
    """Refuse to write over what is read.

    Args:
        outputs: files that would be written.
        inputs: files that are read; None stands for one that was not given.

    Raises:
        InputError: a file is among both.
    """
    read = {os.path.realpath(path) for path in inputs if path is not None}
    for path in outputs:
        if os.path.realpath(path) in read:
            raise InputError(f"{path} would replace what is read; choose another name for it")


def refuse_existing(outputs: Iterable[Path], *, overwrite: bool) -> None:
    """Refuse to write over what is there, unless that is asked for.

    Raises:
        OutputError: a file is there.
    """
    for path in outputs:
        if not overwrite and os.path.lexists(path):
            raise OutputError(
                f"{path} exists already; --overwrite replaces it, --output names another file"
            )


def _check_folder(path: Path) -> None:
    """Find out before long work whether files can be written in the folder of `path`."""
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise OutputError(f"cannot write {path}: {folder} is no folder; choose another place")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write {path}: {folder} may not be written; choose another place")
