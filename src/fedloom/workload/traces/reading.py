"""What a reader of traces is given along with the files."""

from __future__ import annotations

from dataclasses import dataclass, field

from fedloom.workload.traces.imported import ImportOptions
from fedloom.workload.traces.tally import Tally

__all__ = ["Reading"]


@dataclass(frozen=True, slots=True)
class Reading:
    """One pass over a trace.

    Attributes:
        options: what was chosen.
        tally: where to count what is left out or assumed.
    """

    options: ImportOptions
    tally: Tally = field(default_factory=Tally)

    def skip(self, reason: str) -> None:
        """Count a row that is left out."""
        self.tally.skip(reason)

    def note(self, what: str) -> None:
        """Count a row that is kept with an assumption."""
        self.tally.note(what)
