"""A letter to a node, and what can come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic

from fedloom.fleet.flower.channel import Channel
from fedloom.fleet.flower.codec import encode
from fedloom.fleet.flower.messages import Asked, Tempo
from fedloom.fleet.flower.parcel import Body, Parcel, pack
from fedloom.fleet.flower.receipt import Receipt

__all__ = ["Letter", "Lost", "Patience", "ask_after"]

_QUESTION_SECONDS = 60.0


@dataclass(frozen=True)
class Patience:
    """How long is waited for what.

    Attributes:
        outage_s: seconds that the SuperLink may be away before the coordinator gives up.
        return_s: seconds after an outage in which a node that seems offline may come back.
        ask_s: seconds without a word after which a node is asked where it is with its order.
        upload_s: seconds that an answer may be on its way once it was announced.
        resends: how often a letter is sent again.
    """

    outage_s: float = 180.0
    return_s: float = 30.0
    ask_s: float = 15.0
    upload_s: float = 180.0
    resends: int = 5


@dataclass(frozen=True)
class Lost:
    """There will be no answer: the node is gone, or does not get through; the reason is a line."""

    reason: str


@dataclass(eq=False)
class Letter:
    """A message to a node, until it is answered.

    Attributes:
        node_id: to whom.
        verb: what the node is to do.
        body: the content.
        name: of the order.
        ttl_s: seconds after which nobody needs an answer.
        inside: see `parcel.wrap`.
        about: the letter that this one asks after, if it is such a question.
        heard_at: when there was the last sign that the node is at it.
        sent: how often it was sent.
        again: whether it has to be sent again.
        claims: how often the node said that it has answered.
        arriving_at: since when its answer is being uploaded.
        doubted_at: since when the node seems to be gone.
        receipt: where the arrays of its answer are expected, if beside the SuperLink.
    """

    node_id: int
    verb: str
    body: Body
    name: str
    ttl_s: float
    inside: bool = False
    about: Letter | None = None
    heard_at: float = field(default_factory=monotonic)
    sent: int = 0
    again: bool = False
    claims: int = 0
    arriving_at: float | None = None
    doubted_at: float | None = None
    receipt: Receipt | None = None
    parcel: Parcel | None = None
    run_id: int = 0

    @property
    def message_id(self) -> str:
        """The Flower message that it is, empty before it was sent."""
        return "" if self.parcel is None else self.parcel.proto.metadata.message_id

    def address(self, channel: Channel) -> Parcel:
        """Return the message to send; the same one until it has to be sent again."""
        if self.parcel is None or self.again or self.run_id != channel.run_id:
            if self.parcel is not None and self.receipt is not None:
                self.receipt.reopen()
            self.parcel = channel.address(
                self.node_id, self.verb, self.name, self.ttl_s, self.body, inside=self.inside
            )
            self.arriving_at = self.doubted_at = None
            self.again, self.run_id = False, channel.run_id
            self.sent += 1
        return self.parcel


def ask_after(letter: Letter, task: str, tempo: Tempo) -> Letter:
    """Return a question to the node where it is with a letter."""
    header, _ = encode(Asked(task, letter.name), tempo)
    body = pack(header)
    name = f"{task}:ask"
    return Letter(
        letter.node_id,
        Asked.verb,
        body,
        name,
        _QUESTION_SECONDS,
        inside=letter.inside,
        about=letter,
    )
