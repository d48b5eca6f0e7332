"""Data sets in NumPy's .npz archives."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping

import numpy as np

from fedloom.data.raw import AnyArray, RawData, find_existing
from fedloom.errors import DataError

__all__ = ["load_npz"]

_TRAIN_NAMES = (("x_train", "y_train"), ("x", "y"), ("features", "labels"))
_TEST_NAMES = ("x_test", "y_test")


def load_npz(path: str) -> RawData:
    """Read features and labels from an .npz archive.

    The arrays are named ``x_train``, ``y_train`` and perhaps ``x_test``, ``y_test`` (as in Keras'
    mnist.npz), or ``x``, ``y``, or ``features``, ``labels``. They are taken as they are; only
    uint8 features, which are pixels, are scaled to 0…1 later. Pickled objects are refused,
    because reading them would run code from the file.

    Raises:
        DataError: the file is missing, damaged, holds pickled objects, or lacks an array.
    """
    found = find_existing(path, "npz file")
    try:
        # Opened here, because NumPy leaves a damaged file open.
        with found.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{path} is a single array; save both with numpy.savez(x=…, y=…)")
            names = _choose_names(path, archive.files)
            arrays = [_read_array(archive, name, path) for name in names]
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise DataError(f"{path} is not a readable npz archive: {_first_line(error)}") from error
    return RawData(*arrays)


def _choose_names(path: str, present: list[str]) -> list[str]:
    for names in _TRAIN_NAMES:
        if set(names) <= set(present):
            break
    else:
        wanted = " or ".join(f"{x} and {y}" for x, y in _TRAIN_NAMES)
        raise DataError(
            f"{path} holds the arrays {', '.join(present) or 'none'}: {wanted} are wanted"
        )
    test = [name for name in _TEST_NAMES if name in present]
    if len(test) == 1:
        raise DataError(f"{path} has {test[0]} without the other of {' and '.join(_TEST_NAMES)}")
    return [*names, *test]


def _read_array(archive: Mapping[str, AnyArray], name: str, path: str) -> AnyArray:
    try:
        return archive[name]
    except ValueError as error:
        if "pickle" not in str(error):
            raise
        raise DataError(
            f"array {name} of {path} holds Python objects, which are refused because reading them "
            f"runs code: save it as numbers or as fixed-width text (array.astype(str))"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
