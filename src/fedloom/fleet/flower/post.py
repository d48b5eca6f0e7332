"""Letters to nodes that get there, and answers that get back, through every outage.

Flower hands out a message once and an answer once. What was on the way when something died is lost,
and nobody is told. So a letter that stays unanswered is asked after, and sent again where the node
does not know it or its answer was lost; its name stays the same, so that the node carries it out
once. A Flower run that is over (its claim ends after a minute without a sign of life) is replaced.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from threading import Event
from time import monotonic
from typing import Any, TypeVar

from fedloom.errors import DataError, IncompatibleError
from fedloom.fleet.flower.channel import Arrival, Channel, NodeSeen
from fedloom.fleet.flower.codec import check_protocol, decode
from fedloom.fleet.flower.endpoint import LinkDownError, RefusedError
from fedloom.fleet.flower.letters import Letter, Lost, Patience, ask_after
from fedloom.fleet.flower.messages import Evaluate, Failed, State, Tempo, Train
from fedloom.fleet.flower.pulling import ObjectGoneError, ObjectPendingError
from fedloom.fleet.flower.unpack import Incoming

__all__ = ["Post"]

_LOGGER = logging.getLogger(__name__)

_Result = TypeVar("_Result")
_RUN_OVER = frozenset({401, 403})
_FIRST_SECONDS, _LAST_SECONDS = 0.2, 3.0
_ARRIVING = object()
"""An answer that was announced and is still being uploaded."""

_AT_ONCE = 20
"""Letters in a request: what they hold must be sent within one upload's time, however slow."""

_SECOND_LOOK_SECONDS = 2.0
"""Between looks whether a node has come back that seemed to be gone."""

_IDLE_LOOKS = 2.5
"""A node that was idle may take two of its long waits to see a letter and say so."""

_STOCK_SECONDS = 300.0
"""A stock node hears no question while it is at work, and starts a process for each."""

_MOST_CLAIMS = 2
"""A node that says so often that it has answered has; the answer was lost."""


class Post:
    """The letters of one coordinator; for one thread.

    Args:
        open_channel: claims a Flower run.
        task: for which the letters are.
        patience: how long is waited.
        stop: set when the coordinator no longer wants to wait.
    """

    def __init__(
        self, open_channel: Callable[[], Channel], task: str, patience: Patience, stop: Event
    ) -> None:
        self._open, self._task, self._patience, self._stop = open_channel, task, patience, stop
        self._letters: list[Letter] = []
        self._arriving: list[Arrival] = []
        self._read_already: list[Arrival] = []
        self._late: set[str] = set()
        self._back_at = self._second_look_at = -float("inf")
        self.tempo = Tempo()
        self._channel: Channel | None = None

    @property
    def run_id(self) -> int:
        """The number of the Flower run; another one after a long outage."""
        return 0 if self._channel is None else self._channel.run_id

    def nodes(self) -> list[NodeSeen]:
        """Return the nodes that are online."""
        return self._persist(lambda channel: channel.nodes())

    def send(self, letters: Sequence[Letter]) -> None:
        """Send letters; what several of them share is sent once."""
        for start in range(0, len(letters), _AT_ONCE):
            self._send_some(letters[start : start + _AT_ONCE])

    def _send_some(self, letters: Sequence[Letter]) -> None:
        self._persist(lambda channel: channel.send([one.address(channel) for one in letters]))
        for letter in letters:
            letter.heard_at = monotonic()
            if letter not in self._letters:
                self._letters.append(letter)

    def look(self, limit: int | None = None) -> Iterator[tuple[Letter, Any]]:
        """Yield what has come since the last look: letters with their answers, or `Lost`.

        The content of an answer is pulled when its turn comes: one is in memory at a time.

        Args:
            limit: bytes of arrays that are accepted in an answer.
        """
        arrived = self._persist(lambda channel: channel.collect(self._ids(channel)))
        arrivals, self._arriving = [*self._arriving, *arrived], []
        for arrival in arrivals:
            letter = next((x for x in self._letters if x.message_id == arrival.reply_to), None)
            if letter is None:
                self._late.discard(arrival.reply_to)
                answer = None
            else:
                answer = self._open_letter(letter, arrival, limit)
            if answer is _ARRIVING:
                self._arriving.append(arrival)
                continue
            if letter is not None and answer is not None:
                self._letters.remove(letter)
                yield letter, answer
            del answer
            self._read_already.append(arrival)
        if not arrivals:
            self._confirm()
        yield from self._look_after()

    def drop(self, letters: Sequence[Letter]) -> None:
        """Wait for letters no longer; what still comes of them is thrown away."""
        gone = [one for one in self._letters if one in letters or one.about in letters]
        self._late |= {one.message_id for one in gone}
        self._letters = [one for one in self._letters if one not in gone]

    def close(self, failure: str = "") -> None:
        """End the Flower run; what cannot be tidied up now is no reason to wait."""
        channel, self._channel = self._channel, None
        self._read_already.clear()  # the SuperLink drops all of a run that is over
        if channel is not None:
            channel.close(failure=failure)

    def _confirm(self) -> None:
        """Let the SuperLink drop what was read; nobody waits for that, so it comes last."""

        def confirm_last(channel: Channel) -> None:
            if self._read_already:  # none of a run that was replaced while this was tried
                channel.confirm(self._read_already[-1])

        while self._read_already:
            self._persist(confirm_last)
            del self._read_already[-1:]

    def _ids(self, channel: Channel) -> list[str]:
        """Return the messages of a run that may be answered; it refuses those of another."""
        mine = [one for one in self._letters if one.run_id == channel.run_id]
        here = [one.message_id for one in mine if one.doubted_at is None]
        return [*here, *self._late]

    def _open_letter(self, letter: Letter, arrival: Arrival, limit: int | None) -> Any:
        """Return the answer to a letter, or None where another may still come."""
        if arrival.trouble:
            return self._repair(letter, arrival.trouble)
        try:
            answer = self._read(letter, arrival, limit)
            if answer is _ARRIVING:
                return answer
        except ObjectGoneError as error:
            return self._repair(letter, str(error))
        except (DataError, IncompatibleError) as error:
            answer = Failed("rejected", str(error))
        if letter.about is None:
            return answer
        self._letters.remove(letter)
        if isinstance(answer, State):
            self._hear(letter.about, answer.state)
        return None

    def _read(self, letter: Letter, arrival: Arrival, limit: int | None) -> Any:
        """Return an answer; while it is being uploaded, `_ARRIVING`, and others have their turn."""
        until = monotonic() + self._patience.upload_s

        def pull(object_id: str) -> bytes:
            return self._persist(
                lambda channel: channel.pull(
                    object_id, until=lambda: self._stop.is_set() or monotonic() > until
                )
            )

        def pull_now(object_id: str) -> bytes:
            return self._persist(lambda channel: channel.pull(object_id, until=lambda: True))

        unload = None if letter.receipt is None else letter.receipt.unload
        incoming = Incoming(arrival.proto, arrival.tree, pull, limit=limit, unload=unload)
        try:
            incoming.fetch_last(pull_now)
        except ObjectPendingError:
            letter.arriving_at = letter.arriving_at or monotonic()
            if monotonic() - letter.arriving_at < self._patience.upload_s:
                return _ARRIVING
            raise
        check_protocol(incoming.header())
        return decode(incoming.header(), incoming.arrays())

    def _repair(self, letter: Letter, trouble: str) -> Lost | None:
        """Have a letter sent again where that may help, or say that it is lost."""
        if letter.about is not None:
            self._letters.remove(letter)
            return None
        if letter.sent > self._patience.resends:
            return Lost(trouble)
        letter.again = True  # unless a second look finds the node offline
        return None

    def _hear(self, letter: Letter, state: str) -> None:
        """Take in where a node is with a letter."""
        letter.heard_at = monotonic()
        letter.claims += state == "answered"
        if state == "unknown" or letter.claims >= _MOST_CLAIMS:
            _LOGGER.info("node %d: order %s is sent again", letter.node_id, state)
            letter.again, letter.claims = True, 0

    def _look_after(self) -> Iterator[tuple[Letter, Any]]:
        """Send again what was lost, and ask after what is silent."""
        if monotonic() >= self._second_look_at:
            yield from self._look_again()
        asked = {id(one.about) for one in self._letters if one.about is not None}
        self.send(
            [
                ask_after(one, self._task, self.tempo)
                for one in self._letters
                if one.about is None
                and one.doubted_at is None
                and self._is_silent(one)
                and id(one) not in asked
            ]
        )

    def _look_again(self) -> Iterator[tuple[Letter, Any]]:
        """Send again what has to be, to those that are online; the others' may be lost."""
        again = [one for one in self._letters if one.again]
        if not again:
            return
        online = {node.node_id for node in self.nodes()}
        away = [one for one in again if one.node_id not in online]
        lost = [one for one in away if not self._may_return(one)]
        if len(lost) < len(away):
            self._second_look_at = monotonic() + _SECOND_LOOK_SECONDS
        for letter in lost:
            self._letters.remove(letter)
            yield letter, Lost("the node is offline")
        self.send([one for one in again if one not in away])

    def _may_return(self, letter: Letter) -> bool:
        """Return whether the node of a letter, which is offline, may soon be back."""
        now = monotonic()
        letter.doubted_at = letter.doubted_at or now
        recovering = now - self._back_at < self._patience.return_s
        return recovering or now - letter.doubted_at < self.tempo.grace_s

    def _is_silent(self, letter: Letter) -> bool:
        patience_s = max(self._patience.ask_s, _IDLE_LOOKS * self.tempo.idle_s)
        if not letter.inside and letter.verb in (Train.verb, Evaluate.verb):
            patience_s = max(patience_s, _STOCK_SECONDS)
        return monotonic() - letter.heard_at > patience_s

    def _persist(self, do: Callable[[Channel], _Result]) -> _Result:
        """Do something, waiting for the SuperLink while it is away.

        Raises:
            LinkDownError: it stayed away for too long, or nobody wants to wait.
            RefusedError: it does not let us open a run.
        """
        since, delay = monotonic(), _FIRST_SECONDS
        while True:
            try:
                result = self._attempt(do)
            except LinkDownError as error:
                away = monotonic() - since
                if away > self._patience.outage_s or self._stop.wait(delay):
                    raise LinkDownError(f"{error}; given up after {away:.0f} s") from error
                delay, self._back_at = min(_LAST_SECONDS, delay * 2), monotonic()
            else:
                return result

    def _attempt(self, do: Callable[[Channel], _Result]) -> _Result:
        if self._channel is None:
            self._channel = self._open()
        try:
            return do(self._channel)
        except RefusedError as error:
            if error.status not in _RUN_OVER:
                raise
            _LOGGER.warning("Flower run %d is over (%s); a new one is opened", self.run_id, error)
            self._renew()
            raise LinkDownError(str(error)) from error

    def _renew(self) -> None:
        """Replace the Flower run; whatever is unanswered is sent again over the new one."""
        for lost in (self._late, self._arriving, self._read_already):
            lost.clear()
        self.close()
        self._letters = [one for one in self._letters if one.about is None]
        for letter in self._letters:
            letter.again = True
