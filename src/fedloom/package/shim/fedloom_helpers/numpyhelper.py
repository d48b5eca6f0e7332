"""Models as lists of NumPy arrays, in npz archives whose arrays are named ``0``, ``1``, ….

Archives are written uncompressed: compressing 100 MB of float32 weights takes some forty times as
long and saves a tenth of the space. Compressed ones are read all the same. Nothing is pickled.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from typing import IO, Any, cast

import numpy as np

from .helperbase import HelperBase

__all__ = ["Helper"]

_FILE_TYPES = ("npz", "raw_binary")


class Helper(HelperBase):
    """Writes, reads and computes with models that are lists of NumPy arrays."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "numpyhelper"

    # Arithmetic. `m`, `m1` and `m2` are models; every method returns a new one.

    def increment_average(
        self,
        m1: Sequence[Any],
        m2: Sequence[Any],
        n: float,
        N: float,  # noqa: N803
    ) -> list[Any]:
        """Return ``m1 + n (m2 - m1) / N``, with which a weighted mean grows model by model.

        Integers become float64; floating-point arrays keep their dtype.

        Args:
            m1: the weighted mean so far.
            m2: the model to add.
            n: examples behind `m2`.
            N: examples behind the result, those of `m2` among them.

        Raises:
            ValueError: the models differ in the number or the shapes of their arrays.
        """
        averaged = []
        for index, (x, y) in enumerate(_pair(m1, m2)):
            mean, new = _as_inexact(x), _as_inexact(y)
            if mean.shape != new.shape:
                raise ValueError(f"array {index} has shapes {mean.shape} and {new.shape}")
            dtype = np.result_type(mean.dtype, new.dtype)
            averaged.append(np.asarray(mean + float(n) * (new - mean) / float(N), dtype=dtype))
        return averaged

    def add(
        self, m1: Sequence[Any], m2: Sequence[Any], a: float = 1.0, b: float = 1.0
    ) -> list[Any]:
        """Return ``a m1 + b m2``."""
        return [np.multiply(x, a) + np.multiply(y, b) for x, y in _pair(m1, m2)]

    def subtract(
        self, m1: Sequence[Any], m2: Sequence[Any], a: float = 1.0, b: float = 1.0
    ) -> list[Any]:
        """Return ``a m1 - b m2``."""
        return self.add(m1, m2, a, -b)

    def multiply(self, m1: Sequence[Any], m2: Sequence[Any]) -> list[Any]:
        """Return the product, element by element."""
        return [np.multiply(x, y) for x, y in _pair(m1, m2)]

    def divide(self, m1: Sequence[Any], m2: Sequence[Any]) -> list[Any]:
        """Return the quotient, element by element."""
        return [np.divide(x, y) for x, y in _pair(m1, m2)]

    def power(self, m1: Sequence[Any], a: float) -> list[Any]:
        """Return every element to the power of `a`."""
        return [np.power(x, a) for x in m1]

    def sqrt(self, m1: Sequence[Any]) -> list[Any]:
        """Return the square root of every element."""
        return [np.sqrt(x) for x in m1]

    def sign(self, m: Sequence[Any]) -> list[Any]:
        """Return the sign of every element: -1, 0 or 1."""
        return [np.sign(x) for x in m]

    def norm(self, m: Sequence[Any]) -> float:
        """Return the L1 norm over all arrays together: the sum of all absolute values."""
        return float(sum(np.abs(x).sum() for x in map(np.asarray, m)))

    def ones(self, m1: Sequence[Any], a: float) -> list[Any]:
        """Return float64 arrays in the shapes of `m1`, filled with `a`."""
        return [np.full(np.shape(x), float(a)) for x in m1]

    # Files.

    def save(
        self,
        model: Sequence[Any],
        path: str | os.PathLike[str] | IO[bytes] | None = None,
        file_type: str = "npz",
        compressed: bool = False,
    ) -> Any:
        """Write a model and return where it is.

        Args:
            model: its arrays; dtypes and shapes are kept, those of scalars and empty ones too.
            path: the file, to which NumPy adds ``.npz`` if it does not end so; a new temporary
                file if it is None. An open binary file is written to as well.
            file_type: ``npz``, or ``raw_binary`` (see `binaryhelper`).
            compressed: whether to compress an npz archive.

        Raises:
            ValueError: an array holds Python objects, or the file type is not known.
        """
        self.check_supported_file_type(file_type)
        arrays = [_as_numbers(index, array) for index, array in enumerate(model)]
        if file_type == "raw_binary":
            return _save_raw(arrays, path or self.get_tmp_path(".bin"))
        target = path or self.get_tmp_path()
        if not hasattr(target, "write") and not os.fspath(target).endswith(".npz"):
            target = os.fspath(target) + ".npz"
        write = np.savez_compressed if compressed else np.savez
        write(target, **{str(index): array for index, array in enumerate(arrays)})
        return target

    def load(self, path: str | os.PathLike[str] | IO[bytes], file_type: str = "npz") -> list[Any]:
        """Read a model's arrays, in their order.

        Args:
            path: a file, compressed or not, or an open binary file.
            file_type: ``npz``, or ``raw_binary`` (see `binaryhelper`).

        Raises:
            ValueError: it is no npz archive, holds Python objects, or names its arrays otherwise
                than ``0``, ``1``, ….
            OSError: it cannot be read.
        """
        self.check_supported_file_type(file_type)
        if hasattr(path, "read"):
            return _read(cast("IO[bytes]", path), file_type)
        # Opened here, because NumPy leaves a damaged file open.
        with open(cast("str", path), "rb") as file:  # noqa: PTH123
            return _read(file, file_type)

    def get_tmp_path(self, suffix: str = ".npz") -> str:
        """Make an empty temporary file and return its path; it is the caller's to remove."""
        descriptor, path = tempfile.mkstemp(suffix=suffix)
        os.close(descriptor)
        return path

    def check_supported_file_type(self, file_type: str) -> bool:
        """Return True for a file type that can be written and read.

        Raises:
            ValueError: it is another; the message lists the right ones.
        """
        if file_type not in _FILE_TYPES:
            raise ValueError(f"file type {file_type!r}: supported are {', '.join(_FILE_TYPES)}")
        return True


def _pair(m1: Sequence[Any], m2: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Pair the arrays of two models; one with fewer arrays must not shorten the result."""
    if len(m1) != len(m2):
        raise ValueError(f"the models have {len(m1)} and {len(m2)} arrays")
    return list(zip(m1, m2))  # noqa: B905  (`strict` is not known to Python 3.8)


def _as_inexact(values: Any) -> Any:
    array = np.asarray(values)
    return array if np.issubdtype(array.dtype, np.inexact) else array.astype(np.float64)


def _as_numbers(index: int, values: Any) -> Any:
    array = np.asarray(values)
    if array.dtype.hasobject:
        raise ValueError(f"array {index} holds Python objects; save numbers only")
    return array


def _save_raw(arrays: list[Any], target: Any) -> Any:
    # As float64, because nothing in the file says otherwise when it is read.
    flat = [array.ravel().astype(np.float64) for array in arrays]
    content = b"".join(array.tobytes() for array in flat)
    if hasattr(target, "write"):
        target.write(content)
        return target
    with open(target, "wb") as file:  # noqa: PTH123
        file.write(content)
    return target


def _read(file: IO[bytes], file_type: str) -> list[Any]:
    if file_type == "raw_binary":
        # A copy, because what `frombuffer` returns cannot be written to.
        return [np.frombuffer(file.read(), dtype=np.float64).copy()]
    archive = np.load(file, allow_pickle=False)
    if not hasattr(archive, "files"):
        raise ValueError("the file holds a single array, not an npz archive")
    names = [str(index) for index in range(len(archive.files))]
    if set(names) != set(archive.files):
        raise ValueError(f"the arrays must be named 0, 1, …; they are {', '.join(archive.files)}")
    return [archive[name] for name in names]
