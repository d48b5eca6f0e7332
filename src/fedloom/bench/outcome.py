"""How a cell of a study ended."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from fedloom.errors import DataError
from fedloom.files import write_text

__all__ = ["CellOutcome", "CellStatus", "read_outcome", "write_outcome"]


class CellStatus(StrEnum):
    """How far a cell came."""

    FINISHED = "finished"
    DIVERGED = "diverged"
    FAILED = "failed"


class CellOutcome(BaseModel):
    """How a cell ended, as its ``cell.json`` holds it.

    Attributes:
        run: id of the run.
        cell: id of the cell.
        backend: what computed.
        strategy: the federated algorithm.
        clients: how many there were.
        repeat: counted from 1.
        seed: of its plan.
        status: how far it came.
        reason: why not further; empty if it finished.
        rounds: that were finished.
        started: when, in ISO 8601 with UTC.
        seconds: from the first round's start to the last one's end.
        ready_seconds: from the start of the server until all clients had answered.
        target_score: that was to be reached, or None.
        target_seconds: from the first round's start until it was reached, or None if never.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    cell: str
    backend: str
    strategy: str
    clients: int
    repeat: int = 1
    seed: int
    status: CellStatus
    reason: str = ""
    rounds: int = 0
    started: str = ""
    seconds: float = 0.0
    ready_seconds: float = 0.0
    target_score: float | None = None
    target_seconds: float | None = None


def write_outcome(path: Path, outcome: CellOutcome) -> None:
    """Write how a cell ended.

    Raises:
        OutputError: it cannot be written.
    """
    write_text(path, outcome.model_dump_json(indent=2) + "\n")


def read_outcome(path: Path) -> CellOutcome | None:
    """Read how a cell ended; None where it has not.

    Raises:
        DataError: the file is there, and cannot be read.
    """
    try:
        return CellOutcome.model_validate_json(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise DataError(
            f"{path} cannot be read as a cell's outcome; remove it to carry the cell out again"
        ) from error
