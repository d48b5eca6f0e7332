"""Who is signed in at the page: a session for each browser, in the memory of this process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_urlsafe
from threading import Lock
from time import monotonic

from fedloom.errors import LinkError
from fedloom.platform.identity import Identity, LockedOutError
from fedloom.platform.identity.refusals import UnauthenticatedError

__all__ = ["Session", "Sessions", "SignIn"]

SignIn = Callable[[str, str], Identity]
"""Takes a token and the address it came from, says whose it is; raises if it does not hold."""


@dataclass
class Session:
    """A browser that is signed in.

    Attributes:
        identity: whose token it is.
        token: to ask again whether it still holds; never shown, never written.
        address: that the browser came from.
        opened_s: when it began, on the monotonic clock.
        used_s: when it was last used.
        checked_s: when its token was last found to hold.
        closed: whether it is over; pages that are still open must not act on it.
    """

    identity: Identity
    token: str = field(repr=False)
    address: str
    opened_s: float
    used_s: float
    checked_s: float
    closed: bool = False


@dataclass
class Sessions:
    """All sessions of this process; safe to use from several threads.

    The cookie holds a random key, of which only the digest is kept: neither the token nor anything
    that could replace it for longer than the session lies in the browser.

    Attributes:
        sign_in: asks whether a token holds.
        idle_s: seconds without use after which a session ends.
        longest_s: seconds after which it ends in any case.
        recheck_s: a token is asked about again after so many seconds, so that revoking it ends its
            sessions.
        most: sessions that are kept; the one that was used the longest ago goes first.
    """

    sign_in: SignIn
    idle_s: float = 12 * 3600.0
    longest_s: float = 7 * 24 * 3600.0
    recheck_s: float = 5.0
    most: int = 10_000
    clock: Callable[[], float] = monotonic
    _open: OrderedDict[str, Session] = field(default_factory=OrderedDict, repr=False)
    _turn: Lock = field(default_factory=Lock, repr=False)

    def open(self, token: str, address: str) -> tuple[str, Session]:
        """Sign a browser in; return the key for its cookie, and the session.

        Raises:
            AccessError: the token does not hold, or the address sent too many wrong ones.
            LinkError: the database cannot be reached.
        """
        identity = self.sign_in(token, address)
        now, key = self.clock(), token_urlsafe(32)
        session = Session(identity, token, address, now, now, now)
        with self._turn:
            self._open[_digest(key)] = session
            while len(self._open) > self.most:
                self._open.popitem(last=False)[1].closed = True
        return key, session

    def find(self, key: str | None) -> Session | None:
        """Return the session of a cookie's key, or None where there is none that holds."""
        if not key:
            return None
        digest = _digest(key)
        with self._turn:
            session = self._open.get(digest)
            if session is None:
                return None
            self._open.move_to_end(digest)
        if self._is_over(session) or not self._still_holds(session):
            self._drop(digest)
            return None
        session.used_s = self.clock()
        return session

    def is_alive(self, session: Session) -> bool:
        """Say whether a session that a page holds may still act; asks about its token in turn."""
        if session.closed or self._is_over(session) or not self._still_holds(session):
            session.closed = True
            return False
        session.used_s = self.clock()
        return True

    def close(self, key: str | None) -> None:
        """Sign a browser out; one that is not signed in stays so."""
        if key:
            self._drop(_digest(key))

    def _drop(self, digest: str) -> None:
        with self._turn:
            if session := self._open.pop(digest, None):
                session.closed = True

    def _is_over(self, session: Session) -> bool:
        now = self.clock()
        return now - session.used_s > self.idle_s or now - session.opened_s > self.longest_s

    def _still_holds(self, session: Session) -> bool:
        """Ask about the token, if that is due; a database that is down ends no session."""
        if self.clock() - session.checked_s < self.recheck_s:
            return True
        try:
            session.identity = self.sign_in(session.token, session.address)
        except UnauthenticatedError:
            return False
        except (LockedOutError, LinkError):
            pass
        session.checked_s = self.clock()
        return True


def _digest(key: str) -> str:
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
