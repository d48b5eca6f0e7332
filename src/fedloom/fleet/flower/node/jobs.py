"""The orders that a node has: waiting, at work, answered.

An order is known by its name. It may come twice, because an answer or the order itself was lost, or
because the coordinator started anew: it is carried out once, and answered to whoever asked last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Lock
from time import monotonic

from fedloom.fleet.flower.codec import task_of
from fedloom.fleet.flower.messages import Answer
from fedloom.fleet.flower.node.mail import Received

__all__ = ["Job", "Jobs"]

_KEPT = 8
"""Answers kept, so that an order that comes again need not be carried out again."""


@dataclass(eq=False)
class Job:
    """One order.

    Attributes:
        order: its name.
        message: the one to answer; the newest of several.
        stop: set when the answer is no longer wanted.
        state: ``waiting``, ``running`` or ``answered``.
        answer: once there is one.
        seconds: that the handler took.
        delivering: whether the answer is on its way; large ones take long.
    """

    order: str
    message: Received
    stop: Event = field(default_factory=Event)
    state: str = "waiting"
    answer: Answer | None = None
    seconds: float = 0.0
    delivering: bool = False
    stopped_at: float | None = None
    abandoned: bool = False

    @property
    def task(self) -> str:
        """The task it belongs to, by its name."""
        return task_of(self.order)


class Jobs:
    """All orders of a node; safe to use from many threads."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._jobs: dict[str, Job] = {}
        self._heard: dict[str, float] = {}
        self._lock, self._clock = Lock(), clock

    def take(self, message: Received) -> tuple[Job, bool]:
        """Return the job of an order and whether it is new; one that was cancelled begins anew.

        The newest message is the one to answer, whichever came last: what a coordinator left that
        was killed may still be handed out after what the next one sent.
        """
        with self._lock:
            job = self._jobs.get(message.order)
            if job is not None and not job.stop.is_set():
                if message.created_at >= job.message.created_at:
                    job.message = message
                return job, False
            job = self._jobs[message.order] = Job(message.order, message)
            return job, True

    def state(self, order: str) -> str:
        """Return where an order is; ``unknown`` if it never came."""
        with self._lock:
            job = self._jobs.get(order)
            if job is None or job.stop.is_set():
                return "unknown"
            # Whoever hears twice that it was answered takes the answer for lost.
            return "running" if job.delivering else job.state

    def begin_delivery(self, job: Job) -> bool:
        """Note that somebody delivers the answer; return False where another does already."""
        with self._lock:
            begun, job.delivering = not job.delivering, True
            return begun

    def end_delivery(self, job: Job, answered: Received | None = None) -> bool:
        """Note that an answer was delivered, or could not be.

        Args:
            job: whose it is.
            answered: the message to which, or which cannot be answered any more; None gives up.

        Returns:
            False where the order came once more meanwhile, and has to be answered again.
        """
        with self._lock:
            again = answered is not None and job.message is not answered
            job.delivering = again
            return not again

    def finish(self, job: Job, answer: Answer) -> None:
        """Keep an answer, and drop those of before if there are too many."""
        with self._lock:
            job.answer, job.state = answer, "answered"
            answered = [name for name, j in self._jobs.items() if j.state == "answered"]
            for name in answered[:-_KEPT]:
                del self._jobs[name]
            for name in answered:  # of a task, only what it asked last can be asked for again
                if self._jobs.get(name) not in (None, job) and self._jobs[name].task == job.task:
                    del self._jobs[name]

    def cancel(self, task: str) -> None:
        """Stop the jobs of a task."""
        with self._lock:
            for job in self._jobs.values():
                if job.task == task and job.state != "answered":
                    job.stop.set()
                    job.stopped_at = job.stopped_at or self._clock()

    def forget(self, task: str) -> None:
        """Stop the jobs of a task and drop its answers."""
        self.cancel(task)
        with self._lock:
            self._heard.pop(task, None)
            kept = {n: j for n, j in self._jobs.items() if j.task != task or j.stop.is_set()}
            self._jobs = kept

    def hear(self, task: str) -> None:
        """Note that a message of a task came."""
        with self._lock:
            self._heard[task] = self._clock()

    def stale(self, since_s: float) -> list[str]:
        """Return the tasks without a message for so long and without a job at work."""
        with self._lock:
            working = {j.task for j in self._jobs.values() if j.state != "answered"}
            old = self._clock() - since_s
            return [t for t, at in self._heard.items() if at < old and t not in working]

    def stop_all(self) -> None:
        """Stop every job."""
        for task in {job.task for job in list(self._jobs.values())}:
            self.cancel(task)

    def drop(self, job: Job) -> None:
        """Forget a job."""
        with self._lock:
            self._drop(job)

    def give_up(self, job: Job, message: Received) -> bool:
        """Forget a job whose message cannot be read; return False where a newer one has come."""
        with self._lock:
            if job.message is not message and not job.stop.is_set():
                return False
            self._drop(job)
            return True

    @property
    def busy(self) -> bool:
        """Whether a handler is at work or about to be."""
        with self._lock:
            return any(j.state != "answered" and not j.abandoned for j in self._jobs.values())

    def hanging(self, since_s: float) -> list[Job]:
        """Return the jobs that were stopped so long ago and are still at work."""
        with self._lock:
            return [
                job
                for job in self._jobs.values()
                if job.stopped_at is not None
                and not job.abandoned
                and job.state == "running"
                and self._clock() - job.stopped_at > since_s
            ]

    def _drop(self, job: Job) -> None:
        if self._jobs.get(job.order) is job:
            del self._jobs[job.order]
