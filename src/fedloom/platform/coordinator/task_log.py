"""What a coordinator says of a task, kept where the CLI, the API and the page show it."""

from __future__ import annotations

import logging
import threading

from fedloom.errors import FedloomError
from fedloom.platform.store import Store

__all__ = ["TaskLog", "WarningsToLog"]

_LOGGER = logging.getLogger(__name__)
_OURS = "coordinator"


class TaskLog:
    """The log of one task; a line that cannot be kept is no reason to stop.

    Args:
        store: keeps it.
        task_id: whose.
    """

    def __init__(self, store: Store, task_id: int) -> None:
        self._store, self._task_id = store, task_id

    def say(self, text: str, source: str = _OURS) -> None:
        """Add a line.

        Args:
            text: what there is to say.
            source: who says it: a client's name; the coordinator by default.
        """
        _LOGGER.info("task %d: %s: %s", self._task_id, source, text)
        try:
            self._store.add_log(self._task_id, source, text)
        except FedloomError as error:
            _LOGGER.warning("task %d: the line %r is not kept: %s", self._task_id, text, error)


class WarningsToLog(logging.Handler):
    """Puts the warnings of one thread into its task's log, while the block runs.

    Args:
        log: of the task that this thread works on.
    """

    def __init__(self, log: TaskLog) -> None:
        super().__init__(logging.WARNING)
        self._log, self._thread = log, threading.get_ident()
        self._within = False

    def emit(self, record: logging.LogRecord) -> None:
        """Add a warning, unless it is about this log itself."""
        if record.thread != self._thread or self._within or record.name == __name__:
            return
        self._within = True
        try:
            self._log.say(record.getMessage())
        finally:
            self._within = False

    def __enter__(self) -> None:
        logging.getLogger("fedloom").addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger("fedloom").removeHandler(self)
