"""Reading what came: header first, then the arrays, part by part into their place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any

import numpy as np
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.recorddict_pb2 import ConfigRecord as ProtoRecord
from google.protobuf.message import DecodeError

from fedloom.errors import DataError
from fedloom.federation.weights import Weights
from fedloom.fleet.flower.freight import Unload, Waybill, make_room, view_bytes
from fedloom.fleet.flower.parcel import AWAY, HEADER, OBJECTS

__all__ = ["Incoming"]

_KINDS = "biufc"
"""Kinds of NumPy dtypes that hold numbers."""

_EXTENDED = frozenset({"bfloat16"})
"""Dtypes of weights that NumPy knows only once JAX is there; they count as kind V."""


class Incoming:
    """A message that is there but not yet read; see `parcel` for its two forms.

    Args:
        proto: the message.
        tree: its objects.
        pull: from an object's name to its content.
        limit: bytes of arrays that are accepted; None for any number.
        unload: gets arrays that travelled beside the message; without it, those are refused.
    """

    def __init__(
        self,
        proto: ProtoMessage,
        tree: ObjectTree,
        pull: Callable[[str], bytes],
        *,
        limit: int | None = None,
        unload: Unload | None = None,
    ) -> None:
        self._tree, self._pull, self._limit = tree, pull, limit
        self._unload = unload
        self._inside = {item.key: item.config_record for item in proto.content.items}
        self._names: dict[str, str] | None = None
        self._header: dict[str, Any] = {}
        self._fetched: dict[str, bytes] = {}

    @property
    def inside(self) -> bool:
        """Whether small records came inside the message."""
        return bool(self._inside)

    def header(self) -> Mapping[str, Any]:
        """Return the header.

        Raises:
            DataError: this is none of our messages.
        """
        if not self._header:
            try:
                self._header = json.loads(self._value(HEADER, "json"))
            except (ValueError, LookupError, TypeError, DecodeError) as error:
                raise DataError(f"a message that is not one of Fedloom's: {error}") from error
        return self._header

    def fetch_last(self, pull: Callable[[str], bytes]) -> None:
        """Fetch the object that is sent after all others, if there is any: if it is there, all are.

        Args:
            pull: as that of the message, but without waiting.

        Raises:
            DataError: this is none of our messages.
        """
        large = list(self._objects().values()) if self.inside else [self._root()]
        if large:
            self._fetched[large[-1]] = pull(large[-1])

    def arrays(self) -> dict[str, Weights]:
        """Return the groups of arrays.

        Raises:
            DataError: they are larger than accepted, of no number type, or not as announced.
        """
        announced = self._announced()
        size = sum(dtype.itemsize * prod(shape) for g in announced.values() for dtype, shape in g)
        if self._limit is not None and size > self._limit:
            raise DataError(f"{size} bytes of arrays, where {self._limit} is the most")
        found = self._arrays_beside(announced)
        rooms = make_room({name: g for name, g in announced.items() if name not in found})
        for name, arrays in rooms.items():
            self._fill(name, arrays)
        return {name: (found | rooms)[name] for name in announced}

    def _announced(self) -> dict[str, list[tuple[Any, tuple[int, ...]]]]:
        said = self.header().get("arrays", {})
        try:
            return {name: [_announce(*array) for array in group] for name, group in said.items()}
        except (TypeError, ValueError, AttributeError) as error:
            raise DataError(f"arrays that are not announced as they should be: {error}") from error

    def _arrays_beside(
        self, announced: Mapping[str, list[tuple[Any, tuple[int, ...]]]]
    ) -> dict[str, Weights]:
        """Return the groups that travelled beside the message."""
        away = self.header().get(AWAY, [])
        if away and (self._unload is None or not isinstance(away, list)):
            raise DataError("arrays beside a message, where none were asked for")
        found: dict[str, Weights] = {}
        for said in away:
            waybill = Waybill.read(said)
            if not set(waybill.groups) <= announced.keys() - found.keys():
                raise DataError(f"arrays {', '.join(waybill.groups)} that are not announced")
            assert self._unload is not None
            found |= self._unload(waybill, {name: announced[name] for name in waybill.groups})
        return found

    def _fill(self, name: str, arrays: Weights) -> None:
        parts = self._parts(name)
        part = memoryview(b"")
        for array in arrays:
            left = view_bytes(array)
            while len(left):
                if not len(part):
                    part = next(parts, part)
                if not len(part):
                    raise DataError(f"fewer bytes of {name} than announced")
                count = min(len(left), len(part))
                left[:count] = part[:count]
                left, part = left[count:], part[count:]
        if len(part) or next(parts, None) is not None:
            raise DataError(f"more bytes of {name} than announced")

    def _parts(self, name: str) -> Iterator[memoryview]:
        number = 0
        while self._has(part := f"{name}/{number}"):
            try:
                yield memoryview(self._value(part, "data"))
            except (ValueError, LookupError, TypeError, DecodeError) as error:
                raise DataError(f"part {number} of {name} cannot be read: {error}") from error
            number += 1

    def _has(self, record: str) -> bool:
        return record in self._inside or record in self._objects()

    def _value(self, record: str, key: str) -> bytes:
        """Return the bytes that a record holds under a key."""
        held = self._inside.get(record)
        if held is None:
            content = self._take(self._objects()[record])
            held = ProtoRecord.FromString(content[content.index(b"\x00") + 1 :])
        for item in held.items:
            if item.key == key and item.value.WhichOneof("value") == "bytes":
                return bytes(item.value.bytes)
        raise LookupError(f"no {key} in {record}")

    def _objects(self) -> dict[str, str]:
        """Return the records that are objects of their own, by name."""
        if self._names is None:
            if self.inside:
                text = self._value(OBJECTS, "json") if OBJECTS in self._inside else b"{}"
            else:
                content = self._take(self._root())
                text = content[content.index(b"\x00") + 1 :]
            self._names = dict(json.loads(text))
        return self._names

    def _take(self, object_id: str) -> bytes:
        content = self._fetched.pop(object_id, None)
        return self._pull(object_id) if content is None else content

    def _root(self) -> str:
        if not self._tree.children:
            raise DataError("a message that is not one of Fedloom's: it is empty")
        return str(self._tree.children[0].object_id)


def _announce(dtype: str, shape: list[int]) -> tuple[Any, tuple[int, ...]]:
    kind = np.dtype(dtype)
    if kind.kind not in _KINDS and dtype not in _EXTENDED:
        raise ValueError(f"dtype {dtype} holds no numbers")
    if any(not isinstance(n, int) or n < 0 for n in shape):
        raise ValueError(f"shape {shape}")
    return kind, tuple(shape)
