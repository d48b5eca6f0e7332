"""Writing small IDX data sets for the tests."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

from fedloom.data.raw import AnyArray

TYPE_CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
PARTS = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def encode_idx(values: AnyArray) -> bytes:
    code = TYPE_CODES[values.dtype.str[1:]]
    header = struct.pack(f">HBB{values.ndim}I", 0, code, values.ndim, *values.shape)
    return header + values.astype(values.dtype.newbyteorder(">")).tobytes()


def make_arrays(train: int = 12, test: int = 4) -> list[AnyArray]:
    """Return images and labels of both parts; the labels go round 0, 1, 2, 3."""
    arrays = []
    for rows in (train, test):
        images = np.arange(rows * 6, dtype=np.uint8).reshape(rows, 2, 3)
        arrays += [images, (np.arange(rows) % 4).astype(np.uint8)]
    return arrays


def write_idx_set(folder: Path, *, gzipped: bool = True) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part, values in zip(PARTS, make_arrays(), strict=True):
        content = encode_idx(values)
        if gzipped:
            (folder / f"{part}.gz").write_bytes(gzip.compress(content, mtime=0))
        else:
            (folder / part).write_bytes(content)
