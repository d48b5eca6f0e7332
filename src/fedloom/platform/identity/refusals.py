"""Why somebody is not let in, or not let do something."""

from __future__ import annotations

from fedloom.errors import AccessError

__all__ = ["ForbiddenError", "LockedOutError", "UnauthenticatedError"]


class UnauthenticatedError(AccessError):
    """Nobody knows who asks: there is no token, or none that holds."""


class ForbiddenError(AccessError):
    """Who asks is known, and may not do this."""


class LockedOutError(AccessError):
    """Too many wrong tokens came from an address.

    Args:
        retry_after_s: seconds until it is heard again.
    """

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(
            f"too many wrong tokens came from this address: try again in {retry_after_s:.0f} s"
        )
        self.retry_after_s = retry_after_s
