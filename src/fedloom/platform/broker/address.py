"""Addresses of brokers: read, checked, and shown without their secrets."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from fedloom.errors import InputError

__all__ = ["BrokerAddress", "read_broker_address"]

_RIGHT = "amqp://USER:PASSWORD@HOST:5672/VHOST, amqps://… or memory://"


@dataclass(frozen=True)
class BrokerAddress:
    """Where a broker is.

    Attributes:
        url: for kombu, with its secrets; not shown.
        shown: for people, without a password.
        in_memory: whether it lives in this process alone.
    """

    url: str
    shown: str
    in_memory: bool

    def __repr__(self) -> str:
        return f"BrokerAddress({self.shown!r})"

    def hide(self, text: str) -> str:
        """Take this address's secret out of somebody else's message."""
        password = urlsplit(self.url).password
        for secret in (password, unquote(password or "")):
            if secret:
                text = text.replace(secret, "***")
        return text


def read_broker_address(text: str) -> BrokerAddress:
    """Read the address of a broker.

    Args:
        text: ``amqp://USER:PASSWORD@HOST:PORT/VHOST``, the same with ``amqps`` for TLS, or
            ``memory://`` for one inside of this process.

    Raises:
        InputError: it is no address of a broker that Fedloom can use; the message shows none of
            its secrets.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:  # a port that is no number, a bracket without its other half
        raise InputError(f"this is no address of a broker: write {_RIGHT}") from None
    if parts.scheme == "memory":
        return BrokerAddress("memory://", "memory://", in_memory=True)
    if parts.scheme not in ("amqp", "amqps") or not parts.hostname:
        kind = f"{parts.scheme}://" if parts.scheme else "this"
        raise InputError(f"{kind} is no address of a broker that Fedloom can use: write {_RIGHT}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    place = f"{host}:{port}" if port else host
    user = quote(unquote(parts.username or "")) + (":***" if parts.password else "")
    shown = f"{parts.scheme}://{user + '@' if user else ''}{place}{parts.path}"
    return BrokerAddress(text.strip(), shown, in_memory=False)
