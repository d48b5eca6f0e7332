"""A platform from Python: ask for tasks, watch them, and fetch what they leave.

`connect` opens a `Platform`, whose parts are `tasks`, `nodes`, `models`, `packages`, `datasets`
and `tokens`. It needs nothing but the address of an API and a token, and what it cannot do it says
with the errors of `fedloom.errors`.
"""

from __future__ import annotations

from fedloom.platform.connection.platform import Platform, connect
from fedloom.platform.connection.values import (
    Event,
    GivenToken,
    Health,
    Holding,
    Identity,
    LineageStep,
    LogPiece,
    Model,
    Node,
    SignedBy,
    StoredDocument,
    TokenEntry,
    Version,
)
from fedloom.platform.connection.watch import NotInTimeError

__all__ = [
    "Event",
    "GivenToken",
    "Health",
    "Holding",
    "Identity",
    "LineageStep",
    "LogPiece",
    "Model",
    "Node",
    "NotInTimeError",
    "Platform",
    "SignedBy",
    "StoredDocument",
    "TokenEntry",
    "Version",
    "connect",
]
