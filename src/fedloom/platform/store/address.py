"""Addresses of databases: read, checked, and shown without their secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from fedloom.errors import InputError

__all__ = ["Address", "read_address"]

_RIGHT = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"
_DRIVERS = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg"}
_SECRET_WORDS = ("password", "passwd", "secret", "token")


@dataclass(frozen=True)
class Address:
    """Where a database is.

    Attributes:
        url: for SQLAlchemy, with its driver and its secrets.
        shown: for people: no password, and no secret in what follows the question mark.
        file: the database's file, where it is one.
    """

    url: URL
    shown: str
    file: Path | None

    def __repr__(self) -> str:
        return f"Address({self.shown!r})"

    def hide(self, text: str) -> str:
        """Take this address's secrets out of somebody else's message."""
        for secret in self._secrets():
            text = text.replace(secret, "***")
        return text

    def _secrets(self) -> list[str]:
        found = [str(self.url.password)] if self.url.password else []
        found += [str(value) for key, value in self.url.query.items() if _is_secret(key)]
        return sorted(found, key=len, reverse=True)


def read_address(text: str) -> Address:
    """Read the address of a database.

    Args:
        text: ``sqlite:///FILE`` (three strokes and a relative path, or four and an absolute one),
            or ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``; ``postgres://`` is the same.

    Raises:
        InputError: it is no address of a database that Fedloom can use; the message shows none of
            its secrets.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # the port may be no number
        raise InputError(f"this is no address of a database: write {_RIGHT}") from None
    kind = {"postgres": "postgresql"}.get(url.get_backend_name(), url.get_backend_name())
    if kind not in _DRIVERS:
        raise InputError(f"a database of kind {kind!r} cannot hold the store: write {_RIGHT}")
    file = _read_file(url) if kind == "sqlite" else None
    shown = url.set(drivername=kind, query=_hide_query(url.query))
    return Address(
        url.set(drivername=_DRIVERS[kind]),
        shown.render_as_string(hide_password=True),
        file,
    )


def _read_file(url: URL) -> Path:
    if url.host:
        raise InputError(
            "the address of an SQLite file has three strokes before a relative path and four"
            " before an absolute one: sqlite:///FILE"
        )
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise InputError(
            "a store in memory is lost with its process, and others cannot see it: write"
            " sqlite:///FILE"
        )
    return Path(url.database)


def _hide_query(query: Mapping[str, tuple[str, ...] | str]) -> dict[str, tuple[str, ...] | str]:
    return {key: "***" if _is_secret(key) else value for key, value in query.items()}


def _is_secret(key: str) -> bool:
    return any(word in key.casefold() for word in _SECRET_WORDS)
