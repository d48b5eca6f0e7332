"""Where the broker is, how its exchange and queues are called, and how one connects to it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fedloom.errors import AccessError, InputError, LinkError
from fedloom.platform.broker.address import BrokerAddress, read_broker_address
from fedloom.platform.task import Queue

if TYPE_CHECKING:
    from kombu import Connection
    from kombu import Exchange as KombuExchange
    from kombu import Queue as KombuQueue

__all__ = ["Broker", "open_broker"]

_EXCHANGE = "fl"
_PREFIX = re.compile(r"[\w.:-]{0,100}", re.ASCII)
_MEMORY_POLL_S = 0.05
_CLOSE_S = 1.0
_REFUSED = 403


@dataclass(frozen=True)
class Broker:
    """A broker, and what is agreed with it; holds no connection.

    Attributes:
        address: where it is.
        prefix: stands before the names of the exchange and the queues, for several federations
            on one broker.
        heartbeat_s: seconds between signs of life on an idle connection; the broker may ask for
            fewer. Either side takes the other for dead after two without one.
        connect_timeout_s: seconds to wait for a connection.
        confirm_timeout_s: seconds to wait until the broker confirms a message.
        message_ttl_s: seconds after which a message that nobody took is dropped; a wake-up that
            is older says nothing, since everybody looks into the database from time to time.
    """

    address: BrokerAddress
    prefix: str = ""
    heartbeat_s: float = 30.0
    connect_timeout_s: float = 5.0
    confirm_timeout_s: float = 10.0
    message_ttl_s: float = 3600.0

    @property
    def in_memory(self) -> bool:
        """Whether it lives in this process alone."""
        return self.address.in_memory

    def name_queue(self, queue: Queue) -> str:
        """Return the name that a queue has on the broker, which is its routing key too."""
        return f"{self.prefix}{queue}"

    def exchange(self) -> KombuExchange:
        """Return the exchange: direct and durable."""
        from kombu import Exchange

        return Exchange(f"{self.prefix}{_EXCHANGE}", type="direct", durable=True)

    def queue(self, queue: Queue) -> KombuQueue:
        """Return a durable queue that is bound to the exchange."""
        import kombu

        name = self.name_queue(queue)
        return kombu.Queue(name, self.exchange(), routing_key=name, durable=True)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Give a new connection to the block; it is closed at its end.

        Every wait on it is bounded, also where the broker is there and says nothing.

        Raises:
            LinkError: the broker cannot be reached in time, or the connection breaks in the block.
            AccessError: it refuses the user, the password or the virtual host.
        """
        from kombu import Connection

        connection = Connection(
            self.address.url,
            heartbeat=0 if self.in_memory else self.heartbeat_s,
            connect_timeout=self.connect_timeout_s,
            transport_options={"polling_interval": _MEMORY_POLL_S} if self.in_memory else {},
        )
        begun = time.monotonic()
        try:
            connection.ensure_connection(max_retries=0)
            self._limit_waits(connection, self.confirm_timeout_s)
            yield connection
        except _list_failures(connection) as error:
            raise self._explain(error, time.monotonic() - begun) from error
        finally:
            self._close(connection)

    def check(self) -> None:
        """Connect once and make sure of the exchange and the queues; for a probe of readiness.

        Raises:
            LinkError: the broker cannot be reached, or there is a queue of the same name and
                another kind.
            AccessError: it refuses us.
        """
        with self.connect() as connection:
            self.declare(connection.default_channel)

    def declare(self, channel: Any) -> None:
        """Make the exchange and the queues where they are not there yet."""
        for queue in Queue:
            self.queue(queue)(channel).declare()

    def _limit_waits(self, connection: Connection, limit_s: float) -> None:
        """Bound each wait for the broker's answer; kombu would wait for ever."""
        if not self.in_memory:
            connection.connection.transport.sock.settimeout(limit_s)

    def _close(self, connection: Connection) -> None:
        if connection.connected:  # or asking for its socket would connect it once more
            self._limit_waits(connection, _CLOSE_S)
        connection.release()

    def _explain(self, error: BaseException, seconds: float) -> LinkError | AccessError:
        cause = error.__cause__ or error
        said = getattr(cause, "reply_text", None) or str(cause) or type(cause).__name__
        reason = self.address.hide(str(said)).splitlines()[0]
        if getattr(cause, "reply_code", None) == _REFUSED:
            return AccessError(f"the broker at {self.address.shown} refuses us: {reason}")
        return LinkError(
            f"the broker at {self.address.shown} cannot be used: {reason} (after {seconds:.1f} s)"
        )


def _list_failures(connection: Connection) -> tuple[type[BaseException], ...]:
    from kombu.exceptions import KombuError

    return (*connection.connection_errors, *connection.channel_errors, OSError, KombuError)


def open_broker(
    url: str,
    *,
    prefix: str = "",
    heartbeat_s: float = 30.0,
    connect_timeout_s: float = 5.0,
    confirm_timeout_s: float = 10.0,
) -> Broker:
    """Read where the broker is; nothing is connected yet.

    Args:
        url: ``amqp://…``, ``amqps://…``, or ``memory://`` where all parts are in one process.
        prefix: stands before all names on the broker; letters, digits and ``. _ : -``.
        heartbeat_s: see `Broker`.
        connect_timeout_s: see `Broker`.
        confirm_timeout_s: see `Broker`.

    Raises:
        InputError: the address or the prefix cannot be used.
    """
    if not _PREFIX.fullmatch(prefix):
        raise InputError(
            f"the prefix {prefix!r} of the broker's queues is not right: up to 100 letters, digits"
            " and . _ : -"
        )
    if heartbeat_s < 1:
        raise InputError(f"the broker's heartbeat is {heartbeat_s:g} s: 1 s is the least")
    return Broker(
        read_broker_address(url), prefix, heartbeat_s, connect_timeout_s, confirm_timeout_s
    )
