"""A Flower run that this process has claimed for itself: the way from a coordinator to its nodes.

The SuperLink starts no server process (``--isolation process``): we start a run, acquire its task,
and speak the Runtime API with the task's token. Sending and collecting are a request each, and
objects are pushed and pulled one by one; nothing here waits longer than a request may take.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from threading import Event, Thread

from flwr.common.constant import SUPERLINK_NODE_ID, ErrorCode, SubStatus
from flwr.proto.control_pb2 import ListRunsRequest, StartRunRequest, StopRunRequest
from flwr.proto.fab_pb2 import Fab
from flwr.proto.message_pb2 import (
    ConfirmMessageReceivedRequest,
    Metadata,
    ObjectTree,
    PullObjectRequest,
    PushObjectRequest,
)
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.proto.node_pb2 import Node
from flwr.proto.runtime_pb2 import (
    AcquireTaskRequest,
    GetNodesRequest,
    PullAppMessagesRequest,
    PullTaskInputRequest,
    PushAppMessagesRequest,
    PushTaskOutputRequest,
    SendTaskHeartbeatRequest,
)
from flwr.supercore.interceptors import RuntimeTokenHttpInterceptor, SuperExecAuthHttpInterceptor

from fedloom.errors import LinkError
from fedloom.fleet.flower.bundle import build_bundle
from fedloom.fleet.flower.endpoint import Endpoint, LinkDownError, RefusedError, call
from fedloom.fleet.flower.interval import is_ours
from fedloom.fleet.flower.parcel import Body, Parcel, wrap
from fedloom.fleet.flower.pulling import pull_patiently

__all__ = ["Arrival", "Channel", "NodeSeen", "stop_run"]

_LOGGER = logging.getLogger(__name__)

_ACQUIRE = "/flwr.proto.Runtime/AcquireTask"
_HEARTBEAT_SECONDS = 10.0
_JOIN_SECONDS = 15.0
_SELF = Node(node_id=SUPERLINK_NODE_ID)


@dataclass(frozen=True)
class NodeSeen:
    """A node that is online.

    Attributes:
        node_id: its number at this SuperLink.
        key: digest of its public key, by which it is known whatever its number.
        since: when it came online; another time means that it started anew.
        inside: whether it surely takes records inside of messages.
    """

    node_id: int
    key: str
    since: str
    inside: bool = False


@dataclass(frozen=True)
class Arrival:
    """An answer that the SuperLink has, or why there is none.

    Attributes:
        proto: the answer.
        tree: its objects.
        trouble: why there is no answer, one line; empty where there is one.
    """

    proto: ProtoMessage
    tree: ObjectTree
    trouble: str = ""

    @property
    def reply_to(self) -> str:
        """The message that it answers."""
        return self.proto.metadata.reply_to_message_id


class Channel:
    """One Flower run, claimed.

    Args:
        endpoint: of the SuperLink.
        secret: its SuperExec secret.

    Raises:
        LinkError: the SuperLink cannot be reached or refuses.
    """

    def __init__(self, endpoint: Endpoint, secret: bytes) -> None:
        self.run_id = 0
        self._endpoint, self._stop = endpoint, Event()
        token = self._claim(secret)
        self._client = endpoint.runtime(RuntimeTokenHttpInterceptor(token))
        try:
            answer = call(self._client.PullTaskInput, PullTaskInputRequest())
        except LinkError:
            self._client.close()
            raise
        self.run_id = answer.run.run_id
        self._heart = Thread(target=self._beat, daemon=True, name=f"run {self.run_id}")
        self._heart.start()

    def nodes(self) -> list[NodeSeen]:
        """Return the nodes that are online."""
        found = call(self._client.GetNodes, GetNodesRequest()).nodes
        return [
            NodeSeen(
                n.node_id,
                sha256(n.public_key).hexdigest(),
                n.last_activated_at,
                inside=is_ours(n.heartbeat_interval),
            )
            for n in found
        ]

    def address(
        self, node_id: int, verb: str, group: str, ttl_s: float, body: Body, *, inside: bool
    ) -> Parcel:
        """Put content into a message to a node.

        Args:
            node_id: of the node.
            verb: what it is to do.
            group: name of the order, by which the node knows it again.
            ttl_s: seconds after which nobody delivers it any more.
            body: the content.
            inside: see `wrap`.
        """
        metadata = Metadata(
            run_id=self.run_id,
            src_node_id=SUPERLINK_NODE_ID,
            dst_node_id=node_id,
            group_id=group,
            created_at=time.time(),
            ttl=ttl_s,
            message_type=verb,
        )
        return wrap(metadata, body, inside=inside)

    def send(self, parcels: Sequence[Parcel]) -> set[str]:
        """Send messages; may be repeated with the same ones. Return ids that were not accepted."""
        request = PushAppMessagesRequest(
            messages_list=[p.proto for p in parcels], message_object_trees=[p.tree for p in parcels]
        )
        answer = call(self._client.PushMessages, request)
        missing = set(answer.objects_to_push)
        for piece in (piece for parcel in parcels for piece in parcel.pieces):
            if piece.object_id in missing:
                missing.discard(piece.object_id)
                self._push(answer.session_id, piece.object_id, piece.make())
        accepted = set(answer.message_ids)
        return {p.proto.metadata.message_id for p in parcels} - accepted

    def collect(self, message_ids: Iterable[str]) -> list[Arrival]:
        """Return the answers that have come to some messages; each is returned once."""
        ids = list(message_ids)
        if not ids:
            return []
        answer = call(self._client.PullMessages, PullAppMessagesRequest(message_ids=ids))
        return [
            Arrival(
                proto=proto,
                tree=tree,
                trouble=_find_trouble(proto.error) if proto.HasField("error") else "",
            )
            for proto, tree in zip(answer.messages_list, answer.message_object_trees, strict=True)
        ]

    def pull(self, object_id: str, *, until: Callable[[], bool]) -> bytes:
        """Return an object, waiting while it is still being uploaded.

        Args:
            object_id: its name.
            until: says when to give up.

        Raises:
            ObjectGoneError: there is none, or it did not come.
        """
        request = PullObjectRequest(node=_SELF, run_id=self.run_id, object_id=object_id)
        return pull_patiently(lambda: call(self._client.PullObject, request), until)

    def confirm(self, arrival: Arrival) -> None:
        """Let the SuperLink drop an answer."""
        message_id = arrival.proto.metadata.message_id
        request = ConfirmMessageReceivedRequest(
            node=_SELF, run_id=self.run_id, message_object_id=message_id
        )
        call(self._client.ConfirmMessageReceived, request)

    def close(self, *, failure: str = "") -> None:
        """End the run and drop what it left; tell the SuperLink why, where it failed."""
        self._stop.set()
        self._heart.join(timeout=_JOIN_SECONDS)
        status = SubStatus.FAILED if failure else SubStatus.COMPLETED
        request = PushTaskOutputRequest(sub_status=status, details=failure)
        # A run that cannot be told ends by itself when its heartbeats stay away.
        with suppress(LinkError), self._endpoint.control() as control:
            call(self._client.PushTaskOutput, request)
            # Flower drops the messages and objects of a run that is over when it is listed.
            call(control.ListRuns, ListRunsRequest(run_id=self.run_id))
        self._client.close()

    def _claim(self, secret: bytes) -> str:
        """Start a run and acquire its task, by the hash of its bundle."""
        bundle = build_bundle()
        name = sha256(bundle).hexdigest()
        with self._endpoint.control() as control:
            call(control.StartRun, StartRunRequest(fab=Fab(hash_str=name, content=bundle)))
        prove = SuperExecAuthHttpInterceptor(master_secret=secret, protected_methods={_ACQUIRE})
        with self._endpoint.runtime(prove) as runtime:
            request = AcquireTaskRequest(agentapp_fab_hashes=[name])
            token: str = call(runtime.AcquireTask, request).token
        if not token:
            raise LinkError(f"the SuperLink at {self._endpoint} gave our run to someone else")
        return token

    def _push(self, session: str, object_id: str, content: bytes) -> None:
        request = PushObjectRequest(
            node=_SELF,
            run_id=self.run_id,
            object_id=object_id,
            object_content=content,
            session_id=session,
        )
        if not call(self._client.PushObject, request).stored:
            raise LinkDownError("the SuperLink did not take an object; it may be out of disk space")

    def _beat(self) -> None:
        """Keep the claim; without a sign of life for a minute the run would fail."""
        while not self._stop.wait(_HEARTBEAT_SECONDS):
            try:
                call(self._client.SendTaskHeartbeat, SendTaskHeartbeatRequest())
            except LinkDownError as error:
                _LOGGER.debug("run %d: %s", self.run_id, error)
            except RefusedError as error:
                _LOGGER.warning("run %d is over: %s", self.run_id, error)
                return
            except RuntimeError:  # the client was closed meanwhile
                return


def stop_run(endpoint: Endpoint, run_id: int) -> None:
    """Stop a run, for example that of a coordinator that was killed, and drop what it left.

    Raises:
        LinkError: the SuperLink cannot be reached, or knows no such run that goes on.
    """
    with endpoint.control() as control:
        call(control.StopRun, StopRunRequest(run_id=run_id))


def _find_trouble(error: object) -> str:
    code, reason = getattr(error, "code", 0), str(getattr(error, "reason", ""))
    if code == ErrorCode.NODE_UNAVAILABLE:
        return "the node is offline"
    if code in (ErrorCode.MESSAGE_UNAVAILABLE, ErrorCode.REPLY_MESSAGE_UNAVAILABLE):
        return "its answer was lost on the way"
    return reason or f"Flower reports error {code}"
