"""Every error that Fedloom raises on purpose, in one tree.

The branches follow what the caller can do about it::

    FedloomError                   exit code 1
    ├── InputError                 exit code 2: change what was asked for
    │   ├── UnknownNameError       a name that is not on the list; carries the nearest one
    │   ├── DataError              a data set is missing, unreadable, malformed or empty
    │   ├── PartitionError         the rows cannot be split as asked
    │   ├── ModelError             a model cannot be loaded, built or traced
    │   ├── PackageError           a compute package, or what its commands leave, is not as agreed
    │   ├── OutputError            an output exists, cannot be written, or the disk is full
    │   ├── NotFoundError          nothing has that number or name
    │   ├── ConflictError          what is there does not allow it: a status, a key, a version
    │   └── MissingExtraError      an optional dependency is not installed
    ├── AccessError                exit code 1: who asks is not known, or may not do this
    ├── LinkError                  exit code 1: a server cannot be reached, started or used
    │   └── IncompatibleError      two parts of Fedloom do not understand each other; names both
    └── RunFailedError             exit code 1: the run was valid, yet nothing could be learnt

The command line prints the message alone, on one line, and ends with ``exit_code``.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "AccessError",
    "ConflictError",
    "DataError",
    "FedloomError",
    "IncompatibleError",
    "InputError",
    "LinkError",
    "MissingExtraError",
    "ModelError",
    "NotFoundError",
    "OutputError",
    "PackageError",
    "PartitionError",
    "RunFailedError",
    "UnknownNameError",
]


class FedloomError(Exception):
    """Root of all errors raised on purpose; the message says what happened and what to do."""

    exit_code = 1


class InputError(FedloomError):
    """The request is wrong: a flag, a plan key, a file. Changing it mends the error."""

    exit_code = 2


class UnknownNameError(InputError):
    """A name that is not among the known ones.

    Args:
        kind: what was named, as the user calls it ("algorithm", "data set").
        name: what the user wrote.
        known: the names that would be right.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        choices = list(known)
        by_folded = {choice.casefold(): choice for choice in choices}
        near = get_close_matches(name.casefold(), list(by_folded), n=1, cutoff=0.5)
        hint = f"did you mean {by_folded[near[0]]!r}? " if near else ""
        super().__init__(f"unknown {kind} {name!r}: {hint}known are {', '.join(choices)}")
        self.kind, self.name, self.known = kind, name, choices


class DataError(InputError):
    """A data set is missing, unreadable, malformed, empty or holds NaN."""


class PartitionError(InputError):
    """The rows cannot be split over the clients as asked."""


class ModelError(InputError):
    """A model cannot be loaded, built or traced, or does not fit the data."""


class PackageError(InputError):
    """A compute package, its archive, or what one of its commands left is not as agreed."""


class OutputError(InputError):
    """An output exists already, lies outside its folder, cannot be written, or the disk is full."""


class NotFoundError(InputError):
    """Nothing has the number or the name that was asked for; the message says what was sought."""


class ConflictError(InputError):
    """What is there does not allow what was asked: a status, a key, a version in the way."""


class MissingExtraError(InputError):
    """An optional dependency is not installed.

    Args:
        feature: what needs it, as the user calls it.
        extra: the extra of the package that brings it.
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an extra: pip install 'fedloom[{extra}]'")
        self.feature, self.extra = feature, extra


class AccessError(FedloomError):
    """Who asks is not known, or may not do this."""


class LinkError(FedloomError):
    """A server cannot be reached, started or used: it is down, refuses us, or hung up for good."""


class IncompatibleError(LinkError):
    """Two parts of Fedloom of versions that do not understand each other; the message names both.

    Args:
        ours: version and protocol of this part.
        theirs: those of the other.
    """

    def __init__(self, ours: str, theirs: str) -> None:
        super().__init__(
            f"{theirs} does not understand {ours}; install the same version on both machines"
        )
        self.ours, self.theirs = ours, theirs


class RunFailedError(FedloomError):
    """A valid run in which nothing could be learnt, for example because every client failed."""
