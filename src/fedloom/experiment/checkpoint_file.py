"""The checkpoint of a run: one npz file, replaced in one step after every round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from fedloom.errors import DataError
from fedloom.federation.checkpoint import pack_state, unpack_state
from fedloom.federation.loop import LoopState
from fedloom.files import open_replacing

__all__ = ["read_checkpoint", "read_finished_round", "write_checkpoint"]

_LOOP, _FLEET = "loop/", "fleet/"


def write_checkpoint(path: Path, state: LoopState, fleet_state: Mapping[str, Any]) -> None:
    """Write what a run goes on from.

    Raises:
        OutputError: the place cannot be written or the disk is full; the old file stays.
    """
    arrays = {_LOOP + name: array for name, array in pack_state(state).items()}
    arrays |= {_FLEET + name: array for name, array in fleet_state.items()}
    with open_replacing(path) as file:
        np.savez(file, **arrays)


def read_checkpoint(path: Path, like: LoopState) -> tuple[LoopState, dict[str, Any]]:
    """Return the loop's state and the fleet's.

    Args:
        path: the file.
        like: the state before the first round of the same plan.

    Raises:
        DataError: the file cannot be read or belongs to another model or algorithm.
    """
    with _open(path) as arrays:
        stored = {name: arrays[name] for name in arrays.files}
    loop = {k.removeprefix(_LOOP): v for k, v in stored.items() if k.startswith(_LOOP)}
    fleet = {k.removeprefix(_FLEET): v for k, v in stored.items() if k.startswith(_FLEET)}
    return unpack_state(loop, like), fleet


def read_finished_round(path: Path) -> int:
    """Return the last round that a run finished; 0 without a checkpoint.

    Raises:
        DataError: the file cannot be read.
    """
    if not path.exists():
        return 0
    with _open(path) as arrays:
        return int(arrays[f"{_LOOP}round"])


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            yield arrays
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise DataError(f"checkpoint {path} cannot be read: {error}; use --overwrite") from error
