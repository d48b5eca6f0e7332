"""The loop of a node: look, hand out, answer; through every outage of the SuperLink."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import BoundedSemaphore, Event, Thread
from time import monotonic
from typing import Any

from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.proto.message_pb2 import ObjectTree

from fedloom.errors import FedloomError, LinkError
from fedloom.fleet.flower.codec import ROLL_CALL, task_of
from fedloom.fleet.flower.depot.carrier import Carrier, DepotDownError, DepotRefusedError
from fedloom.fleet.flower.endpoint import Endpoint, RefusedError
from fedloom.fleet.flower.messages import (
    Answer,
    Asked,
    Cancel,
    Describe,
    Done,
    Evaluate,
    Failed,
    Forget,
    State,
    Train,
)
from fedloom.fleet.flower.node.connection import Connection
from fedloom.fleet.flower.node.handler import Handler
from fedloom.fleet.flower.node.heart import give_signs_of_life
from fedloom.fleet.flower.node.identity import Identity
from fedloom.fleet.flower.node.jobs import Job, Jobs
from fedloom.fleet.flower.node.last_download import LastDownload
from fedloom.fleet.flower.node.mail import Mail, Received
from fedloom.fleet.flower.node.pace import Backoff, Pace
from fedloom.learning.describe import describe_error

__all__ = ["Node"]

_LOGGER = logging.getLogger(__name__)

_QUESTION_SECONDS = 10.0
"""How long the content of a small message, or the answer to it, may be on its way."""

_CONTENT_SECONDS = 180.0
"""How long an order's next part may be on its way: as long as Flower keeps an upload open."""

_HANG_SECONDS = 10.0
"""After this time a handler that does not stop loses its place; its answer is thrown away."""

_STALE_SECONDS = 3600.0
"""What is kept for a task of which nothing was heard for so long is dropped: its coordinator could
not say that it is over. If it goes on after all, the next order makes it anew."""


class Node:
    """One client of a federation, until it is stopped.

    Args:
        endpoint: of the SuperLink.
        identity: who it is.
        handler: carries out what comes; the node closes it at the end.
        memory: see `Connection`.
        slots: orders at work at the same time; more wait.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        identity: Identity,
        handler: Handler,
        *,
        memory: Path | None = None,
        slots: int = 2,
    ) -> None:
        self._handler, self._endpoint = handler, endpoint
        self._connection = Connection(endpoint, identity, memory)
        self._slots, self._jobs, self._pace = BoundedSemaphore(slots), Jobs(), Pace()
        self._stop, self._wake, self._backoff = Event(), Event(), Backoff()
        self._last = LastDownload(None if memory is None else memory.parent)
        carrier = Carrier(endpoint)
        self._mail = Mail(self._connection, self._pace, self._stop, carrier, self._last)
        self._admitted = Event()
        self._told = ""

    @property
    def connected(self) -> bool:
        """Whether the SuperLink answered the last time."""
        return self._admitted.is_set() and not self._backoff.failing

    def stop(self) -> None:
        """Let `run` return soon; from any thread or a signal handler."""
        self._stop.set()
        self._wake.set()

    def run(self) -> None:
        """Serve until `stop`; an outage of the SuperLink is waited for, however long."""
        beat = partial(give_signs_of_life, self._connection, self._pace, self._stop, self._admitted)
        Thread(target=beat, daemon=True, name="heartbeat").start()
        try:
            while not self._stop.is_set():
                self._wake.clear()
                wait = self._step()
                while not self._stop.is_set() and self._wake.wait(wait):
                    self._wake.clear()
                    wait = self._pace.wait_s(busy=self._jobs.busy)
        finally:
            self._jobs.stop_all()
            self._connection.close()
            self._last.drop()
            self._handler.close()

    def _step(self) -> float:
        """Look once; return the seconds until the next look."""
        try:
            if not self._admitted.is_set():
                self._connection.admit(self._pace.heartbeat_s)
                self._admitted.set()
                self._pace.arrive()
            found = self._look()
        except LinkError as error:
            return self._stumble(error)
        if self._backoff.failing:
            _LOGGER.info("connected to %s again", self._endpoint)
        self._backoff.succeed()
        self._tidy()
        if found is None:
            return self._pace.wait_s(busy=self._jobs.busy)
        self._take(Received(*found))
        return self._pace.tempo.active_s

    def _look(self) -> tuple[ProtoMessage, ObjectTree] | None:
        began = monotonic()
        try:
            return self._connection.look()
        finally:
            self._pace.feel(monotonic() - began)

    def _stumble(self, error: LinkError) -> float:
        if isinstance(error, RefusedError):
            self._admitted.clear()  # it lost its memory, or forgot us
        if not self._backoff.failing or str(error) != self._told:
            _LOGGER.warning("%s: %s; trying again until it works", self._endpoint, error)
        self._told = str(error)
        return self._backoff.fail_s()

    def _take(self, message: Received) -> None:
        """Hand a message out; nothing that takes long is done here."""
        task = task_of(message.order)
        if task != ROLL_CALL:  # nothing follows a roll call, so nobody has to look often
            self._pace.touch()
            self._jobs.hear(task)
        if message.verb in (Train.verb, Evaluate.verb):
            job, new = self._jobs.take(message)
            if new:
                self._spawn(message, lambda: self._work(job))
            elif job.state == "answered" and job.message is message:
                self._spawn(message, lambda: self._deliver(job))
        elif message.verb == Describe.verb:
            self._spawn(message, lambda: self._describe(message))
        else:
            self._guard(message, lambda: self._reply_at_once(message, task))

    def _spawn(self, message: Received, do: Callable[[], None]) -> None:
        name = f"{message.verb} {message.order}"
        Thread(target=self._guard, args=(message, do), daemon=True, name=name).start()

    def _guard(self, message: Received, do: Callable[[], None]) -> None:
        """Let no message end the node."""
        try:
            do()
        except FedloomError as error:
            _LOGGER.warning("%s of %s: %s", message.verb, message.order, error)
        except Exception as error:  # rubbish that nobody thought of
            _LOGGER.error("%s of %s failed", message.verb, message.order, exc_info=error)

    def _describe(self, message: Received) -> None:
        request = self._mail.read(message, _QUESTION_SECONDS)
        failed = isinstance(request, Failed)
        answer = request if failed else _handle(self._handler, request, self._stop)
        self._mail.reply(message, answer, _QUESTION_SECONDS)
        self._mail.confirm(message)

    def _reply_at_once(self, message: Received, task: str) -> None:
        answer: Answer = Done()
        if message.verb == Asked.verb:
            request = self._mail.read(message, _QUESTION_SECONDS)
            failed = isinstance(request, Failed)
            answer = request if failed else State(self._jobs.state(request.order))
        elif message.verb in (Cancel.verb, Forget.verb):
            # By the name alone: the run may be over, and the content out of reach.
            self._end(task, forget=message.verb == Forget.verb)
        else:
            answer = Failed("rejected", f"nobody here knows {message.verb!r}")
        self._mail.reply(message, answer)
        self._mail.confirm(message)

    def _end(self, task: str, *, forget: bool) -> None:
        self._jobs.cancel(task)
        if forget:
            self._jobs.forget(task)
            self._pace.rest()
            self._last.drop()
            _handle(self._handler, Forget(task), Event())

    def _work(self, job: Job) -> None:
        """Carry out an order, in a thread of its own."""
        answer = self._perform(job)
        self._jobs.finish(job, answer)
        self._deliver(job)
        self._pace.answer()
        self._wake.set()
        self._mail.confirm(job.message)

    def _perform(self, job: Job) -> Answer:
        """Read an order and carry it out: its newest message, also where that comes meanwhile.

        Raises:
            FedloomError: what belongs to it cannot be had; the job is dropped, so if it comes
                again, it is new.
        """
        while True:
            message = job.message
            try:
                over = partial(_is_over, job, message)
                request = self._mail.read(message, _CONTENT_SECONDS, over)
                return request if isinstance(request, Failed) else self._carry_out(job, request)
            except FedloomError as error:
                if not self._jobs.give_up(job, message):
                    _LOGGER.info("%s is read from a newer message: %s", job.order, error)
                    continue
                if isinstance(error, DepotDownError | DepotRefusedError) and not job.stop.is_set():
                    self._mail.reply(message, Failed("error", str(error)))
                raise

    def _carry_out(self, job: Job, request: Any) -> Answer:
        while not self._slots.acquire(timeout=1.0):
            if job.stop.is_set():
                return Failed("timeout", "it was cancelled before it began")
        try:
            job.state, began = "running", monotonic()
            answer = _handle(self._handler, request, job.stop, (LinkError,))
            job.seconds = monotonic() - began
        finally:
            if not job.abandoned:
                self._slots.release()
        return Failed("timeout", "it was cancelled") if job.stop.is_set() else answer

    def _deliver(self, job: Job) -> None:
        if job.answer is None or not self._jobs.begin_delivery(job):
            return
        try:
            while not self._jobs.end_delivery(job, self._answer(job, job.answer)):
                continue
        except BaseException:
            self._jobs.end_delivery(job)
            raise

    def _answer(self, job: Job, answer: Answer) -> Received | None:
        """Answer an order once; return the message that needs no answer any more."""
        asked = job.message
        try:
            return self._mail.deliver(lambda: job.message, answer, job.seconds)
        except FedloomError as error:
            if job.message is asked:
                raise
            _LOGGER.info("%s is answered to a newer message: %s", job.order, error)
            return asked

    def _tidy(self) -> None:
        """Give the places of handlers that do not stop to others; drop what is long over."""
        for job in self._jobs.hanging(_HANG_SECONDS):
            _LOGGER.warning("%s does not stop; it goes on without a place", job.order)
            job.abandoned = True
            self._jobs.drop(job)
            self._slots.release()
        for task in self._jobs.stale(_STALE_SECONDS):
            self._end(task, forget=True)


def _is_over(job: Job, message: Received) -> bool:
    """Return whether nobody waits for a message of a job any more."""
    return job.stop.is_set() or job.message is not message


def _handle(
    handler: Handler, request: Any, stop: Event, lost: tuple[type[Exception], ...] = ()
) -> Answer:
    """Let the handler answer; whatever it raises is an answer too, but for what counts as lost."""
    try:
        return handler.handle(request, stop)
    except lost:
        raise
    except Exception as error:
        _LOGGER.warning("%s failed", request.verb, exc_info=error)
        return Failed("error", describe_error(error))
