"""What MLflow raises, in our words."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fedloom.errors import (
    AccessError,
    ConflictError,
    FedloomError,
    InputError,
    LinkError,
    NotFoundError,
    OutputError,
)
from fedloom.platform.registry.address import RegistryAddress

__all__ = ["error_code", "registry_errors"]

_LONGEST = 300
_UNWRITABLE = ("readonly database", "disk is full", "unable to open database", "disk I/O error")


def error_code(error: BaseException) -> str:
    """Return MLflow's code of an error, such as ``RESOURCE_DOES_NOT_EXIST``; empty if none."""
    return str(getattr(error, "error_code", ""))


@contextmanager
def registry_errors(
    address: RegistryAddress, what: str, *, missing: str | None = None
) -> Iterator[None]:
    """Turn what MLflow raises into one line.

    Args:
        address: of the registry, for the message.
        what: what is being done, for the message ("publish task 7").
        missing: what to say if MLflow does not find what was asked for.

    Raises:
        NotFoundError: it does not find it.
        ConflictError: it is there already.
        InputError: MLflow refuses a value.
        AccessError: it refuses us.
        OutputError: files or the database cannot be written.
        LinkError: it cannot be reached in the time that is allowed, or fails.
    """
    begun = time.monotonic()
    try:
        yield
    except FedloomError:
        raise
    except Exception as error:
        said = _first_line(address, error)
        seconds = time.monotonic() - begun
        raise _translate(address, error, what, missing, said, seconds) from error


def _translate(
    address: RegistryAddress,
    error: Exception,
    what: str,
    missing: str | None,
    said: str,
    seconds: float,
) -> FedloomError:
    match error_code(error):
        case "RESOURCE_DOES_NOT_EXIST" | "NOT_FOUND":
            return NotFoundError(missing or f"cannot {what}: {said}")
        case "RESOURCE_ALREADY_EXISTS":
            return ConflictError(f"cannot {what}: {said}")
        case "INVALID_PARAMETER_VALUE":
            return InputError(f"cannot {what}: {said}")
        case "PERMISSION_DENIED" | "UNAUTHENTICATED" | "CUSTOMER_UNAUTHORIZED":
            return AccessError(f"the registry at {address.shown} refuses us: {said}")
    if isinstance(error, OSError) and address.file is not None:
        return OutputError(f"cannot {what}: {error.filename or address.file}: {error.strerror}")
    if any(sign in str(error) for sign in _UNWRITABLE):
        return OutputError(f"cannot {what}: {address.file or address.shown} cannot be written")
    return LinkError(
        f"cannot {what}: the registry at {address.shown} cannot be used, given up after"
        f" {seconds:.1f} s: {said}"
    )


def _first_line(address: RegistryAddress, error: Any) -> str:
    text = address.hide(str(error)).strip() or type(error).__name__
    line = text.splitlines()[0]
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
