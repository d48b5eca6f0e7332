"""What the server of a cell has written down about its rounds, read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fedloom.experiment.checkpoint_file import read_finished_round
from fedloom.experiment.folder import RunFolder

__all__ = ["SERVER", "History"]

SERVER = "server"
"""The client id of what the server itself measures."""


@dataclass
class History:
    """The server's numbers of the finished rounds.

    Attributes:
        values: by phase and name, each from a round to a number.
    """

    values: dict[tuple[str, str], dict[int, float]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: RunFolder) -> History:
        """Read what is there of the rounds that count; nothing where nothing is.

        Raises:
            DataError: the table of metrics or the checkpoint is malformed.
        """
        from fedloom.records import read_metrics

        history, finished = cls(), read_finished_round(folder.checkpoint)
        if not finished:
            return history
        for row in read_metrics(folder.path).iter_rows(named=True):
            if row["client_id"] == SERVER and row["round"] <= finished:
                history.add(row["phase"], row["name"], row["round"], row["value"])
        return history

    def add(self, phase: str, name: str, number: int, value: float) -> None:
        """Note a number of a round."""
        self.values.setdefault((phase, name), {})[number] = value

    def series(self, phase: str, name: str) -> Mapping[int, float]:
        """Return a number by round, ascending."""
        found = self.values.get((phase, name), {})
        return {number: found[number] for number in sorted(found)}

    @property
    def rounds(self) -> int:
        """The last round that was finished, 0 before the first."""
        return max(self.series("round", "round_seconds"), default=0)

    @property
    def initial_loss(self) -> float | None:
        """The loss of the initial weights, once it is known."""
        return self.series("evaluate", "loss").get(0)

    @property
    def seconds(self) -> float:
        """How long the finished rounds took, from the first one's start to the last one's end."""
        last = self.rounds
        if not last:
            return 0.0
        elapsed = self.series("evaluate", "elapsed_seconds")[last]
        return elapsed + self.series("validate", "validate_seconds").get(last, 0.0)

    def seconds_to(self, target_score: float | None) -> float | None:
        """Return when the central score first reached a target, or None if it never did."""
        if target_score is None:
            return None
        elapsed = self.series("evaluate", "elapsed_seconds")
        for number, score in self.series("evaluate", "score").items():
            if score >= target_score:
                return elapsed[number]
        return None
