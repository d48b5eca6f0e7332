"""Reading a model's arrays from a file of unknown origin, and fitting them to the model."""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fedloom.errors import PackageError

if TYPE_CHECKING:
    from fedloom.federation.weights import Weights

__all__ = ["NotFiniteError", "check_plain", "fit_arrays", "read_arrays"]

AnyArray: TypeAlias = npt.NDArray[Any]

_LIMIT_BYTES = 4 * 1024**3
"""Of a file where no model says how large it may be."""

_FRAME_BYTES = 64 * 1024
"""What the headers of one array may take in a file."""

_CHUNK_BYTES = 1024**2
_WIDEST_FLOAT = 8
_ZIP, _EMPTY_ZIP, _NPY = b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY"
_ADVICE = "save it with the helper: helper.save(arrays, sys.argv[2])"


_NPZ_ERRORS = (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error)
_HEADER_ERRORS = (SyntaxError, TypeError, ValueError, tokenize.TokenError)
"""NumPy reads a header as Python's literals, and lets some faults of these through."""


class NotFiniteError(PackageError):
    """A model holds NaN or infinity: whoever trained it diverged."""


@dataclass(frozen=True)
class _Header:
    """The shape and type of an array in a file, known before its content is read."""

    name: str
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    @property
    def size_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def check_plain(dtype: np.dtype[Any], what: str) -> None:
    """Raise a `PackageError` unless a type is one of plain numbers, which npz can hold.

    Args:
        dtype: the type; Python objects, text, records and bfloat16 are refused.
        what: what has it, for the message.
    """
    if dtype.kind not in "biufc":
        raise PackageError(
            f"{what} has the type {dtype}, which is refused: wanted are plain numbers"
        )


def read_arrays(path: Path, like: Weights | None, limit_bytes: int | None) -> list[AnyArray]:
    """Read a model: npz with the keys "0" … "n-1", compressed or not, or the raw bytes of arrays.

    Raw bytes are those of the model's arrays one after the other, in their own types or all in
    float64; without a model, one float64 vector.

    Args:
        path: the file.
        like: the model that is expected; shapes are compared before any content is read.
        limit_bytes: the largest file to read, also after unpacking it.

    Raises:
        PackageError: the file is missing, empty, too large, malformed or of other shapes.
    """
    limit = limit_bytes if limit_bytes is not None else _default_limit(like)
    with _read_errors(path):
        _check_size(path, limit)
        with path.open("rb") as file:
            magic = file.read(len(_NPY))
            file.seek(0)
            if magic.startswith((_ZIP, _EMPTY_ZIP)):
                return list(_read_npz(file, path.name, like, limit))
            if magic.startswith(_NPY):
                raise PackageError(f"{path.name} is a single array (npy), no npz: {_ADVICE}")
            return _read_raw(file.read(limit + 1), path.name, like)


def fit_arrays(
    arrays: Sequence[AnyArray], like: Weights | None, name: str, warnings: list[str]
) -> Weights:
    """Return arrays in the types of the model.

    Args:
        arrays: what was read; of the model's count and shapes.
        like: the model; None takes the arrays as they are.
        name: of their file, for messages.
        warnings: takes one line if anything was converted.

    Raises:
        PackageError: a value cannot be had in the model's type, or is not finite.
    """
    fitted = list(arrays)
    converted: list[int] = []
    if like is not None:
        _check_shapes([array.shape for array in arrays], like, name)
        for index, (array, model) in enumerate(zip(arrays, like, strict=True)):
            if array.dtype != model.dtype:
                fitted[index] = _convert(array, np.dtype(model.dtype), f"array {index} of {name}")
                converted.append(index)
    for index, array in enumerate(fitted):
        if not np.isfinite(array).all():
            reason = "holds NaN or infinity"
            if np.isfinite(arrays[index]).all():
                reason = f"holds values too large for {array.dtype}"
            raise NotFiniteError(f"array {index} of {name} {reason}")
    if like is not None and converted:
        first = converted[0]
        warnings.append(
            f"{len(converted)} arrays of {name} were converted to the model's types, such as array "
            f"{first} from {arrays[first].dtype} to {fitted[first].dtype}"
        )
    return fitted


def _default_limit(like: Weights | None) -> int:
    if like is None:
        return _LIMIT_BYTES
    content = 0
    for array in like:
        content += math.prod(array.shape) * max(array.dtype.itemsize, _WIDEST_FLOAT)
    return content + _FRAME_BYTES * (len(like) + 1)


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except PackageError:
        raise
    except FileNotFoundError as error:
        raise PackageError(f"{path.name} was not written: {_ADVICE}") from error
    except MemoryError as error:
        raise PackageError(f"{path.name} does not fit into memory") from error
    except _NPZ_ERRORS as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise PackageError(f"{path.name} is no readable npz file: {reason}: {_ADVICE}") from error


def _check_size(path: Path, limit: int) -> None:
    size = path.stat().st_size
    if not path.is_file():
        raise PackageError(f"{path.name} is no plain file: {_ADVICE}")
    if size == 0:
        raise PackageError(f"{path.name} is empty: {_ADVICE}")
    if size > limit:
        raise PackageError(f"{path.name} has {size:,} bytes: at most {limit:,} are read")


def _read_npz(file: IO[bytes], name: str, like: Weights | None, limit: int) -> Iterator[AnyArray]:
    with zipfile.ZipFile(file) as archive:
        members = _order_members(archive.infolist(), name)
        headers = []
        for member in members:
            with archive.open(member) as content:
                headers.append(_read_header(content, member, name))
        if like is not None:
            _check_shapes([header.shape for header in headers], like, name)
        if (total := sum(header.size_bytes for header in headers)) > limit:
            raise PackageError(f"{name} unpacks to {total:,} bytes: at most {limit:,} are read")
        for member, header in zip(members, headers, strict=True):
            with archive.open(member) as content:
                _read_header(content, member, name)
                yield _read_content(content, header)


def _order_members(members: list[zipfile.ZipInfo], name: str) -> list[zipfile.ZipInfo]:
    """Return the members "0" … "n-1" in this order, and refuse all others."""
    by_key = {member.filename.removesuffix(".npy"): member for member in members}
    wanted = [str(index) for index in range(len(members))]
    if not members:
        raise PackageError(f"{name} holds no array: {_ADVICE}")
    if set(by_key) != set(wanted):
        shown = ", ".join(list(by_key)[:5])[:60]
        raise PackageError(
            f"{name} holds the keys {shown}: wanted are 0 to n-1, each once: {_ADVICE}"
        )
    if any(m.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for m in members):
        raise PackageError(f"{name} is compressed in a way that NumPy does not write: {_ADVICE}")
    return [by_key[key] for key in wanted]


def _read_header(content: IO[bytes], member: zipfile.ZipInfo, name: str) -> _Header:
    key = member.filename.removesuffix(".npy")
    version = np.lib.format.read_magic(content)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise PackageError(f"array {key} of {name} has the npy version {version}: {_ADVICE}")
    try:
        shape, fortran, dtype = read(content)
    except _HEADER_ERRORS as error:
        raise PackageError(f"array {key} of {name} has a damaged header: {_ADVICE}") from error
    check_plain(dtype, f"array {key} of {name}")
    if any(length < 0 for length in shape):
        raise PackageError(f"array {key} of {name} has the shape {shape}")
    header = _Header(key, shape, fortran, dtype)
    if content.tell() + header.size_bytes != member.file_size:
        raise PackageError(f"array {key} of {name} is cut short or has a wrong header: {_ADVICE}")
    return header


def _read_content(content: IO[bytes], header: _Header) -> AnyArray:
    buffer = np.empty(header.size_bytes, np.uint8)
    at = 0
    while piece := content.read(_CHUNK_BYTES):
        buffer[at : at + len(piece)] = np.frombuffer(piece, np.uint8)
        at += len(piece)
    if at != header.size_bytes:
        raise EOFError(f"array {header.name} is cut short")
    flat: AnyArray = buffer.view(header.dtype)
    return flat.reshape(header.shape[::-1]).T if header.fortran else flat.reshape(header.shape)


def _read_raw(data: bytes, name: str, like: Weights | None) -> list[AnyArray]:
    """Cut raw bytes into the model's arrays."""
    if like is None:
        if len(data) % _WIDEST_FLOAT:
            raise PackageError(f"{name} is neither npz nor raw float64 values: {_ADVICE}")
        return [np.frombuffer(data, np.float64).copy()]
    sizes = [math.prod(w.shape) for w in like]
    for dtypes in ([np.dtype(w.dtype) for w in like], [np.dtype(np.float64)] * len(like)):
        lengths = [size * dtype.itemsize for size, dtype in zip(sizes, dtypes, strict=True)]
        if sum(lengths) == len(data):
            starts = np.cumsum([0, *lengths])
            return [
                np.frombuffer(data, dtype, size, int(start)).reshape(w.shape).copy()
                for dtype, size, start, w in zip(dtypes, sizes, starts, like, strict=False)
            ]
    raise PackageError(
        f"{name} is no npz file, and its {len(data):,} bytes are not those of the model's arrays: "
        f"{_ADVICE}"
    )


def _check_shapes(shapes: Sequence[tuple[int, ...]], like: Weights, name: str) -> None:
    if len(shapes) != len(like):
        raise PackageError(f"{name} holds {len(shapes)} arrays instead of {len(like)}")
    for index, (shape, model) in enumerate(zip(shapes, like, strict=True)):
        if tuple(shape) != tuple(model.shape):
            raise PackageError(
                f"array {index} of {name} has the shape {shape} instead of {tuple(model.shape)}"
            )


def _convert(array: AnyArray, dtype: np.dtype[Any], what: str) -> AnyArray:
    """Return an array in another type: floats are rounded, integers must keep their values."""
    with np.errstate(all="ignore"):  # what overflows is found afterwards
        converted = array.astype(dtype)
        if array.dtype.kind == dtype.kind == "f":
            return converted
        if dtype.kind in "iu" and array.dtype.kind in "iuf" and (converted == array).all():
            return converted
    raise PackageError(f"{what} has the type {array.dtype}, the model's is {dtype}")
