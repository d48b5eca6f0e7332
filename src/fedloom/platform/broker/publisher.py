"""Sending what waits in the outbox, in a thread of its own, so that nobody waits for the broker."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING

from fedloom.errors import FedloomError
from fedloom.platform.broker.broker import Broker
from fedloom.platform.broker.confirms import Confirms
from fedloom.platform.broker.outbox import Outbox, OutgoingMessage
from fedloom.platform.broker.pause import Pause
from fedloom.platform.task import Queue

if TYPE_CHECKING:
    from kombu import Connection, Producer

__all__ = ["Publisher", "PublisherState"]

_LOGGER = logging.getLogger(__name__)
_BATCH = 100
_LEASE_S = 60.0
_PERSISTENT = 2


@dataclass(frozen=True)
class PublisherState:
    """How a publisher is doing, for a probe of readiness and for `/metrics`.

    Attributes:
        connected: whether it has a connection to the broker.
        sent: messages that the broker has confirmed.
        failures: connections that were lost or refused.
        last_error: the latest of them in one line, or None.
    """

    connected: bool = False
    sent: int = 0
    failures: int = 0
    last_error: str | None = None


class Publisher:
    """Sends the messages of an outbox, each at least once, in the order of the outbox.

    Messages are persistent, and forgotten only when the broker has confirmed them. While the broker
    or the store cannot be reached they wait in the outbox; the publisher tries again after pauses
    that grow to ten seconds.

    Args:
        broker: where to send.
        outbox: where messages wait.
        poll_s: seconds after which it looks into the outbox without having been woken.
    """

    def __init__(self, broker: Broker, outbox: Outbox, *, poll_s: float = 1.0) -> None:
        self._broker, self._outbox = broker, outbox
        self._poll_s = min(poll_s, broker.heartbeat_s / 4)
        self._stop, self._woken = Event(), Event()
        self._thread = Thread(target=self._run, name="fedloom-publisher", daemon=True)
        self._connected = False
        self._sent = self._failures = 0
        self._last_error: str | None = None

    @property
    def state(self) -> PublisherState:
        """How it is doing now."""
        return PublisherState(self._connected, self._sent, self._failures, self._last_error)

    def start(self) -> None:
        """Begin; returns at once, whether or not the broker is there."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something in the outbox; returns at once."""
        self._woken.set()

    def stop(self, timeout_s: float = 15.0) -> bool:
        """End; return whether it has ended within the time.

        What is left in the outbox waits for the next one.
        """
        self._stop.set()
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        pause = Pause(self._stop)
        while not self._stop.is_set():
            try:
                with self._broker.connect() as connection:
                    self._serve(connection, pause)
            except FedloomError as error:
                self._note(error)
            except Exception as error:
                # Whatever it is, messages must go out again when it is over.
                _LOGGER.exception("the publisher met what it does not know")
                self._note(error)
            finally:
                self._connected = False
            if not self._stop.is_set():
                pause.wait()

    def _serve(self, connection: Connection, pause: Pause) -> None:
        channel = connection.default_channel
        self._broker.declare(channel)
        producer = connection.Producer(channel)
        confirms = Confirms(connection, channel, in_memory=self._broker.in_memory)
        self._connected = True
        while not self._stop.is_set():
            self._woken.clear()
            while self._send_batch(producer, confirms):
                pass
            pause.reset()
            self._woken.wait(self._poll_s)
            _keep_alive(connection)

    def _send_batch(self, producer: Producer, confirms: Confirms) -> bool:
        """Send some; return whether there may be more."""
        messages = self._outbox.take_outbox(limit=_BATCH, lease_s=_LEASE_S)
        ids = [message.id for message in messages]
        if not ids:
            return False
        try:
            for message in messages:
                self._send(producer, confirms, message)
            confirms.wait(self._broker.confirm_timeout_s)
        except BaseException:
            self._tell_store(self._outbox.release_outbox, ids)
            raise
        self._sent += len(ids)
        self._tell_store(self._outbox.mark_sent, ids)
        return len(ids) == _BATCH and not self._stop.is_set()

    def _send(self, producer: Producer, confirms: Confirms, message: OutgoingMessage) -> None:
        try:
            queue = Queue(message.queue)
        except ValueError:
            _LOGGER.error("message %d is for %r, which is no queue", message.id, message.queue)
            return
        producer.publish(
            message.body.encode(),
            exchange=self._broker.exchange(),
            routing_key=self._broker.name_queue(queue),
            content_type="application/json" if queue is Queue.DISPATCH else "text/plain",
            content_encoding="utf-8",
            delivery_mode=_PERSISTENT,
            expiration=self._broker.message_ttl_s,
        )
        confirms.count()

    def _tell_store(self, tell: Callable[[Sequence[int]], None], ids: Sequence[int]) -> None:
        """Say what became of messages; if that fails, their leases run out and they go again."""
        try:
            tell(ids)
        except FedloomError as error:
            _LOGGER.warning("messages will be sent once more: %s", error)

    def _note(self, error: BaseException) -> None:
        text = str(error)
        if text != self._last_error:  # an outage of an hour is not a thousand lines
            _LOGGER.warning("messages wait in the outbox: %s", text)
        self._failures += 1
        self._last_error = text


def _keep_alive(connection: Connection) -> None:
    """Take and give the signs of life of a connection on which nothing else may come."""
    if connection.supports_heartbeats:
        with suppress(TimeoutError):
            connection.drain_events(timeout=0.001)
        connection.heartbeat_check()
