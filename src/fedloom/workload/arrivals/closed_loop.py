"""Closed loops: users who wait for their answer, think, and ask again."""

from __future__ import annotations

from array import array
from heapq import heapify, heapreplace

import numpy as np
from numpy.typing import NDArray

from fedloom.errors import InputError
from fedloom.randomness import derive_generator
from fedloom.workload.arrivals.pieces import FAR_US
from fedloom.workload.arrivals.settings import ClosedLoop
from fedloom.workload.units import MICROSECONDS

__all__ = ["ClosedLoopUsers"]

Whole = NDArray[np.int64]

MOST_USERS = 1_000_000


class ClosedLoopUsers:
    """The users of a closed loop, and when each asks next.

    The workload is made before anything is scheduled, so an answer is taken to come after the
    critical path of its request: the least it can take. The simulator knows better and uses the
    real end; both use the same think times.

    Who is free first sends the next request; of several, the one with the lowest number. Each
    user has draws of their own: with more users, the others think as before.

    Args:
        settings: how many users, and how they think.
        duration_us: no request is sent at this time or later.
        seed: of the workload.
        key: tells this loop from others of the same seed, such as a tenant's.

    Raises:
        InputError: there are too many users, or the duration is not positive.

    Example:
        >>> loop = ClosedLoop(users=1, think_seconds=2, think_law="fixed")
        >>> users = ClosedLoopUsers(loop, duration_us=8_000_000, seed=42)
        >>> [column.tolist() for column in users.next_block(np.array([3_000_000, 500_000]))]
        [[2000000, 7000000], [-1, 0], [2000000, 2000000]]
    """

    def __init__(self, settings: ClosedLoop, *, duration_us: int, seed: int, key: str = "") -> None:
        if settings.users > MOST_USERS:
            raise InputError(
                f"a closed loop of {settings.users:,} users; at most {MOST_USERS:,} are followed"
            )
        if not 0 < duration_us <= FAR_US:
            raise InputError(
                f"the duration is {duration_us / MICROSECONDS:g} seconds; give more than 0 and "
                f"at most {FAR_US / MICROSECONDS:.0f}"
            )
        self._duration_us = duration_us
        self._thoughts = _Thoughts(settings, seed, key)
        self._count = settings.users
        self._pause = [self._thoughts.next_us(user) for user in range(settings.users)]
        # A user who is free at a time is the one number time · users + user: quick to compare.
        self._free = [pause * settings.users + user for user, pause in enumerate(self._pause)]
        heapify(self._free)
        self._last = [-1] * settings.users
        self._sent = 0

    def next_block(self, critical_us: Whole) -> tuple[Whole, Whole, Whole]:
        """Send the next requests.

        Args:
            critical_us: [n] the critical paths of the requests that come next, in order.

        Returns:
            For each request, of which there are fewer than n when the duration ends: when it is
            sent (microseconds since the start, ascending), the number of the request whose
            answer its user waited for (−1: none), and how long the user thought after it.

        Raises:
            InputError: a critical path is negative, or no time passes between requests.
        """
        if len(critical_us) and critical_us.min() < 0:
            raise InputError(f"a critical path is {critical_us.min()} µs; give at least 0")
        sent = self._send(critical_us.tolist())
        times, after, think = (np.array(column, dtype=np.int64) for column in sent)
        stands = len(times) > self._count and times[0] == times[-1]
        if stands and not think.any() and not critical_us.any():
            raise InputError(
                "the requests of the closed loop take no time and its users do not think, so it "
                "never gets on; set think_seconds above 0"
            )
        return times, after, think

    def _send(self, critical_us: list[int]) -> tuple[list[int], list[int], list[int]]:
        free, last, pause, users = self._free, self._last, self._pause, self._count
        next_us, duration_us, number = self._thoughts.next_us, self._duration_us, self._sent
        times: list[int] = []
        after: list[int] = []
        think: list[int] = []
        for critical in critical_us:
            time_us, user = divmod(free[0], users)
            if time_us >= duration_us:
                break
            times.append(time_us)
            after.append(last[user])
            think.append(pause[user])
            last[user] = number
            number += 1
            pause[user] = thought = next_us(user)
            heapreplace(free, (time_us + critical + thought) * users + user)
        self._sent = number
        return times, after, think


class _Thoughts:
    """Times of thinking, microseconds: a stream for each user.

    Deriving a generator costs as much as a dozen requests, so the first times of a user are drawn
    together with those of 1,023 others, and the later ones some dozen at a time.
    """

    EARLY, GROUP, LATER = 16, 1_024, 64

    def __init__(self, settings: ClosedLoop, seed: int, key: str) -> None:
        self._mean_us = min(settings.think_seconds * MICROSECONDS, float(FAR_US))
        self._fixed = settings.think_law == "fixed"
        self._seed, self._key = seed, key
        self._drawn = [0] * settings.users
        self._early = array("q")
        self._later: dict[int, array[int]] = {}
        for first in range(0, settings.users, self.GROUP):
            group = min(self.GROUP, settings.users - first)
            self._early.extend(self._draw(group * self.EARLY, "group", first // self.GROUP))

    def next_us(self, user: int) -> int:
        """Return the next time of thinking of a user."""
        drawn = self._drawn[user]
        self._drawn[user] = drawn + 1
        if drawn < self.EARLY:
            return self._early[user * self.EARLY + drawn]
        block, place = divmod(drawn - self.EARLY, self.LATER)
        if place == 0:
            self._later[user] = self._draw(self.LATER, "user", user, block)
        return self._later[user][place]

    def _draw(self, count: int, *parts: int | str) -> array[int]:
        if self._fixed:
            return array("q", [round(self._mean_us)]) * count
        generator = derive_generator(self._seed, "arrivals-think", self._key, *parts)
        thoughts = np.rint(generator.standard_exponential(count) * self._mean_us)
        return array("q", thoughts.astype(np.int64).tobytes())
