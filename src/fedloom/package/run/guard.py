"""Bounds that a caller puts around a call of an entry point."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Guard"]


class Guard(Protocol):
    """Confines a call before it begins, and watches it while it runs."""

    @property
    def prefix(self) -> tuple[str, ...]:
        """Words put before the command; they confine their process and end in executing it.

        Calls with another prefix never share a warm process.
        """

    def look(self, leader: int, mark: str) -> str:
        """Return why the call must be stopped now, or nothing; asked about ten times a second.

        Args:
            leader: id of the process that the call started.
            mark: see `fedloom.package.run.tree.find_processes`.
        """
