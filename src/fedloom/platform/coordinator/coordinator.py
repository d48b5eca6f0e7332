"""The coordinator: takes tasks from the store, and runs several at once."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname
from threading import Event, Lock, Thread
from time import monotonic
from uuid import uuid4

from fedloom.errors import FedloomError, InputError
from fedloom.files import output_errors
from fedloom.fleet.flower.link import Link
from fedloom.platform.broker import Broker, listen
from fedloom.platform.coordinator.census import Census
from fedloom.platform.coordinator.claiming import Claiming
from fedloom.platform.coordinator.housekeeping import Housekeeping
from fedloom.platform.coordinator.settings import CoordinatorSettings
from fedloom.platform.coordinator.store_lock import StoreLock
from fedloom.platform.coordinator.surroundings import Surroundings
from fedloom.platform.coordinator.task_thread import TaskThread
from fedloom.platform.registry import Registry
from fedloom.platform.store import Store
from fedloom.platform.task import Queue

__all__ = ["Coordinator", "CoordinatorState"]

_LOGGER = logging.getLogger(__name__)
_WATCH_S = 1.0
_END_LOOK_S = 0.1
_CENSUS_END_S = 5.0


@dataclass(frozen=True)
class CoordinatorState:
    """How a coordinator is doing, for a probe of readiness and for `/metrics`.

    Attributes:
        running: numbers of the tasks that it runs.
        slots: how many it can run at once.
        links_up: SuperLinks that answered the last time.
        links: how many there are.
        last_error: what went wrong last, in one line, while it lasts; or None.
    """

    running: tuple[int, ...] = ()
    slots: int = 0
    links_up: int = 0
    links: int = 0
    last_error: str | None = None


class Coordinator:
    """Runs the tasks of a store with the clients behind some SuperLinks.

    Several may share a database on a server; an embedded one takes one. It may be killed at any
    time: the next one goes on with its tasks after their leases have run out, from the last
    finished round.

    Args:
        store: holds the tasks.
        registry: holds packages and weights.
        links: the SuperLinks; several are combiners under this one controller.
        folder: for checkpoints; other coordinators may use the same one.
        broker: wakes it when a task is added; without one it looks at the queue from time to time.
        settings: how it works.

    Raises:
        InputError: there is no SuperLink, or no such policy.
    """

    def __init__(
        self,
        *,
        store: Store,
        registry: Registry,
        links: Sequence[Link],
        folder: Path,
        broker: Broker | None = None,
        settings: CoordinatorSettings | None = None,
    ) -> None:
        if not links:
            raise InputError("links: a coordinator needs at least one SuperLink")
        self._settings = settings or CoordinatorSettings()
        self._store, self._broker, self._links = store, broker, tuple(links)
        self._census = Census(
            store,
            self._links,
            self._settings.roll_call_s,
            known_nodes_only=self._settings.known_nodes_only,
        )
        self._around = Surroundings(
            store=store,
            registry=registry,
            links=self._links,
            folder=folder / "tasks",
            owner=f"{gethostname()}-{os.getpid()}-{uuid4().hex[:8]}",
            settings=self._settings,
            names=self._census.registered,
        )
        self._claiming = Claiming(self._around)
        self._housekeeping = Housekeeping(self._around)
        self._lock = StoreLock(store.file)
        self._threads: dict[int, TaskThread] = {}
        self._guard = Lock()
        self._stop, self._woken = Event(), Event()
        self._workers: list[Thread] = []
        self._last_error: str | None = None

    @property
    def owner(self) -> str:
        """What leases call it."""
        return self._around.owner

    @property
    def state(self) -> CoordinatorState:
        """How it is doing now."""
        with self._guard:
            running = tuple(sorted(n for n, t in self._threads.items() if t.alive))
        error = self._last_error or self._census.last_error
        up, links = self._census.links_up, len(self._links)
        return CoordinatorState(running, self._settings.slots, up, links, error)

    def start(self) -> None:
        """Begin; returns at once.

        Raises:
            ConflictError: another coordinator has the embedded database.
            OutputError: the folder cannot be made.
            LinkError: the embedded database is busy; call it again later.
        """
        self._lock.acquire()
        try:
            with output_errors(self._around.folder):
                self._around.folder.mkdir(parents=True, exist_ok=True)
            if self._store.file is not None:  # it is ours alone, so leases are of the dead
                self._store.free_leases()
        except FedloomError:
            self._lock.release()
            raise
        self._census.start()
        self._spawn("claims", self._claim_loop)
        self._spawn("leases", self._watch_loop)
        if self._broker is not None:
            broker = self._broker
            self._spawn(
                "dispatch",
                lambda: listen(
                    broker, Queue.DISPATCH, lambda _: self.wake(), self._stop, on_link=self._on_link
                ),
            )

    def wake(self) -> None:
        """Say that there may be a task; returns at once."""
        self._woken.set()

    def stop(self, timeout_s: float = 15.0) -> bool:
        """End; tasks are given back, so that another coordinator goes on with them at once.

        Args:
            timeout_s: seconds that it may take; what has not ended by then keeps its lease.

        Returns:
            Whether all has ended.
        """
        until = monotonic() + timeout_s
        self._stop.set()
        self.wake()
        with self._guard:
            threads = list(self._threads.values())
        while any(thread.alive for thread in threads) and monotonic() < until:
            for thread in threads:
                thread.release()
            for thread in threads:
                thread.join(_END_LOOK_S)
        for worker in self._workers:
            worker.join(max(0.0, until - monotonic()))
        ended = self._census.stop(min(_CENSUS_END_S, max(0.1, until - monotonic())))
        left = [*threads, *self._threads.values()]
        ended = ended and not any(t.alive for t in left)
        ended = ended and not any(worker.is_alive() for worker in self._workers)
        self._lock.release()
        return ended

    def _spawn(self, name: str, work: Callable[[], None]) -> None:
        worker = Thread(target=work, name=f"fedloom-{name}", daemon=True)
        self._workers.append(worker)
        worker.start()

    def _on_link(self, linked: bool) -> None:
        if linked:  # what was sent before is only in the database
            self.wake()

    def _claim_loop(self) -> None:
        while not self._stop.is_set():
            # Cleared first: what comes while the queue is looked at wakes the next look.
            self._woken.clear()
            try:
                self._housekeeping.tidy()
                while not self._stop.is_set() and self._claim():
                    pass
                self._last_error = None
            except FedloomError as error:
                self._note(error)
            except Exception as error:
                _LOGGER.exception("the coordinator met what nobody expected")
                self._note(error)
            self._woken.wait(self._settings.poll_s)

    def _claim(self) -> bool:
        """Take up one task; return whether there may be another."""
        alive = self._alive()
        if len(alive) >= self._settings.slots:
            return False
        if self._census.present is not None and not self._census.links_up:
            return False  # nobody can be reached
        claimed = self._claiming.claim(self._census.present)
        if claimed is None:
            return False
        if claimed.wait_s is None:
            return True
        thread = TaskThread(self._around, claimed.task, claimed.wait_s)
        with self._guard:
            if self._stop.is_set():
                self._store.release_lease(claimed.task.id, self.owner, counts=False)
                return False
            self._threads[claimed.task.id] = thread
        thread.start()
        return True

    def _alive(self) -> list[TaskThread]:
        """Forget the threads that have ended, and return the others."""
        with self._guard:
            ended = [number for number, thread in self._threads.items() if not thread.alive]
            for number in ended:
                thread = self._threads.pop(number)
                if thread.run.link_error is not None:
                    self._claiming.put_off(thread.task, thread.run.link_error)
            return list(self._threads.values())

    def _watch_loop(self) -> None:
        while not self._stop.is_set():
            with self._guard:
                threads = list(self._threads.values())
            for thread in threads:
                if thread.alive:
                    thread.watch()
                else:
                    self.wake()
            self._stop.wait(_WATCH_S)

    def _note(self, error: BaseException) -> None:
        text = str(error)
        if text != self._last_error:
            _LOGGER.warning("the coordinator: %s", text)
        self._last_error = text
