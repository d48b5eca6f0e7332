"""What a machine is told to do."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from fedloom.errors import DataError

__all__ = ["MachineOrder", "MachineRole", "read_order"]


class MachineRole(StrEnum):
    """What a machine is in its group."""

    SERVER = "server"
    CLIENT = "client"


class MachineOrder(BaseModel):
    """One machine's work; the same for all clients of a group.

    Attributes:
        run: id of the run.
        role: what it is.
        group: name of the cells that share the machines.
        cells: ids, in the order in which they are carried out.
        bucket: of the run.
        region: of the bucket.
        port: at which the server's gateway listens.
        ready_limit_s: how long clients wait for the next cell, and servers for their clients.
        cell_limit_s: how long one cell may take.
        upload_every_s: between two uploads of what has changed.
        look_every_s: between two looks into the bucket.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    role: MachineRole
    group: str
    cells: tuple[str, ...]
    bucket: str
    region: str
    port: int
    ready_limit_s: float = 1200.0
    cell_limit_s: float = 86_400.0
    upload_every_s: float = 15.0
    look_every_s: float = 2.0


def read_order(path: Path) -> MachineOrder:
    """Read what a machine is told.

    Raises:
        DataError: the file cannot be read as that.
    """
    try:
        return MachineOrder.model_validate_json(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise DataError(f"{path} cannot be read as an order") from error
