"""Run and cell on every order: a client of one cell does nothing for another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Belonging"]


@dataclass(frozen=True)
class Belonging:
    """Which cell of which run.

    Attributes:
        run: id of the run.
        cell: id of the cell in it.
    """

    run: str
    cell: str

    @property
    def task(self) -> str:
        """What the Flower fleet calls the cell."""
        return f"bench:{self.run}:{self.cell}"

    @property
    def settings(self) -> dict[str, str]:
        """What an order carries."""
        return {"run": self.run, "cell": self.cell}

    def find_fault(self, settings: Mapping[str, Any]) -> str:
        """Return why an order is not for this cell; empty if it is."""
        run, cell = settings.get("run"), settings.get("cell")
        if (run, cell) == (self.run, self.cell):
            return ""
        return f"run={run}, cell={cell}: this client is of run {self.run}, cell {self.cell}"
