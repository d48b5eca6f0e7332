"""A node's connection to its SuperLink: admission, messages, objects, signs of life.

Every call raises `LinkError`; nothing here tries again or waits. Flower's own connection exits the
process when it cannot connect, interrupts it on a refusal, and registers a new node at each start.
"""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
from flwr.common.constant import TIMESTAMP_HEADER
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
    RegisterNodeFleetRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import (
    ConfirmMessageReceivedRequest,
    Metadata,
    ObjectTree,
    PullObjectRequest,
    PushObjectRequest,
)
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.proto.node_pb2 import Node as NodeProto
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER
from flwr.supercore.date import now
from flwr.supercore.error import ApiErrorCode
from flwr.supercore.primitives.asymmetric import sign_message
from flwr.supercore.protobuf.client import ProtobufCall, ProtobufRequestContext

from fedloom.errors import LinkError
from fedloom.files import write_text
from fedloom.fleet.flower.endpoint import Endpoint, LinkDownError, RefusedError, call
from fedloom.fleet.flower.interval import mark_interval
from fedloom.fleet.flower.node.identity import Identity
from fedloom.fleet.flower.parcel import Parcel
from fedloom.fleet.flower.pulling import pull_patiently

__all__ = ["Connection"]

_LOGGER = logging.getLogger(__name__)

_UNAUTHORIZED = 401
_CLOCK_SECONDS = 3.0
"""Flower refuses what is signed 5 s ahead of its clock; a response tells its time to the second."""

_REGISTERED = frozenset(
    {ApiErrorCode.PUBLIC_KEY_ALREADY_IN_USE, ApiErrorCode.FLEET_SUPERNODE_REGISTRATION_DISABLED}
)


class Connection:
    """A node at its SuperLink.

    Args:
        endpoint: of the SuperLink.
        identity: of the node.
        memory: file that keeps the node's number between starts; None keeps none. Flower activates
            no node that it still believes online, as after a kill: with its number it need not be.
    """

    def __init__(self, endpoint: Endpoint, identity: Identity, memory: Path | None = None) -> None:
        self._identity, self._memory = identity, memory
        self._ahead = timedelta(0)
        self._client = endpoint.fleet(_Signature(identity, self.clock))
        self.node_id = _recall(memory)

    def clock(self) -> float:
        """Return the SuperLink's time, as far as we know it; seconds since 1970."""
        return (now() + self._ahead).timestamp()

    def admit(self, heartbeat_s: float) -> None:
        """Make the SuperLink count us as online.

        Args:
            heartbeat_s: interval of the signs of life, 10 to 1800.
        """
        try:
            self._admit(heartbeat_s)
        except RefusedError as error:
            if error.status != _UNAUTHORIZED or not self._set_clock(error.date):
                raise
            self._admit(heartbeat_s)

    def beat(self, heartbeat_s: float) -> None:
        """Give a sign of life."""
        interval = mark_interval(heartbeat_s)
        request = SendNodeHeartbeatRequest(node=self._node, heartbeat_interval=interval)
        if not call(self._client.SendNodeHeartbeat, request).success:
            raise RefusedError("the SuperLink does not know this node", status=_UNAUTHORIZED)

    def look(self) -> tuple[ProtoMessage, ObjectTree] | None:
        """Return the next message, without its objects; it is handed out only once."""
        answer = call(self._client.PullMessages, PullMessagesRequest(node=self._node))
        if not answer.messages_list:
            return None
        return answer.messages_list[0], answer.message_object_trees[0]

    def pull(self, run_id: int, object_id: str, until: Callable[[], bool]) -> bytes:
        """Return an object; see `Channel.pull`."""
        request = PullObjectRequest(node=self._node, run_id=run_id, object_id=object_id)
        return pull_patiently(lambda: call(self._client.PullObject, request), until)

    def confirm(self, message: Metadata) -> None:
        """Let the SuperLink drop a message's objects."""
        request = ConfirmMessageReceivedRequest(
            node=self._node, run_id=message.run_id, message_object_id=message.message_id
        )
        call(self._client.ConfirmMessageReceived, request)

    def push(self, parcel: Parcel, seconds: float) -> None:
        """Send an answer; may be repeated with the same one.

        Args:
            parcel: the answer.
            seconds: that making it took.
        """
        request = PushMessagesRequest(
            node=self._node,
            messages_list=[parcel.proto],
            message_object_trees=[parcel.tree],
            clientapp_runtime_list=[seconds],
        )
        answer = call(self._client.PushMessages, request)
        missing = set(answer.objects_to_push)
        for piece in parcel.pieces:
            if piece.object_id not in missing:
                continue
            pushed = PushObjectRequest(
                node=self._node,
                run_id=parcel.proto.metadata.run_id,
                object_id=piece.object_id,
                object_content=piece.make(),
                session_id=answer.session_id,
            )
            if not call(self._client.PushObject, pushed).stored:
                raise LinkDownError("the SuperLink did not take an object of an answer")

    def close(self, *, leave: bool = True) -> None:
        """Hang up; `leave` tells the SuperLink, else it notices by the missing signs of life."""
        if leave and self.node_id:
            with suppress(LinkError):
                call(self._client.DeactivateNode, DeactivateNodeRequest(node_id=self.node_id))
        self._client.close()

    @property
    def _node(self) -> NodeProto:
        return NodeProto(node_id=self.node_id)

    def _admit(self, heartbeat_s: float) -> None:
        if self.node_id and self._is_still_known(heartbeat_s):
            return
        key = self._identity.public_pem
        known_only = False
        try:
            call(self._client.RegisterNode, RegisterNodeFleetRequest(public_key=key))
        except RefusedError as error:
            if error.code not in _REGISTERED:
                raise
            known_only = error.code == ApiErrorCode.FLEET_SUPERNODE_REGISTRATION_DISABLED
        request = ActivateNodeRequest(public_key=key, heartbeat_interval=mark_interval(heartbeat_s))
        try:
            self.node_id = call(self._client.ActivateNode, request).node_id
        except RefusedError as error:
            raise _explain_unknown(error) if known_only else error from None
        if self._memory is not None:
            write_text(self._memory, json.dumps({"node_id": self.node_id}))

    def _is_still_known(self, heartbeat_s: float) -> bool:
        try:
            self.beat(heartbeat_s)
        except RefusedError:
            return False
        return True

    def _set_clock(self, date: str) -> bool:
        """Sign by the server's clock from now on, if ours is off; return whether it is."""
        try:
            ahead = parsedate_to_datetime(date) - now()
        except ValueError:
            return False
        if abs((ahead - self._ahead).total_seconds()) < _CLOCK_SECONDS:
            return False
        _LOGGER.warning("this machine's clock is off by %.0f s; set it", -ahead.total_seconds())
        self._ahead = ahead
        return True


class _Signature:
    """Sign requests as a SuperNode does, by a clock of ours."""

    def __init__(self, identity: Identity, clock: Callable[[], float]) -> None:
        self._identity, self._clock = identity, clock
        self._key = b64encode(identity.public_pem).decode()

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        time = type(now()).fromtimestamp(self._clock(), tz=now().tzinfo).isoformat()
        signature = sign_message(self._identity.private_key, time.encode())
        context.request.headers.update(
            {
                FLEET_HTTP_PUBLIC_KEY_HEADER: self._key,
                TIMESTAMP_HEADER: time,
                FLEET_HTTP_SIGNATURE_HEADER: b64encode(signature).decode(),
            }
        )
        return call_next(context)


def _explain_unknown(error: RefusedError) -> RefusedError:
    """Return what the owner of a node must do whose key was not registered."""
    return RefusedError(
        "only registered nodes are let in, and this node's key is not among them: send what"
        " 'fedloom client key' prints to an operator, who registers it with 'fedloom node register'"
        f" ({error})",
        status=error.status,
        code=error.code,
        date=error.date,
    )


def _recall(memory: Path | None) -> int:
    with suppress(OSError, ValueError, LookupError, TypeError):
        if memory is not None:
            return int(json.loads(memory.read_text())["node_id"])
    return 0
