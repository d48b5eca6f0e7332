"""What a source of data hands over, before it becomes a data set."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fedloom.errors import DataError

__all__ = ["AnyArray", "RawData", "find_existing"]

AnyArray: TypeAlias = NDArray[Any]
"""An array of whatever type the source holds."""


@dataclass(frozen=True)
class RawData:
    """Arrays as a source holds them: nothing checked, scaled or split yet.

    Attributes:
        features: numbers, shape (rows, …); uint8 means pixels and is scaled to 0…1 later.
        labels: whole numbers, numbers or text, shape (rows,).
        test_features: as `features`, where the source has a test part of its own.
        test_labels: as `labels`.
        is_table: whether columns (and a numeric target) are standardised by the train part.
    """

    features: AnyArray
    labels: AnyArray
    test_features: AnyArray | None = None
    test_labels: AnyArray | None = None
    is_table: bool = field(default=False, kw_only=True)

    @classmethod
    def join(cls, train: tuple[AnyArray, AnyArray], test: tuple[AnyArray, AnyArray]) -> RawData:
        """Build the data of a source that has a train and a test part of its own."""
        return cls(train[0], train[1], test[0], test[1])

    @property
    def all_labels(self) -> AnyArray:
        """The labels of both parts, one after the other."""
        if self.test_labels is None:
            return self.labels
        return np.concatenate([self.labels, self.test_labels])


def find_existing(path: str, what: str, *, folder: bool = False) -> Path:
    """Return `path` as a `Path` if it is there and of the right kind.

    Args:
        path: as the user wrote it; ``~`` is the home folder.
        what: what it should be, for the message ("CSV file").
        folder: whether it should be a folder rather than a file.

    Raises:
        DataError: it is missing, or a folder where a file is wanted, or the reverse.
    """
    if not path:
        raise DataError(f"no {what} is named: write its path after the colon")
    try:
        found = Path(path).expanduser()
        exists, right_kind = found.exists(), found.is_dir() if folder else found.is_file()
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"cannot look at {what} {path!r}: {error}") from error
    if not exists:
        raise DataError(f"{what} {path} does not exist")
    if not right_kind:
        raise DataError(f"{path} is not a {'folder' if folder else 'file'}, but a {what} is wanted")
    return found
