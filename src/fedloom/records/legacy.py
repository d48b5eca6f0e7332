"""Reading what the MLaaS Data Generator wrote: older names, and its sets of three files."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from fedloom.records.schema import Table, describe_columns
from fedloom.records.typed import RawTable

__all__ = ["complete_set", "find_sets", "rename_old_columns"]

_MEMBER = re.compile(r"(client_rounds|rounds)_([0-9]+)\.csv")
_OF_A_RUN = ["dataset", "task_type", "model_type", "split_strategy", "distribution_param"]
_OF_A_ROUND = ["global_loss", "global_score"]


def rename_old_columns(raw: RawTable, table: Table) -> RawTable:
    """Give columns that bear an older name the name of the schema, unless they have it already.

    Where several older names of one column are there, the first of the schema's list is taken and
    the others stay as they are. Case does not matter: the original was not of one mind about it.
    """
    taken = set(raw.frame.columns)
    names = {name.casefold(): name for name in reversed(raw.frame.columns)}
    new_names = {}
    for column in describe_columns(table):
        if column.name in taken:
            continue
        old = [names[name.casefold()] for name in column.replaces if name.casefold() in names]
        if free := [name for name in old if name not in new_names]:
            new_names[free[0]] = column.name
    return replace(raw, frame=raw.frame.rename(new_names))


def find_sets(folder: Path, kind: str) -> Sequence[Path]:
    """Return the files of one kind (``client_rounds`` or ``rounds``) in a folder of sets."""
    members = [(_MEMBER.fullmatch(path.name), path) for path in folder.iterdir()]
    found = [(int(m[2]), path) for m, path in members if m is not None and m[1] == kind]
    return [path for _, path in sorted(found)]


def complete_set(raw: RawTable, path: Path, read: Callable[[Path], RawTable]) -> RawTable:
    """Add to a file of a set what its neighbours know about the run and the round.

    A set is ``runs_0001.csv``, ``rounds_0001.csv`` and ``client_rounds_0001.csv``; any other file
    is returned as it is.

    Args:
        raw: the file as it was read.
        path: where it is.
        read: reads a neighbour.
    """
    if (member := _MEMBER.fullmatch(path.name)) is None:
        return raw
    raw = _join(raw, path.with_name(f"runs_{member[2]}.csv"), ["run_id"], _OF_A_RUN, read)
    if member[1] == "rounds":
        return raw
    rounds = path.with_name(f"rounds_{member[2]}.csv")
    return _join(raw, rounds, ["run_id", "round"], _OF_A_ROUND, read)


def _join(
    raw: RawTable,
    neighbour: Path,
    keys: list[str],
    wanted: list[str],
    read: Callable[[Path], RawTable],
) -> RawTable:
    """Add the wanted columns of a neighbour, where there is one and the keys are on both sides."""
    if not neighbour.is_file():
        return raw
    other: pl.DataFrame = read(neighbour).frame
    have = set(raw.frame.columns)
    if not (set(keys) <= have and set(keys) <= set(other.columns)):
        return raw
    new = [name for name in wanted if name in other.columns and name not in have]
    part = other.select(*keys, *new).unique(keys, keep="first")
    return replace(raw, frame=raw.frame.join(part, on=keys, how="left", maintain_order="left"))
