"""How a coordinator reaches one SuperLink, and what big things travel through beside it."""

from __future__ import annotations

from dataclasses import dataclass, field

from fedloom.fleet.flower.depot import Depot
from fedloom.fleet.flower.endpoint import Endpoint

__all__ = ["Link"]


@dataclass(frozen=True)
class Link:
    """One SuperLink.

    Attributes:
        endpoint: where it is.
        secret: its SuperExec secret.
        depot: through which weights and packages travel; None sends all inside of messages.
    """

    endpoint: Endpoint
    secret: bytes = field(repr=False)
    depot: Depot | None = None
