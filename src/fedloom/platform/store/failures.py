"""What goes wrong in a database, in our own words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from fedloom.errors import DataError, FedloomError, LinkError, OutputError
from fedloom.platform.store.address import Address

__all__ = ["BUSY_S", "database_errors"]

BUSY_S = 30.0
"""Seconds that a write waits for its turn before it gives up."""

_OUTPUT_MARKS = ("disk is full", "readonly", "unable to open", "disk i/o error")
_DATA_MARKS = ("not a database", "malformed")


@contextmanager
def database_errors(address: Address) -> Iterator[None]:
    """Turn what a database's driver raises into our errors, on one line and without secrets.

    What only a bug of ours can cause (a wrong statement, a broken rule of a table) passes through.

    Raises:
        LinkError: the database cannot be reached, hung up, or was busy for `BUSY_S`.
        OutputError: its file cannot be opened or written, or the disk is full.
        DataError: the file is no database, or is damaged.
    """
    try:
        yield
    except PoolTimeoutError as error:
        raise LinkError(
            f"all connections to {address.shown} have been in use for {BUSY_S:g} s; ask for less"
            " at once"
        ) from error
    except DBAPIError as error:
        if (ours := _translate(error, address)) is None:
            raise
        raise ours from error


def _translate(error: DBAPIError, address: Address) -> FedloomError | None:
    text = address.hide(" ".join(str(error.orig).split()))
    folded = text.casefold()
    if any(mark in folded for mark in _DATA_MARKS):
        return DataError(f"{address.shown} is no database of Fedloom: {text}")
    if not isinstance(error, OperationalError | InterfaceError | InternalError):
        return None
    if "database is locked" in folded or "lock timeout" in folded:
        return LinkError(
            f"{address.shown} is busy: somebody else has been writing for {BUSY_S:g} s"
        )
    if address.file and any(mark in folded for mark in _OUTPUT_MARKS):
        return OutputError(f"cannot use the database {address.shown}: {text}")
    if address.file:
        return None
    return LinkError(f"cannot reach the database {address.shown}: {text}")
