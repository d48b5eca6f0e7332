"""The weights of each round as npz files, arrays named "0", "1", … in the model's order."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from fedloom.data import escape_file_name
from fedloom.errors import DataError
from fedloom.federation.fleet import WeightsSink
from fedloom.federation.weights import Weights
from fedloom.files import output_errors

__all__ = ["WeightsStore", "name_client_file"]

_NUMBERED = re.compile(r"client_([1-9][0-9]*)")
_ROUND = re.compile(r"(\.?)round_([0-9]{4,})")


def name_client_file(client_id: str) -> str:
    """Return the file name of a client's weights, without its suffix.

    Example:
        >>> name_client_file("client_7"), name_client_file("ward/3")
        ('client_0007', 'named_ward%2F3')
    """
    if found := _NUMBERED.fullmatch(client_id):
        return f"client_{int(found[1]):04d}"
    return f"named_{escape_file_name(client_id)}"


class WeightsStore:
    """The folder ``weights``; a round's folder appears in one step when the round is finished.

    Args:
        path: the folder.
        client_ids: names of all clients.
    """

    def __init__(self, path: Path, client_ids: Sequence[str]) -> None:
        self._path = path
        self._client_ids = client_ids

    def sink(self, round_number: int) -> WeightsSink:
        """Return where the clients' weights of a round go until `finish`."""
        folder = self._unfinished(round_number)
        with output_errors(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)

        def store(client: int, weights: Weights) -> None:
            _save(folder / f"{name_client_file(self._client_ids[client])}.npz", weights)

        return store

    def finish(self, round_number: int, weights: Weights) -> None:
        """Add the global weights of a round and make its folder visible.

        Raises:
            OutputError: the folder cannot be written or the disk is full.
        """
        folder = self._unfinished(round_number)
        final = self.round_folder(round_number)
        with output_errors(final):
            folder.mkdir(parents=True, exist_ok=True)
            _save(folder / "global.npz", weights)
            shutil.rmtree(final, ignore_errors=True)
            folder.rename(final)

    def round_folder(self, round_number: int) -> Path:
        """Return the folder of a round."""
        return self._path / f"round_{round_number:04d}"

    def remove_after(self, round_number: int) -> None:
        """Remove the folders of rounds after this one, and unfinished ones."""
        for folder in list(self._path.iterdir()) if self._path.is_dir() else ():
            found = _ROUND.fullmatch(folder.name)
            if found and (found[1] or int(found[2]) > round_number):
                with output_errors(folder):
                    shutil.rmtree(folder)

    def remove_unfinished(self, round_number: int) -> None:
        """Make room again after a round that could not be written."""
        shutil.rmtree(self._unfinished(round_number), ignore_errors=True)

    def read(self, round_number: int, client_id: str | None = None) -> Weights:
        """Return the global weights after a round, or those a client ended it with.

        Raises:
            DataError: they were not kept, or the file cannot be read.
        """
        name = "global" if client_id is None else name_client_file(client_id)
        path = self.round_folder(round_number) / f"{name}.npz"
        if not path.is_file():
            raise DataError(
                f"no weights at {path}: the round or client does not exist, the client did not "
                "take part, or the run kept fewer (weights=all|global|none)"
            )
        try:
            with path.open("rb") as file, np.load(file) as arrays:
                return [arrays[str(i)] for i in range(len(arrays.files))]
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise DataError(f"weights {path} cannot be read: {error}") from error

    def _unfinished(self, round_number: int) -> Path:
        return self._path / f".round_{round_number:04d}"


def _save(path: Path, weights: Weights) -> None:
    with output_errors(path):
        # Named "0", "1", …: savez's own positional names would be "arr_0".
        arrays: dict[str, Any] = {str(i): np.asarray(w) for i, w in enumerate(weights)}
        np.savez(path, **arrays)
