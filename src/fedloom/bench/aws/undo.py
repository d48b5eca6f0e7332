"""Undoing in reverse order what was made, all of it, whatever fails on the way."""

from __future__ import annotations

from collections.abc import Callable

from fedloom.bench.aws.journal import Journal, uninterrupted
from fedloom.errors import FedloomError

__all__ = ["Undo"]


class Undo:
    """What is to be undone, the last first.

    Args:
        journal: of the launcher.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._steps: list[tuple[str, str, Callable[[], None]]] = []

    def add(self, what: str, name: str, undo: Callable[[], None]) -> None:
        """Remember how to undo something; called before it is made, as it may be made in part."""
        self._steps.append((what, name, undo))

    def drop(self, what: str) -> None:
        """Forget about undoing things of a kind."""
        self._steps = [step for step in self._steps if step[0] != what]

    def run(self) -> list[str]:
        """Undo everything; Ctrl-C is put off until the end, which is bounded.

        Returns:
            What could not be undone, a sentence each.
        """
        faults = []
        with uninterrupted():
            while self._steps:
                what, name, undo = self._steps.pop()
                try:
                    self._journal.note(what, "removing", name)
                    undo()
                    self._journal.note(what, "removed", name)
                except FedloomError as error:
                    faults.append(f"{what} {name}: {error}")
        return faults
