"""Models as raw float64 numbers: all arrays end to end, with neither names nor shapes.

Reading gives one flat float64 array. Arrays of another dtype are converted when they are written,
so that what is read is always what was meant.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, Any

from .numpyhelper import Helper as NumpyHelper

__all__ = ["Helper"]


class Helper(NumpyHelper):
    """The numpyhelper, with raw float64 as its file type unless another is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "binaryhelper"

    def save(
        self,
        model: Sequence[Any],
        path: str | os.PathLike[str] | IO[bytes] | None = None,
        file_type: str = "raw_binary",
        compressed: bool = False,
    ) -> Any:
        """Write a model and return where it is (see `numpyhelper`)."""
        return super().save(model, path, file_type, compressed)

    def load(
        self, path: str | os.PathLike[str] | IO[bytes], file_type: str = "raw_binary"
    ) -> list[Any]:
        """Read a model (see `numpyhelper`): one flat float64 array from a raw file."""
        return super().load(path, file_type)
