"""Waiting for messages, for as long as it takes, whatever the broker does meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from threading import Event
from typing import Any, Literal, overload

from fedloom.errors import AccessError, LinkError
from fedloom.platform.broker.broker import Broker
from fedloom.platform.broker.messages import (
    Dispatch,
    GarbledMessageError,
    StatusChange,
    read_message,
)
from fedloom.platform.broker.pause import Pause
from fedloom.platform.task import Queue

__all__ = ["listen"]

_LOGGER = logging.getLogger(__name__)
_LOOK_S = 0.5
"""How often a wait looks at the request to stop."""
_PREFETCH = 50


@overload
def listen(
    broker: Broker,
    queue: Literal[Queue.DISPATCH],
    on_message: Callable[[Dispatch], None],
    stop: Event,
    *,
    on_link: Callable[[bool], None] | None = None,
) -> None: ...


@overload
def listen(
    broker: Broker,
    queue: Literal[Queue.STATUS],
    on_message: Callable[[StatusChange], None],
    stop: Event,
    *,
    on_link: Callable[[bool], None] | None = None,
) -> None: ...


def listen(
    broker: Broker,
    queue: Queue,
    on_message: Callable[[Any], None],
    stop: Event,
    *,
    on_link: Callable[[bool], None] | None = None,
) -> None:
    """Call `on_message` for each message of a queue, in this thread, until a stop is asked for.

    A message is acknowledged before it is handed on: it is a wake-up. One that cannot be read is
    logged and dropped, and so is one whose handler raises; the listener lives. It connects again
    after every loss, with pauses that grow to ten seconds. A handler that takes longer than two
    heartbeats costs the connection, which is then made anew.

    Args:
        broker: where to listen.
        queue: to what.
        on_message: takes a `Dispatch` or a `StatusChange`; should be quick.
        stop: ends it, within a second.
        on_link: told True when it listens, and False when the broker is lost: what happened in
            between has to be looked up.
    """
    link = _Link(Pause(stop), on_link)
    while not stop.is_set():
        try:
            _listen_once(broker, queue, on_message, stop, link)
        except (LinkError, AccessError) as error:
            _LOGGER.warning("listening to %s: %s; trying again", broker.name_queue(queue), error)
        link.lose()
        if not stop.is_set():
            link.pause.wait()


class _Link:
    """Whether the listener is connected, and who is to know."""

    def __init__(self, pause: Pause, on_link: Callable[[bool], None] | None) -> None:
        self.pause, self._on_link, self._linked = pause, on_link, False

    def gain(self) -> None:
        self.pause.reset()
        self._linked = True
        if self._on_link is not None:
            self._on_link(True)

    def lose(self) -> None:
        if self._linked and self._on_link is not None:
            self._on_link(False)
        self._linked = False


def _listen_once(
    broker: Broker,
    queue: Queue,
    on_message: Callable[[Any], None],
    stop: Event,
    link: _Link,
) -> None:
    """Listen on one connection until it breaks or a stop is asked for."""
    from kombu import Consumer

    def receive(message: Any) -> None:
        message.ack()
        _hand_on(broker.name_queue(queue), queue, message.body, on_message)

    with broker.connect() as connection:
        channel = connection.default_channel
        broker.declare(channel)
        consumer = Consumer(
            channel,
            [broker.queue(queue)],
            on_message=receive,
            prefetch_count=_PREFETCH,
            auto_declare=False,
        )
        with consumer:
            link.gain()
            while not stop.is_set():
                with suppress(TimeoutError):  # nothing came
                    connection.drain_events(timeout=min(_LOOK_S, broker.heartbeat_s / 4))
                if connection.supports_heartbeats:
                    connection.heartbeat_check()


def _hand_on(name: str, queue: Queue, body: bytes | str, on_message: Callable[[Any], None]) -> None:
    raw = body.encode() if isinstance(body, str) else bytes(body)
    try:
        message = read_message(queue, raw)
    except GarbledMessageError as fault:
        _LOGGER.warning("a message in %s was dropped: %s", name, fault)
        return
    try:
        on_message(message)
    except Exception:
        _LOGGER.exception("%s in %s could not be worked on", message, name)
