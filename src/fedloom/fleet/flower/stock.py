"""The plainer way in: a stock SuperNode that starts a process for every message.

Flower's own `flower-supernode` fetches our messages whole, hands each to the app that our bundle
names, and sends what that answers. Nothing stays warm, a message waits while another is at work,
and a cancellation comes when there is nothing left to cancel; all else is as with a node of ours.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from threading import Event, Timer
from time import time
from typing import Any, NoReturn, TypeAlias

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.serde import recorddict_to_proto
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.recorddict_pb2 import ConfigRecord as ProtoRecord
from flwr.serverapp import ServerApp

from fedloom.errors import DataError, IncompatibleError, LinkError
from fedloom.federation.fleet import Failure
from fedloom.fleet.flower.codec import check_protocol, decode, encode
from fedloom.fleet.flower.messages import (
    Answer,
    Asked,
    Cancel,
    Describe,
    Description,
    Done,
    Evaluate,
    Failed,
    Forget,
    State,
    Train,
)
from fedloom.fleet.flower.node.handler import Handler
from fedloom.fleet.flower.parcel import cut, pack
from fedloom.fleet.flower.unpack import Incoming
from fedloom.learning.describe import describe_error

__all__ = ["OpenHandler", "make_client_app", "make_server_app"]

_LOGGER = logging.getLogger(__name__)

OpenHandler: TypeAlias = Callable[[Mapping[str, Any]], Handler]
"""From what `flower-supernode --node-config` says to what carries out one message."""


def make_client_app(open_handler: OpenHandler) -> ClientApp:
    """Return an app that answers our messages.

    Args:
        open_handler: makes the handler of a message; it is closed when that is answered.
    """
    app = ClientApp()

    def serve(message: Message, context: Context) -> Message:
        return _reply(message, _answer(message, context.node_config, open_handler))

    app.train()(serve)
    app.evaluate()(serve)
    for kind in (Describe, Asked, Cancel, Forget):
        app.query(kind.verb.partition(".")[2])(serve)
    return app


def make_server_app() -> ServerApp:
    """Return what stands in the bundle for the server, which a coordinator of ours is."""
    app = ServerApp()

    @app.main()
    def refuse(_grid: Any, _context: Context) -> NoReturn:
        raise LinkError("this run is a Fedloom coordinator's own: `fedloom server` runs it")

    return app


def _answer(message: Message, node_config: Mapping[str, Any], open_handler: OpenHandler) -> Answer:
    try:
        request = _read(message)
    except (DataError, IncompatibleError) as error:
        _LOGGER.warning("refused: %s", error)
        return Failed(Failure.REJECTED, str(error))
    if isinstance(request, Asked):
        return State("unknown")  # nothing else is at work, so what is asked after was lost
    if isinstance(request, Cancel):
        return Done()
    try:
        with closing(open_handler(node_config)) as handler:
            answer = _handle(handler, request, message)
    except Exception as error:  # whatever it is, the coordinator is to know
        _LOGGER.warning("%s failed", request.verb, exc_info=error)
        return Failed(Failure.ERROR, describe_error(error))
    return replace(answer, inside=False) if isinstance(answer, Description) else answer


def _handle(handler: Handler, request: Any, message: Message) -> Answer:
    """Let the handler answer, until nobody waits for it any more."""
    stop = Event()
    if not isinstance(request, Train | Evaluate):
        return handler.handle(request, stop)
    left = message.metadata.created_at + message.metadata.ttl - time()
    # A timer cannot wait for longer than this, and no order does.
    timer = Timer(min(max(0.0, left), 10 * 24 * 3600.0), stop.set)
    timer.daemon = True
    timer.start()
    try:
        return handler.handle(request, stop)
    finally:
        timer.cancel()


def _read(message: Message) -> Any:
    """Return the request in a message.

    Raises:
        DataError: it is none of ours.
        IncompatibleError: it is from a part of another version.
    """
    incoming = Incoming(
        ProtoMessage(content=recorddict_to_proto(message.content)), ObjectTree(), _refuse_objects
    )
    check_protocol(incoming.header())
    return decode(incoming.header(), incoming.arrays())


def _refuse_objects(object_id: str) -> NoReturn:
    raise DataError(f"a message whose object {object_id[:12]}… is not in it")


def _reply(message: Message, answer: Answer) -> Message:
    header, groups = encode(answer)
    content = RecordDict()
    for name, piece in pack(header, cut(groups)).pieces.items():
        framed = piece.make()
        record = ProtoRecord.FromString(framed[framed.index(b"\x00") + 1 :])
        content[name] = ConfigRecord({item.key: item.value.bytes for item in record.items})
    return Message(content, reply_to=message)
