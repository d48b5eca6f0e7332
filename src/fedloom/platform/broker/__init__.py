"""The broker: wake-ups between the parts of the platform, over RabbitMQ or inside of one process.

The queue of tasks is the database; a message only says that it is worth looking there. So a message
is acknowledged on receipt, may come twice or, after an accident, not at all. Exchange, queues and
bodies are those of the original: a direct exchange ``fl`` with the queues ``dispatch`` (a task as
JSON) and ``status`` (``Task <id> <status>``).

`open_broker` says where it is, `Publisher` empties the store's outbox into it, `listen` waits for
what comes.
"""

from __future__ import annotations

from fedloom.platform.broker.broker import Broker, open_broker
from fedloom.platform.broker.listener import listen
from fedloom.platform.broker.messages import (
    Dispatch,
    GarbledMessageError,
    StatusChange,
    read_message,
)
from fedloom.platform.broker.outbox import Outbox, OutgoingMessage
from fedloom.platform.broker.publisher import Publisher, PublisherState

__all__ = [
    "Broker",
    "Dispatch",
    "GarbledMessageError",
    "Outbox",
    "OutgoingMessage",
    "Publisher",
    "PublisherState",
    "StatusChange",
    "listen",
    "open_broker",
    "read_message",
]
