"""Arrays that travel beside a message: end to end in one piece, over a depot's link.

A SuperLink keeps every object in its database, and a model of 100 MB costs it seconds per node. So
where there is a depot, the message tells only where its groups of arrays are to be had.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import prod
from typing import Any, TypeAlias

import numpy as np

from fedloom.errors import DataError
from fedloom.federation.weights import Weights

__all__ = ["Announced", "Freight", "Unload", "Waybill", "load", "make_room", "spread", "view_bytes"]

Announced: TypeAlias = Mapping[str, Sequence[tuple[Any, tuple[int, ...]]]]
"""Dtype and shape of every array, by the group's name."""


@dataclass(frozen=True)
class Waybill:
    """What a message says of arrays beside it.

    Attributes:
        link: where they are to be had; empty where the receiver knows that better.
        groups: which they are, in this order.
        digest: SHA-256 of all their bytes.
    """

    link: str
    groups: Sequence[str]
    digest: str

    @classmethod
    def read(cls, said: Any) -> Waybill:
        """Return it as a header holds it.

        Raises:
            DataError: it makes no sense.
        """
        try:
            link, groups, digest = said["link"], said["groups"], said["sha256"]
        except (TypeError, KeyError, IndexError) as error:
            raise DataError("a message that does not say where its arrays are") from error
        texts = [link, digest, *groups] if isinstance(groups, list) else [None]
        if not all(isinstance(text, str) for text in texts):
            raise DataError("a message that does not say where its arrays are")
        return cls(link, groups, digest)

    def write(self) -> dict[str, Any]:
        """Return it as a header holds it."""
        return {"link": self.link, "groups": list(self.groups), "sha256": self.digest}


Unload: TypeAlias = Callable[[Waybill, Announced], dict[str, Weights]]
"""Gets the arrays of a waybill, which are to be as announced."""


@dataclass(frozen=True)
class Freight:
    """Groups of arrays, end to end; nothing is copied.

    Attributes:
        parts: their memory, which must not change meanwhile.
        described: dtype and shape of every array, by the group's name, as a header holds it.
        digest: SHA-256 of all bytes.
    """

    parts: Sequence[memoryview]
    described: Mapping[str, list[list[Any]]]
    digest: str

    def waybill(self, link: str = "") -> Waybill:
        """Return what a message says of it."""
        return Waybill(link, list(self.described), self.digest)


def load(groups: Mapping[str, Weights]) -> Freight:
    """Put arrays end to end."""
    held = {name: [np.asarray(a) for a in arrays] for name, arrays in groups.items()}
    parts = [view_bytes(np.ascontiguousarray(a)) for arrays in held.values() for a in arrays]
    hashed = sha256()
    for part in parts:
        hashed.update(part)
    described = {
        name: [[a.dtype.name, list(a.shape)] for a in arrays] for name, arrays in held.items()
    }
    return Freight(parts, described, hashed.hexdigest())


def make_room(announced: Announced) -> dict[str, Weights]:
    """Return arrays without content, as announced."""
    return {
        name: [np.empty(shape, dtype) for dtype, shape in group]
        for name, group in announced.items()
    }


def spread(content: memoryview, announced: Announced) -> dict[str, Weights]:
    """Return arrays over memory that holds them end to end, without copying.

    Raises:
        DataError: it holds more or fewer bytes than announced.
    """
    sizes = [dtype.itemsize * prod(shape) for g in announced.values() for dtype, shape in g]
    if sum(sizes) != len(content):
        raise DataError(f"{len(content)} bytes of arrays, where {sum(sizes)} were announced")
    found: dict[str, Weights] = {}
    place = 0
    for name, group in announced.items():
        found[name] = []
        for dtype, shape in group:
            size = dtype.itemsize * prod(shape)
            held = np.frombuffer(content[place : place + size], np.uint8)
            found[name].append(held.view(dtype).reshape(shape))
            place += size
    return found


def view_bytes(array: Any) -> memoryview:
    """Return the memory of a contiguous array, without copying."""
    return memoryview(array.reshape(-1).view(np.uint8).data)
