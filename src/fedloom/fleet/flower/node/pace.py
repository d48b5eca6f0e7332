"""How long a node waits before it looks for messages again."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from time import monotonic

from fedloom.fleet.flower.messages import Tempo

__all__ = ["Backoff", "Pace"]

_KEEN_SECONDS = 5.0
"""How long after the last event a next step is thought to be due."""

_BUSY_SECONDS = 1.0
"""Between looks while a handler is at work: only a cancellation can come."""

_SLOWING = 0.1
"""By how much a wait grows with the seconds that nothing has happened."""

_JITTER = 0.2

_MOST_GAP_SECONDS, _MOST_GAP_LOOKS = 2.0, 3.0
"""Half of the usual time between answer and next order is not looked, but no longer than this, or
than so many looks."""

_FRESH = 0.3
"""Share of the last request in what is thought of the SuperLink's slowness."""

_EASE_TIMES, _MOST_EASE_SECONDS = 8.0, 15.0
"""A wait is so many times what a request takes: nodes that are many leave a busy SuperLink room for
what matters, without knowing of each other."""

_NEW_SECONDS, _NEW_LOOK_SECONDS = 8.0, 1.5
"""A node that has just come is soon asked who it is, and looks that often so long.

Many may come at once, as after an outage, so this is no more often than a SuperLink bears."""

_QUIET_SECONDS, _QUIET_TIMES = 60.0, 3.0
_BEAT_SHARES = 0.7, 0.9
"""Signs of life come after some share of the interval that was promised, so that those of many
nodes do not come at once. A SuperLink waits for twice the interval; what is lost is repeated."""

_BEAT_TIMES = 20.0
"""The interval of signs of life is so many times what a request takes: those of all must get in."""

_STRAIN_SECONDS = 0.2
"""A SuperLink that takes so long is busy."""

_MISSED_SECONDS, _AT_ONCE_SECONDS = 15.0, 1.0


class Pace:
    """The rhythm of looks: quick while something is due, then slower, then idle.

    Args:
        clock: gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.tempo = Tempo()
        self._clock, self._random = clock, Random()
        self._last = self._came = -float("inf")
        self._answered: float | None = None
        self._gap = self._slowness = 0.0
        self._beat_at, self._promised = -float("inf"), float("inf")
        self._missed = Backoff(_MISSED_SECONDS)

    def touch(self) -> None:
        """Note that something happened, so that more may follow soon."""
        self._last = self._clock()
        if self._answered is not None:
            self._gap, self._answered = self._last - self._answered, None

    def answer(self) -> None:
        """Note that an order was answered: the next comes about as long after as the last did."""
        self.touch()
        self._answered = self._last

    def arrive(self) -> None:
        """Note that the node was let in just now, which was a sign of life as well."""
        self._came = self._clock()
        self._promise()

    def feel(self, seconds: float) -> None:
        """Note how long a request took; a SuperLink that is slow is asked less often."""
        self._slowness += _FRESH * (seconds - self._slowness)

    def rest(self) -> None:
        """Note that a task is over: looks become rarer at once, but not rare at once.

        The next task often comes a second later, and should not have to wait for the idle look.
        """
        self._last = min(self._last, self._clock() - _KEEN_SECONDS)
        self._answered = None

    @property
    def strained(self) -> bool:
        """Whether the SuperLink is so busy that it should be spared what nobody waits for."""
        return self._slowness > _STRAIN_SECONDS

    @property
    def heartbeat_s(self) -> float:
        """The interval of signs of life: longer while nothing happens, or requests take long."""
        quiet = self._clock() - self._last > _QUIET_SECONDS
        interval = self.tempo.heartbeat_s * (_QUIET_TIMES if quiet else 1.0)
        return min(1800.0, max(interval, _BEAT_TIMES * self._slowness))

    def beat_due(self) -> bool:
        """Return whether a sign of life is due, and count it as given if so."""
        now, interval = self._clock(), self.heartbeat_s
        if interval < self._promised:  # many nodes hear of a task at the same time
            spread = max(0.0, self.tempo.active_s - _AT_ONCE_SECONDS)
            self._beat_at = min(self._beat_at, now + self._random.uniform(0.0, spread))
            self._promised = interval
        if now < self._beat_at:
            return False
        self._promise()
        return True

    def note_beat(self, *, given: bool) -> None:
        """Note whether a sign of life arrived; one that did not is given again soon."""
        if given:
            self._missed.succeed()
            return
        self._beat_at = min(self._beat_at, self._clock() + self._missed.fail_s())

    def wait_s(self, *, busy: bool) -> float:
        """Return the seconds until the next look, with some jitter.

        Args:
            busy: whether a handler is at work.
        """
        tempo, due = self.tempo, 0.0
        if self._answered is not None:
            most = max(_MOST_GAP_SECONDS, _MOST_GAP_LOOKS * tempo.active_s)
            early = self._answered + min(most, self._gap / 2)
            due = max(0.0, early - self._clock())
        if busy:
            wait = max(_BUSY_SECONDS, tempo.active_s)
        else:
            quiet = max(0.0, self._clock() - self._last - _KEEN_SECONDS)
            wait = min(tempo.idle_s, tempo.active_s + _SLOWING * quiet)
            if self._clock() - self._came < _NEW_SECONDS:
                wait = min(wait, max(_NEW_LOOK_SECONDS, tempo.active_s))
        ease = min(_MOST_EASE_SECONDS, _EASE_TIMES * self._slowness)
        return max(due, wait, ease) * (1 + self._random.uniform(-_JITTER, _JITTER))

    def _promise(self) -> None:
        """Count a sign of life as given now."""
        self._promised = self.heartbeat_s
        self._beat_at = self._clock() + self._promised * self._random.uniform(*_BEAT_SHARES)


class Backoff:
    """Growing waits after failures in a row, with jitter, from half a second to `most_s`."""

    def __init__(self, most_s: float = 15.0) -> None:
        self._most, self._failures, self._random = most_s, 0, Random()

    @property
    def failing(self) -> bool:
        """Whether the last try failed."""
        return self._failures > 0

    def succeed(self) -> None:
        """Note that a try went well."""
        self._failures = 0

    def fail_s(self) -> float:
        """Note a failure; return the seconds to wait."""
        self._failures += 1
        most = min(self._most, 0.5 * 2.0 ** min(self._failures - 1, 10))
        return most * self._random.uniform(0.5, 1.0)
