"""What a node received, how it is read, and how it is answered."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from time import monotonic
from typing import Any

from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.proto.message_pb2 import Metadata, ObjectTree

from fedloom.errors import DataError, IncompatibleError, LinkError
from fedloom.federation.weights import Weights, count_bytes
from fedloom.fleet.flower.codec import UPLOAD, check_protocol, decode, encode, read_tempo
from fedloom.fleet.flower.depot.carrier import Carrier, DepotDownError, DepotRefusedError
from fedloom.fleet.flower.endpoint import LinkDownError
from fedloom.fleet.flower.freight import Announced, Waybill, load, make_room, view_bytes
from fedloom.fleet.flower.messages import Answer, Evaluate, Failed
from fedloom.fleet.flower.node.answers import (
    UNSENDABLE,
    fail_to_send,
    pack_answer,
    pack_or_fail,
)
from fedloom.fleet.flower.node.connection import Connection
from fedloom.fleet.flower.node.last_download import LastDownload
from fedloom.fleet.flower.node.pace import Backoff, Pace
from fedloom.fleet.flower.parcel import INSIDE_BYTES, Body, Parcel, cut, pack, wrap
from fedloom.fleet.flower.unpack import Incoming

__all__ = ["Mail", "Received"]

_LOGGER = logging.getLogger(__name__)

_RETRY_SECONDS = 5.0
_HEADER_SECONDS = 10.0
_GONE = 404


@dataclass(frozen=True, eq=False)
class Received:
    """A message as it came; large parts are still on the SuperLink."""

    proto: ProtoMessage
    tree: ObjectTree

    @property
    def order(self) -> str:
        """The name of the order that it is or is about."""
        return self.proto.metadata.group_id

    @property
    def verb(self) -> str:
        """What is asked."""
        return self.proto.metadata.message_type

    @property
    def created_at(self) -> float:
        """When it was written, by the clock of who wrote it."""
        return self.proto.metadata.created_at

    @property
    def expires(self) -> float:
        """When nobody needs an answer any more, by the SuperLink's clock."""
        return self.created_at + self.proto.metadata.ttl


class Mail:
    """Reads and answers messages.

    Args:
        connection: to the SuperLink.
        pace: takes the tempo that messages ask for.
        stop: set when the node ends.
        carrier: fetches and brings what travels beside messages.
        last: keeps what was fetched to be scored, since it is trained on next.
    """

    def __init__(
        self,
        connection: Connection,
        pace: Pace,
        stop: Event,
        carrier: Carrier,
        last: LastDownload | None = None,
    ) -> None:
        self._connection, self._pace, self._stop = connection, pace, stop
        self._carrier, self._last = carrier, last or LastDownload()

    def read(
        self, message: Received, patience_s: float, stopped: Callable[[], bool] = lambda: False
    ) -> Any:
        """Return the request in a message, or `Failed` where it is not for this version.

        Args:
            message: to read.
            patience_s: seconds that its content may still be on its way.
            stopped: whether it is no longer wanted.

        Raises:
            DepotDownError: what travels beside it cannot be fetched.
            LinkError: the content cannot be had.
            DataError: it is malformed.
        """
        incoming = self._open(message, patience_s, stopped)
        header = incoming.header()
        self._pace.tempo = read_tempo(header) or self._pace.tempo
        try:
            check_protocol(header)
            request = decode(header, incoming.arrays())
        except IncompatibleError as error:
            _LOGGER.warning("refused: %s", error)
            request = Failed("rejected", str(error))
        return request

    def confirm(self, message: Received) -> None:
        """Let the SuperLink drop a message; nobody waits for that, so it comes last.

        While it is busy it keeps those without objects, which are small, until the run is over.
        """
        if self._pace.strained and not message.tree.children:
            return
        try:
            self._connection.confirm(message.proto.metadata)
        except LinkDownError as error:
            _LOGGER.debug("the SuperLink keeps a message that was read: %s", error)

    def reply(self, message: Received, answer: Answer, patience_s: float = 0.0) -> None:
        """Answer a question; `patience_s` are the seconds that it is tried, without any once.

        Raises:
            LinkError: it could not be sent.
        """
        until, backoff = monotonic() + patience_s, Backoff(_RETRY_SECONDS)
        parcel = self._wrap(message, pack_or_fail(answer))
        while True:
            try:
                return self._connection.push(parcel, 0.0)
            except LinkDownError:
                if monotonic() >= until or self._stop.wait(backoff.fail_s()):
                    raise

    def deliver(
        self, address: Callable[[], Received], answer: Answer, seconds: float
    ) -> Received | None:
        """Answer, trying again while the SuperLink is away and the answer is wanted.

        Args:
            address: gives the message to answer; another one once it was asked again.
            answer: what to say.
            seconds: that making it took.

        Returns:
            The message that was answered, None where the node ends before.

        Raises:
            LinkError: the run is over, or the message has expired.
        """
        backoff = Backoff(_RETRY_SECONDS)
        message: Received | None = None
        parcel: Parcel | None = None
        while not self._stop.is_set():
            if parcel is None or address() is not message:
                message = address()
                parcel = self._make(message, answer, address)
                continue  # bringing took its time: look whether it was asked again
            try:
                self._connection.push(parcel, seconds)
            except LinkDownError as error:
                if self._connection.clock() > message.expires:
                    raise
                _LOGGER.debug("an answer has to wait: %s", error)
                self._stop.wait(backoff.fail_s())
            else:
                self._pace.touch()
                return message
        return None

    def _make(
        self, message: Received, answer: Answer, address: Callable[[], Received]
    ) -> Parcel | None:
        """Return an answer ready to be sent, or in its place why it cannot be.

        Returns:
            None where it was asked again meanwhile, which another link came with.

        Raises:
            LinkError: nobody waits for this answer any more.
        """
        try:
            return self._bring(message, answer, address)
        except LinkError:
            raise
        except DataError as error:
            return self._wrap(message, pack_answer(Failed("rejected", str(error))))
        except Exception as error:  # a handler may put anything into an answer
            _LOGGER.warning(UNSENDABLE, exc_info=error)
            return self._wrap(message, pack_answer(fail_to_send(error)))

    def _bring(
        self, message: Received, answer: Answer, address: Callable[[], Received]
    ) -> Parcel | None:
        """Bring the arrays of an answer to where the message says, and return the rest."""
        header, groups = encode(answer)
        upload = self._read_upload(message)
        size = sum(count_bytes(arrays) for arrays in groups.values())
        if upload is None or size <= INSIDE_BYTES:
            return self._wrap(message, pack(header, cut(groups)))
        link, limit = upload

        def give_up() -> bool:
            return self._stop.is_set() or address() is not message

        try:
            if size > limit:
                raise DataError(f"its answer has {size} bytes of arrays, where {limit} is the most")
            freight = load(groups)
            self._carrier.bring(link, freight.parts, freight.digest, give_up)
        except DepotRefusedError as error:
            if address() is not message:
                return None
            if error.status == _GONE:
                raise
            return self._wrap(message, pack_answer(Failed("rejected", str(error))))
        except DepotDownError as error:
            if give_up():
                return None
            return self._wrap(message, pack_answer(Failed("error", str(error))))
        return self._wrap(message, pack(header, beside=[("", freight)]))

    def _open(
        self, message: Received, patience_s: float, stopped: Callable[[], bool] = lambda: False
    ) -> Incoming:
        until = monotonic() + patience_s
        run_id = message.proto.metadata.run_id

        def give_up() -> bool:
            return stopped() or self._stop.is_set() or monotonic() > until

        def pull(object_id: str) -> bytes:
            backoff = Backoff(_RETRY_SECONDS)
            while True:
                try:
                    return self._connection.pull(run_id, object_id, give_up)
                except LinkDownError:
                    if give_up():
                        raise
                    self._stop.wait(backoff.fail_s())

        def unload(waybill: Waybill, announced: Announced) -> dict[str, Weights]:
            found = make_room(announced)
            rooms = [view_bytes(array) for arrays in found.values() for array in arrays]
            if self._last.take(waybill.digest, rooms):
                return found
            self._carrier.fetch(
                waybill.link, rooms, waybill.digest, lambda: stopped() or self._stop.is_set()
            )
            if message.verb == Evaluate.verb:
                self._last.keep(waybill.digest, rooms)
            return found

        return Incoming(message.proto, message.tree, pull, unload=unload)

    def _read_upload(self, message: Received) -> tuple[str, int] | None:
        """Return where an answer may be brought and how large it may be, if anywhere.

        Raises:
            LinkError: the message's header cannot be had.
            DataError: it is malformed.
        """
        said = self._open(message, _HEADER_SECONDS).header().get(UPLOAD)
        if said is None:
            return None
        try:
            return str(said["link"]), int(said["bytes"])
        except (TypeError, KeyError, ValueError) as error:
            raise DataError(
                "a message that does not say where answers are to be brought"
            ) from error

    def _wrap(self, message: Received, body: Body) -> Parcel:
        """Address an answer."""
        asked, now = message.proto.metadata, self._connection.clock()
        metadata = Metadata(
            run_id=asked.run_id,
            src_node_id=asked.dst_node_id,
            dst_node_id=asked.src_node_id,
            reply_to_message_id=asked.message_id,
            group_id=asked.group_id,
            created_at=now,
            ttl=max(0.001, message.expires - now),
            message_type=asked.message_type,
        )
        return wrap(metadata, body, inside=True)  # the coordinator is one of ours
