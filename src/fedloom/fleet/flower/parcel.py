"""What we send, in Flower's form: few large objects, made when they are sent.

Flower keeps the content of a message as a tree of objects named by their SHA-256: message, record
dict, records. Ours has one record for the header, and the arrays end to end in records of
`PART_BYTES`, so that a model of any number of layers is a handful of requests. A part is cut from
the arrays at the moment it is sent: a large model is never in memory a second time, and parts that
several messages share are sent once.

Every object costs a request to send and one to fetch, and a SuperLink serves few. So between parts
of ours small records travel inside the message, as those of all messages did before Flower had
objects, and only large ones as objects. A stock SuperNode gets the full form.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.proto.message_pb2 import Metadata, ObjectTree
from flwr.proto.recorddict_pb2 import ConfigRecord as ProtoRecord
from flwr.proto.recorddict_pb2 import ConfigRecordValue as ProtoValue
from flwr.proto.recorddict_pb2 import RecordDict as ProtoRecords

from fedloom.federation.weights import Weights, count_bytes
from fedloom.fleet.flower.freight import Freight, view_bytes

__all__ = [
    "AWAY",
    "HEADER",
    "INSIDE_BYTES",
    "OBJECTS",
    "PART_BYTES",
    "Body",
    "Parcel",
    "Piece",
    "Records",
    "cut",
    "frame",
    "pack",
    "wrap",
]

HEADER = "header"
"""The record that holds everything but the arrays, as JSON."""

AWAY = "away"
"""The key of a header under which the waybills stand of arrays that travel beside the message."""

OBJECTS = "objects"
"""The record that tells, in a message with records inside, which objects hold the others."""

PART_BYTES = 8 << 20

_KEPT_BYTES = 64 << 20
"""Arrays up to this size are kept as made, rather than made anew to be sent."""

INSIDE_BYTES = 128 << 10
"""Records up to this size travel inside the message; the SuperLink writes them to its database."""


@dataclass(frozen=True)
class Piece:
    """One object: its name, how large it is, and what makes its content."""

    object_id: str
    size: int
    make: Callable[[], bytes]


@dataclass(frozen=True)
class Records:
    """Groups of arrays as records, which several messages may share.

    Attributes:
        pieces: by the record's name.
        described: dtype and shape of every array, by the group's name.
    """

    pieces: Mapping[str, Piece]
    described: Mapping[str, list[list[Any]]]


@dataclass(frozen=True)
class Body:
    """The content of a message: its records by name."""

    pieces: Mapping[str, Piece]

    @property
    def digest(self) -> str:
        """What tells this content from any other."""
        return sha256(json.dumps(_names(self.pieces)).encode()).hexdigest()


@dataclass(frozen=True)
class Parcel:
    """A message ready to be sent.

    Attributes:
        proto: the message; records may be inside.
        tree: its objects.
        pieces: the objects to send, in this order: whoever finds the last finds all of them.
    """

    proto: ProtoMessage
    tree: ObjectTree
    pieces: Sequence[Piece]


def cut(groups: Mapping[str, Weights]) -> Records:
    """Turn lists of arrays into records; the arrays must not change until they are sent."""
    held = {name: [np.asarray(a) for a in arrays] for name, arrays in groups.items()}
    keep = sum(count_bytes(arrays) for arrays in held.values()) <= _KEPT_BYTES
    pieces = {
        f"{name}/{number}": _make_piece(views, keep=keep)
        for name, arrays in held.items()
        for number, views in enumerate(_cut(arrays))
    }
    described = {
        name: [[a.dtype.name, list(a.shape)] for a in arrays] for name, arrays in held.items()
    }
    return Records(pieces, described)


def pack(
    header: Mapping[str, Any], *records: Records, beside: Sequence[tuple[str, Freight]] = ()
) -> Body:
    """Make the content of a message.

    Args:
        header: as JSON can hold it; what the records hold is added to it.
        records: the arrays.
        beside: arrays that travel beside it, and their links.
    """
    described = {name: group for r in records for name, group in r.described.items()}
    described |= {name: group for _, f in beside for name, group in f.described.items()}
    pieces = {name: piece for r in records for name, piece in r.pieces.items()}
    away = {AWAY: [f.waybill(link).write() for link, f in beside]} if beside else {}
    text = json.dumps({**header, **away, "arrays": described}).encode()
    return Body({HEADER: _piece_of(_record("json", text)), **pieces})


def wrap(metadata: Metadata, body: Body, *, inside: bool) -> Parcel:
    """Put content into a message; its id is the name of its object, as Flower wants it.

    Args:
        metadata: the envelope.
        body: the content.
        inside: put small records into the message itself; for a receiver of ours.
    """
    proto = ProtoMessage(metadata=metadata)
    proto.metadata.message_id = ""
    return _wrap_inside(proto, body) if inside else _wrap_full(proto, body)


def frame(kind: str, children: Sequence[str], body: bytes) -> bytes:
    """Return an object as Flower stores it: kind, names of its children, length, and body."""
    return f"{kind} {','.join(children)} {len(body)}".encode() + b"\x00" + body


def _wrap_full(proto: ProtoMessage, body: Body) -> Parcel:
    unique = {piece.object_id: piece for piece in body.pieces.values()}
    listed = json.dumps(_names(body.pieces)).encode()
    records = _piece_of(frame("RecordDict", list(unique), listed))
    root = _seal(proto, [records.object_id])
    children = [ObjectTree(object_id=i) for i in unique]
    inner = ObjectTree(object_id=records.object_id, children=children)
    tree = ObjectTree(object_id=root.object_id, children=[inner])
    proto.content.SetInParent()
    return Parcel(proto, tree, [*unique.values(), root, records])


def _wrap_inside(proto: ProtoMessage, body: Body) -> Parcel:
    """The root object only names the message: nobody fetches it, so it is not sent."""
    large = {n: p for n, p in body.pieces.items() if p.size > INSIDE_BYTES}
    listed = _piece_of(_record("json", json.dumps(_names(large)).encode()))
    small = {n: p for n, p in body.pieces.items() if n not in large} | {OBJECTS: listed}
    proto.content.CopyFrom(ProtoRecords(items=[_inline(n, p) for n, p in small.items()]))
    unique = {piece.object_id: piece for piece in large.values()}
    root = _seal(proto, list(unique))
    children = [ObjectTree(object_id=i) for i in unique]
    tree = ObjectTree(object_id=root.object_id, children=children)
    return Parcel(proto, tree, list(unique.values()))


def _seal(proto: ProtoMessage, children: Sequence[str]) -> Piece:
    """Name a message by what is in it."""
    piece = _piece_of(frame("Message", children, proto.SerializeToString(deterministic=True)))
    proto.metadata.message_id = piece.object_id
    return piece


def _inline(name: str, piece: Piece) -> ProtoRecords.Item:
    content = piece.make()
    record = ProtoRecord.FromString(content[content.index(b"\x00") + 1 :])
    return ProtoRecords.Item(key=name, config_record=record)


def _names(pieces: Mapping[str, Piece]) -> dict[str, str]:
    return {name: piece.object_id for name, piece in pieces.items()}


def _cut(arrays: Sequence[Any]) -> Iterator[list[memoryview]]:
    """Yield the arrays' bytes, end to end, as parts of at most `PART_BYTES`, without copying."""
    part: list[memoryview] = []
    room = PART_BYTES
    for array in arrays:
        left = view_bytes(np.ascontiguousarray(array))
        while len(left):
            part.append(left[:room])
            room, left = room - len(part[-1]), left[room:]
            if room == 0:
                yield part
                part, room = [], PART_BYTES
    if part:
        yield part


def _make_piece(views: list[memoryview], *, keep: bool) -> Piece:
    def make() -> bytes:
        return _record("data", b"".join(views))

    piece = _piece_of(make())
    return piece if keep else Piece(piece.object_id, piece.size, make)


def _piece_of(content: bytes) -> Piece:
    return Piece(sha256(content).hexdigest(), len(content), lambda: content)


def _record(key: str, value: bytes) -> bytes:
    """Return a record with one value as Flower's `ConfigRecord` writes it, with less copying."""
    held = ProtoRecord(items=[ProtoRecord.Item(key=key, value=ProtoValue(bytes=value))])
    return frame("ConfigRecord", [], held.SerializeToString())
