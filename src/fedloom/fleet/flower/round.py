"""One round over the post: orders out, updates folded as they arrive, until it is time to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil, inf
from threading import Event
from time import monotonic
from typing import Any

from fedloom.errors import RunFailedError
from fedloom.federation.fleet import ClientResult, Failure, Order
from fedloom.fleet.flower.letters import Letter, Lost
from fedloom.fleet.flower.post import Post

__all__ = ["Ending", "Quorum", "collect", "name_missing", "refuse_too_few", "until_in"]

_LOOK_SECONDS, _SLOW_LOOK_SECONDS = 0.1, 1.0
_SLOWING = 0.05
_MOST_PAUSE_SECONDS = 2.0

_NAMED = 5
"""Failures told in an error; the rest is in the log."""


@dataclass(frozen=True)
class Quorum:
    """How many answers a round waits for.

    Attributes:
        minimum: accepted updates below which the run ends; 0 lets a round go by without any.
        share: of the cohort; once so many have answered, the others have only `grace_s` more.
        grace_s: seconds that stragglers have after that; None for as long as the deadline allows.
    """

    minimum: int = 0
    share: float = 1.0
    grace_s: float | None = None


@dataclass
class Ending:
    """When a round ends though not everybody has answered.

    Attributes:
        until: the deadline, on the clock of `time.monotonic`.
        stop: set when the round is cancelled.
        quorum: who is waited for.
        cohort: how many were asked.
        usual_s: after which the first answer came the last time; from now on, this time.
    """

    until: float
    stop: Event
    quorum: Quorum
    cohort: int
    usual_s: float = 0.0
    answered: int = 0
    _enough_at: float = field(default=inf, repr=False)

    @property
    def pause_s(self) -> float:
        """How long nobody can have answered yet, going by the round before."""
        return min(_MOST_PAUSE_SECONDS, self.usual_s / 2)

    def count(self, after_s: float) -> None:
        """Note an answer, so many seconds after the orders."""
        if not self.answered:
            self.usual_s = after_s
        self.answered += 1
        if self.answered >= ceil(self.quorum.share * self.cohort):
            self._enough_at = min(self._enough_at, monotonic())

    @property
    def failure(self) -> Failure | None:
        """As what those count who have not answered; None while they still may."""
        now = monotonic()
        if self.stop.is_set() or now >= self.until:
            return Failure.TIMEOUT
        grace = self.quorum.grace_s
        if grace is not None and now >= self._enough_at + grace:
            return Failure.STRAGGLER
        return None


def collect(
    post: Post,
    waiting: dict[Letter, int],
    take: Callable[[int, Any], None],
    other: Callable[[Letter, Any], bool],
    ending: Ending,
    limit: int | None = None,
) -> dict[int, ClientResult]:
    """Hand over answers as they arrive; return a result for each client that gave none.

    Args:
        post: that the letters were sent with.
        waiting: the client of each letter; emptied on the way.
        take: gets a client and its answer; nothing of it is kept here.
        other: gets answers to letters that are not among these.
        ending: tells when to give up.
        limit: bytes of arrays that are accepted in an answer.
    """
    results: dict[int, ClientResult] = {}
    began = heard = monotonic()
    ending.stop.wait(min(ending.pause_s, max(0.0, ending.until - began)))
    while waiting and ending.failure is None:
        for letter, answer in post.look(limit):
            client = waiting.pop(letter, None)
            if client is None:
                other(letter, answer)
                continue
            heard = monotonic()
            ending.count(heard - began)
            if isinstance(answer, Lost):
                results[client] = ClientResult(client, Failure.LOST, answer.reason)
            else:
                take(client, answer)
            del answer
        if waiting:
            ending.stop.wait(_next_look(heard, ending))
    results |= name_missing(waiting.values(), ending)
    post.drop(list(waiting))
    return results


def refuse_too_few(
    order: Order,
    quorum: Quorum,
    results: Mapping[int, ClientResult],
    name: Callable[[int], str],
) -> None:
    """Refuse a round with fewer updates than the quorum's minimum.

    Raises:
        RunFailedError: there are fewer; it says how the clients failed.
    """
    accepted = sum(result.failure is None for result in results.values())
    needed = min(quorum.minimum, len(order.cohort))
    if accepted >= needed:
        return
    failed = [results[c] for c in sorted(results) if results[c].failure is not None]
    why = "; ".join(f"{name(r.client)} {r.failure}: {r.failure_detail}" for r in failed[:_NAMED])
    raise RunFailedError(
        f"round {order.round}: {accepted} of {len(order.cohort)} clients gave an update, "
        f"{needed} are needed; {why}"
    )


def until_in(seconds: float | None) -> float:
    """Return the time in so many seconds, on the clock of `time.monotonic`; None is never."""
    return inf if seconds is None else monotonic() + seconds


def _next_look(heard: float, ending: Ending) -> float:
    """Return the seconds to the next look: the longer nothing came, the more."""
    now = monotonic()
    wait = min(_SLOW_LOOK_SECONDS, max(_LOOK_SECONDS, _SLOWING * (now - heard)))
    return max(0.0, min(wait, ending.until - now))


def name_missing(clients: Iterable[int], ending: Ending) -> dict[int, ClientResult]:
    """Return the results of those who have not answered when a round ended."""
    failure = ending.failure
    if failure is None:
        return {}
    if ending.stop.is_set():
        reason = "the round was cancelled before it answered"
    elif failure is Failure.STRAGGLER:
        reason = f"{ending.answered} of {ending.cohort} had answered; it was not waited for"
    else:
        reason = "it did not answer before the deadline"
    return {client: ClientResult(client, failure, reason) for client in clients}
