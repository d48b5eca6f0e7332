"""A round that fails because nodes went away is waited for, and repeated, a few times.

With one node, or a high quorum, a node that is started anew in the middle of a round would end the
task, though it is back in seconds. What a node of the cohort answered already it need not compute
again: its order is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from fedloom.federation.fleet import ClientResult, Failure
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.platform.coordinator.interruption import Interruption

__all__ = ["MOST_REPEATS", "Repeating", "is_worth_repeating"]

MOST_REPEATS = 3
"""How often one round is repeated; a package that kills its node would do so each time."""

_LOOK_S = 0.2
_GONE = frozenset({Failure.LOST, Failure.UNAVAILABLE})


@dataclass(frozen=True)
class Repeating:
    """Waits for the clients of a round that were lost.

    Attributes:
        fleet: where they are.
        interruption: of the task.
        wait_s: seconds that they are waited for each time.
        say: takes a line about whom is waited for.
    """

    fleet: FlowerFleet
    interruption: Interruption
    wait_s: float
    say: Callable[[str], None] = lambda _: None

    def wait_for(self, number: int, cohort: Sequence[int], needed: int, turn: int) -> str:
        """Wait until enough of a cohort are online to repeat its round.

        Args:
            number: of the round.
            cohort: its clients.
            needed: updates that it needs.
            turn: which repetition it would be, from 1.

        Returns:
            Why it is not repeated, to follow other words; empty where it is to be.

        Raises:
            StoppedError: the task is to stop.
            LinkError: the SuperLink stayed away for too long.
        """
        if turn > MOST_REPEATS:
            return f"; it was repeated {MOST_REPEATS} times"
        self.say(
            f"round {number}: fewer than {needed} of {len(cohort)} clients are left; waits up to"
            f" {self.wait_s:g} s for them to come back"
        )
        until = monotonic() + self.wait_s
        while len(set(cohort) & set(self.fleet.online())) < needed:
            if monotonic() >= until:
                return f"; too few came back within {self.wait_s:g} s"
            self.interruption.wait(_LOOK_S)
            self.interruption.check()
        self.say(f"round {number}: is repeated ({turn} of at most {MOST_REPEATS} times)")
        return ""


def is_worth_repeating(results: Sequence[ClientResult], needed: int) -> bool:
    """Say whether a round has too few updates, and would not if nobody had gone away."""
    accepted = sum(result.failure is None for result in results)
    gone = sum(result.failure in _GONE for result in results)
    return accepted < needed <= accepted + gone
