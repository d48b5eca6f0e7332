"""Wrong tokens, counted by the address they came from, so that guessing costs time."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from threading import Lock
from typing import TypeVar

from fedloom.platform.identity.refusals import LockedOutError

__all__ = ["Attempts", "fold_address"]

_Kept = TypeVar("_Kept")


def _say_nothing(_address: str) -> None:
    """Nobody wants to know."""


@dataclass
class Attempts:
    """Counts wrong tokens by address, in the memory of a process, for all its threads.

    Attributes:
        limit: so many wrong tokens within `window_s` lock an address.
        window_s: seconds for which a wrong token counts.
        lock_s: seconds for which a locked address is not heard, whatever token it brings.
        max_addresses: at most so many are remembered, and as many locked ones; those whose last
            wrong token is the oldest are forgotten first. So a flood of addresses that each try
            once does not free the locked ones.
        on_lock: called with an address when it gets locked, for the log.
    """

    limit: int = 10
    window_s: float = 60.0
    lock_s: float = 60.0
    max_addresses: int = 10_000
    on_lock: Callable[[str], None] = _say_nothing
    _failures: OrderedDict[str, deque[datetime]] = field(default_factory=OrderedDict, repr=False)
    _locked: OrderedDict[str, datetime] = field(default_factory=OrderedDict, repr=False)
    _turn: Lock = field(default_factory=Lock, repr=False)

    def check(self, address: str, now: datetime) -> None:
        """Let an address through, or not.

        Raises:
            LockedOutError: it is locked; the error says for how long.
        """
        key = fold_address(address)
        with self._turn:
            if (until := self._locked.get(key)) is None:
                return
            if now < until:
                raise LockedOutError((until - now).total_seconds())
            del self._locked[key]

    def note_failure(self, address: str, now: datetime) -> None:
        """Count a wrong token, and lock the address if it is one too many."""
        key = fold_address(address)
        with self._turn:
            failures = self._failures.pop(key, deque(maxlen=self.limit))
            failures.append(now)
            if len(failures) < self.limit or now - failures[0] > timedelta(seconds=self.window_s):
                self._failures[key] = failures
                _shorten(self._failures, self.max_addresses)
                return
            self._locked[key] = now + timedelta(seconds=self.lock_s)
            _shorten(self._locked, self.max_addresses)
        self.on_lock(key)


def fold_address(address: str) -> str:
    """Return what stands for an address: itself, or the /64 network of one of IPv6.

    Whoever has an address of IPv6 has all of its /64, and could use each of them once.

    Example:
        >>> fold_address("2001:db8::5"), fold_address("::ffff:10.0.0.1"), fold_address("10.0.0.1")
        ('2001:db8::/64', '10.0.0.1', '10.0.0.1')
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ip_network((found, 64), strict=False))
    return str(found)


def _shorten(table: OrderedDict[str, _Kept], size: int) -> None:
    while len(table) > size:
        table.popitem(last=False)
