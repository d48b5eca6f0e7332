"""Where a task goes on after a crash, perhaps in another coordinator on another machine."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

from fedloom.errors import DataError
from fedloom.experiment.checkpoint_file import (
    read_checkpoint,
    read_finished_round,
    write_checkpoint,
)
from fedloom.federation.loop import LoopState
from fedloom.files import open_replacing, output_errors
from fedloom.platform.coordinator.interruption import Interruption
from fedloom.platform.store import Store
from fedloom.platform.task import Task

__all__ = ["MOST_SHARED_BYTES", "Checkpoints", "name_task_folder", "remove_task_folders"]

_LOGGER = logging.getLogger(__name__)

MOST_SHARED_BYTES = 64 * 1024**2
"""Checkpoints up to this size are kept in a database that several coordinators share as well."""


def name_task_folder(task: Task) -> str:
    """Return the name of a task's folder; another database may have a task of the same number."""
    digest = blake2b(task.created_at.isoformat().encode(), digest_size=4).hexdigest()
    return f"{task.id}-{digest}"


def remove_task_folders(folder: Path, keep: Collection[str]) -> None:
    """Remove the folders of tasks, but for those that are named."""
    for found in list(folder.iterdir()) if folder.is_dir() else ():
        if found.name not in keep:
            shutil.rmtree(found, ignore_errors=True)


class Checkpoints:
    """The checkpoint of one task.

    It is a file in the task's folder. Where a server has the database, others may go on with the
    task, so it is kept there too, up to `MOST_SHARED_BYTES`; larger ones are found by those alone
    that share the folder, and the rest begin again.

    Args:
        store: of the task.
        task: whose.
        owner: who holds its lease.
        folder: of all tasks of this coordinator.
    """

    def __init__(self, store: Store, task: Task, owner: str, folder: Path) -> None:
        self._store, self._task, self._owner = store, task, owner
        self.folder = folder / name_task_folder(task)
        self._path = self.folder / "checkpoint.npz"
        self._in_store = False

    def write(
        self, state: LoopState, fleet_state: Mapping[str, Any], interruption: Interruption
    ) -> None:
        """Make a round count.

        Raises:
            OutputError: the folder cannot be written.
            StoppedError: the lease is lost.
        """
        with output_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        write_checkpoint(self._path, state, fleet_state)
        if self._store.file is not None:
            return
        if self._path.stat().st_size > MOST_SHARED_BYTES:
            if self._in_store:
                self._store.drop_checkpoint(self._task.id)
            self._in_store = False
            return
        data = self._path.read_bytes()
        interruption.insist(
            lambda: self._store.keep_checkpoint(self._task.id, state.round, data, self._owner)
        )
        self._in_store = True

    def read(self, like: LoopState) -> tuple[LoopState, Mapping[str, Any]] | None:
        """Return the states of the last round that counts, or None where the task begins.

        Args:
            like: the state before the first round.
        """
        self._fetch()
        try:
            done = read_finished_round(self._path)
            # A round beyond what the store knows is of a history that others have replaced.
            if not 0 < done <= self._task.rounds_done:
                return None
            return read_checkpoint(self._path, like)
        except DataError as error:
            _LOGGER.warning("task %d begins again: %s", self._task.id, error)
            return None

    def drop(self) -> None:
        """Forget it; the task has ended."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._store.file is None:
            self._store.drop_checkpoint(self._task.id)

    def _fetch(self) -> None:
        """Bring the database's checkpoint here if it is the newer one."""
        if self._store.file is not None:
            return
        found = self._store.checkpoint(self._task.id)
        if found is None:
            return
        number, data = found
        with suppress(DataError):
            if read_finished_round(self._path) == number:
                return
        with output_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with open_replacing(self._path) as file:
            file.write(data)
