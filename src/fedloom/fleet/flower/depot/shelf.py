"""What a depot has: things to be fetched, and places for things that are to come."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from threading import Lock
from typing import TypeAlias

__all__ = ["OWN_FILE", "PREFIX", "Content", "Offer", "Place", "Shelf"]

PREFIX = "/v1/depot/"
"""Where the paths of all links begin."""

OWN_FILE = re.compile(r"[0-9a-f]{32}(\.\d+\.part)?")
"""What files are called that came, or are coming."""

_SECRET_BYTES = 32

Content: TypeAlias = Path | Sequence[memoryview]
"""A file, or memory that must not change while it is offered."""


@dataclass(eq=False)
class Offer:
    """Something to fetch.

    Attributes:
        task: it is offered for.
        content: what it is.
        size: in bytes.
        gone: set when it is offered no longer; whoever is fetching it is cut off.
    """

    task: str
    content: Content
    size: int
    gone: bool = False


@dataclass(eq=False)
class Place:
    """A place for one thing to come.

    Attributes:
        task: it is for.
        path: where it will lie; there is no file before it is there in full.
        limit_bytes: the most it may have.
        turn: counted up with each try and when the place is cleared, so that what was on its way
            then is refused.
        arriving: whether it is being received.
        digest: SHA-256 of what is there; empty while nothing is.
        gone: set when nothing is expected any more.
    """

    task: str
    path: Path
    limit_bytes: int
    turn: int = 0
    arriving: bool = False
    digest: str = ""
    gone: bool = False


@dataclass
class Shelf:
    """All that a depot has, by link; safe to use from many threads.

    Secrets are kept as their SHA-256, so that nothing that is printed or dumped holds one.

    Attributes:
        folder: takes what comes.
    """

    folder: Path
    _held: dict[bytes, Offer | Place] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def offer(self, content: Content, task: str) -> str:
        """Offer something; return the path of its link."""
        if isinstance(content, Path):
            size = content.stat().st_size
        else:
            size = sum(part.nbytes for part in content)
        return self._put(Offer(task, content, size))

    def expect(self, task: str, limit_bytes: int) -> str:
        """Make a place for something to come; return the path of its link."""
        path = self.folder / secrets.token_hex(16)
        return self._put(Place(task, path, limit_bytes))

    def find(self, link: str) -> Offer | Place | None:
        """Return what a link or its path stands for, or None where it stands for nothing."""
        _, found, secret = link.partition(PREFIX)
        if not found or "/" in secret:
            return None
        key = sha256(secret.encode("utf-8", "replace")).digest()
        with self._lock:
            held = next((k for k in self._held if compare_digest(k, key)), None)
            return None if held is None else self._held[held]

    def begin(self, place: Place) -> int | None:
        """Note that something begins to come; return its turn, or None where it may not."""
        with self._lock:
            if place.gone or place.arriving or place.digest:
                return None
            place.arriving = True
            place.turn += 1  # so no two tries write to the same file
            return place.turn

    def finish(self, place: Place, turn: int, beside: Path | None, digest: str = "") -> bool:
        """Put what came into its place; return whether it is wanted.

        Args:
            place: where it belongs.
            turn: as `begin` returned it.
            beside: the file; None where it did not come in full.
            digest: SHA-256 of the file.
        """
        with self._lock:
            wanted = place.turn == turn and not place.gone
            if wanted:
                place.arriving = False
                if beside is not None:
                    beside.replace(place.path)
                    place.digest = digest
        return wanted and beside is not None

    def reopen(self, link: str) -> None:
        """Clear a place, so that something may come once more."""
        place = self.find(link)
        if isinstance(place, Place):
            with self._lock:
                place.turn += 1
                place.arriving, place.digest = False, ""
                place.path.unlink(missing_ok=True)

    def withdraw(self, link: str) -> None:
        """Let a link stand for nothing, and remove what came."""
        found = self.find(link)
        if found is not None:
            self._remove([found])

    def drop(self, task: str) -> None:
        """Withdraw all links of a task."""
        with self._lock:
            held = [one for one in self._held.values() if one.task == task]
        self._remove(held)

    def clear(self) -> None:
        """Withdraw all links."""
        with self._lock:
            held = list(self._held.values())
        self._remove(held)

    def _put(self, entry: Offer | Place) -> str:
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        with self._lock:
            self._held[sha256(secret.encode()).digest()] = entry
        return f"{PREFIX}{secret}"

    def _remove(self, entries: Sequence[Offer | Place]) -> None:
        gone = {id(entry) for entry in entries}
        with self._lock:
            self._held = {k: one for k, one in self._held.items() if id(one) not in gone}
            for entry in entries:
                entry.gone = True
                if isinstance(entry, Place):
                    with suppress(OSError):
                        entry.path.unlink(missing_ok=True)
                else:
                    entry.content = ()
