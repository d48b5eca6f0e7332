"""Who takes part in a task's rounds: waited for at the beginning, and looked for in each round."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from fedloom.errors import RunFailedError
from fedloom.federation.fleet import Client
from fedloom.federation.select import choose_cohort
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.platform.client.no_part import NO_PART
from fedloom.platform.coordinator.interruption import Interruption
from fedloom.platform.coordinator.recipe import Terms

__all__ = ["Gathering"]

_LOOK_S = 0.2
_SETTLE_S = 10.0
"""Seconds that nodes have to say whether they take part; idle ones look every five seconds."""

_REFUSED_S = 15.0
"""Seconds that others have to come where every node has said no; a node is asked once per task."""

_SILENT_S = 3.0
"""Seconds of waiting before the task's log says for whom."""

_NAMED = 10
_EVERYBODY = 10**9


@dataclass(frozen=True)
class Gathering:
    """Finds the clients of a task.

    Attributes:
        fleet: where they are.
        terms: of the task.
        minimum: clients without whom no round starts.
        wait_s: seconds that they are waited for.
        interruption: of the task.
        poisson: whether each joins a round independently of the others.
        select: a choice of the package's own, from a round's number and the clients online; None
            leaves it to the algorithm.
        say: takes a line about whom is waited for.
    """

    fleet: FlowerFleet
    terms: Terms
    minimum: int
    wait_s: float
    interruption: Interruption
    poisson: bool = False
    select: Callable[[int, Sequence[Client]], list[int] | None] = lambda *_: None
    say: Callable[[str], None] = lambda _: None

    def begin(self) -> Sequence[Client]:
        """Wait for the clients; all that are online get a say before the first round.

        Raises:
            RunFailedError: there are too few; the message says who there is and why others take
                no part.
            StoppedError: the task is to stop.
        """
        until = monotonic() + _SETTLE_S
        while monotonic() < until:
            self.interruption.check()
            with suppress(RunFailedError):
                self.fleet.wait_for(_EVERYBODY, _LOOK_S)
            if not self.fleet.asking:
                break
        return self._wait()

    def choose(self, number: int, _: Sequence[Client]) -> Sequence[int]:
        """Return the cohort of a round, ascending, among those online; see `LoopSettings.choose`.

        Raises:
            RunFailedError: too few are online for too long.
            StoppedError: the task is to stop.
        """
        found = self.fleet.online()
        if len(found) < self.minimum:
            self._wait()
            found = self.fleet.online()
        clients = self.fleet.clients()
        if (own := self.select(number, [clients[index] for index in found])) is not None:
            return own
        count = self.terms.count(len(found))
        seed, poisson = self.terms.seed, self.poisson
        places = choose_cohort(seed, number, len(found), count, poisson=poisson)
        return [found[place] for place in places]

    def _wait(self) -> Sequence[Client]:
        """Wait for the clients; where all nodes refuse, only a while after the last refusal."""
        began = refused_at = monotonic()
        refusals: Mapping[str, str] = {}
        said_before = ""
        while True:
            with suppress(RunFailedError):
                return self.fleet.wait_for(self.minimum, min(_LOOK_S, self.wait_s))
            self.interruption.check()
            self.fleet.clients()  # those that have come get their numbers
            found, now = len(self.fleet.online()), monotonic()
            said = dict(self.fleet.refusals())
            if found or self.fleet.asking or not said or said != refusals:
                refusals, refused_at = said, now
            there = _describe(found, self.minimum, said)
            if now - began >= _SILENT_S and there != said_before:
                self.say(f"waits for clients: {there}")
                said_before = there
            if now - began >= self.wait_s or now - refused_at >= _REFUSED_S:
                raise RunFailedError(self._explain(found, said, now - began))

    def _explain(self, found: int, refusals: Mapping[str, str], waited_s: float) -> str:
        return (
            f"{_describe(found, self.minimum, refusals)}, after {waited_s:.0f} s: start more nodes,"
            " let their owners allow it, or ask for fewer clients"
        )


def _describe(found: int, wanted: int, refusals: Mapping[str, str]) -> str:
    """Say who takes part, and why others do not."""
    asked = [item for item in sorted(refusals.items()) if not item[1].startswith(NO_PART)]
    told = [f"{name}: {why}" for name, why in asked[:_NAMED]]
    more = [f"and {len(asked) - _NAMED} more"] if len(asked) > _NAMED else []
    apart = _count_apart(len(refusals) - len(asked), others=bool(asked))
    there = "; ".join([*told, *more, *apart]) or "no other node is online"
    return f"{found} of {wanted} clients take part; {there}"


def _count_apart(count: int, *, others: bool) -> list[str]:
    """Say how many nodes have no part in it; their owners have nothing to allow."""
    if not count:
        return []
    what = "other" if others else "node"
    told = f"1 {what} has" if count == 1 else f"{count} {what}s have"
    return [f"{told} no part in the use case"]
