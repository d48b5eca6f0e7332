"""The IDX format of MNIST and its kin: a magic number, the sizes, the values, often gzipped.

The format: two zero bytes, a byte for the type, a byte for the number of dimensions, each size as
a big-endian 32-bit number, then all values (http://yann.lecun.com/exdb/mnist/).
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from types import MappingProxyType

import numpy as np

from fedloom.data.raw import AnyArray
from fedloom.errors import DataError

__all__ = ["read_idx"]

_TYPES = MappingProxyType(
    {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
)
_GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: Path, dimensions: int) -> AnyArray:
    """Read an IDX file, gzipped or plain (told by its content, not by its name).

    Args:
        path: the file.
        dimensions: how many dimensions the array must have: 3 for images, 1 for labels.

    Raises:
        DataError: the file cannot be read, is no IDX file, is cut off, or has the wrong shape.
    """
    content = _read_bytes(path)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES:
        raise DataError(
            f"{path} is no IDX file: it begins with 0x{content[:4].hex()} "
            f"instead of 0x000008{dimensions:02x}"
        )
    if content[3] != dimensions:
        raise DataError(f"{path} has {content[3]} dimensions instead of {dimensions}")
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise DataError(f"{path} is cut off inside its header, after {len(content)} bytes")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    values_type = np.dtype(_TYPES[content[2]])
    wanted = start + math.prod(shape) * values_type.itemsize
    if len(content) != wanted:
        fault = "is cut off" if len(content) < wanted else "is too long"
        raise DataError(
            f"{path} {fault}: {len(content)} bytes instead of {wanted} for the shape {shape}"
        )
    values = np.frombuffer(content, values_type, offset=start).reshape(shape)
    return values.astype(values_type.newbyteorder("="), copy=False)


def _read_bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(_GZIP_MAGIC) else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is a damaged or cut-off gzip file: {error}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
