"""The checkpoint of a run: one npz file, replaced in one step after every round."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from fedloom.errors import DataError
from fedloom.federation.checkpoint import pack_state, unpack_state
from fedloom.federation.loop import LoopState
from fedloom.files import open_replacing

__all__ = ["read_checkpoint", "write_checkpoint"]

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
    try:
        with np.load(path) as arrays:
            stored = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, BadZipFile) as error:
        raise DataError(f"checkpoint {path} cannot be read: {error}; use --overwrite") from error
    loop = {k.removeprefix(_LOOP): v for k, v in stored.items() if k.startswith(_LOOP)}
    fleet = {k.removeprefix(_FLEET): v for k, v in stored.items() if k.startswith(_FLEET)}
    return unpack_state(loop, like), fleet
