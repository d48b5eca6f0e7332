"""What goes into an entry point and what must come out of it, read and checked.

A train entry point gets a model file and the settings beside it, and leaves an update and its
metadata; validate and predict leave a JSON document. Nothing of it is trusted: no pickled object is
read, nothing larger than it can be is loaded, and every fault is one line.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fedloom.errors import PackageError
from fedloom.files import output_errors
from fedloom.package.arrays import check_plain, fit_arrays, read_arrays

if TYPE_CHECKING:
    from fedloom.federation.weights import Weights

__all__ = [
    "PackageUpdate",
    "list_scalars",
    "metadata_path",
    "read_metrics",
    "read_update",
    "write_input",
]

_JSON_LIMIT_BYTES = 16 * 1024**2
_MOST_EXAMPLES = 2**53
"""Above it a number is no count any more, and float64 cannot hold it exactly."""

_COUNT = "num_examples"
_OLD_COUNT = "num_example"


@dataclass(frozen=True)
class PackageUpdate:
    """What a train entry point left.

    Attributes:
        weights: the client's weights after training.
        num_examples: rows it trained on, at least 1.
        metadata: every further key of its metadata, as it wrote them.
        warnings: one line each for what was accepted and should be mended.
    """

    weights: Weights
    num_examples: int
    metadata: Mapping[str, Any]
    warnings: tuple[str, ...] = ()


def metadata_path(path: Path) -> Path:
    """Return where the metadata of a model file lies: beside it, ``-metadata`` appended."""
    return path.with_name(f"{path.name}-metadata")


def write_input(weights: Sequence[Any], settings: Mapping[str, Any], path: Path) -> None:
    """Write what a train, validate or predict entry point gets.

    Args:
        weights: the global model; becomes a plain npz archive with the keys "0" … "n-1".
        settings: for the client; becomes the JSON object in `metadata_path`.
        path: the model file, written under exactly this name.

    Raises:
        PackageError: an array has a type that npz cannot hold, or a setting is no JSON.
        OutputError: the files cannot be written.
    """
    arrays = [np.asarray(w) for w in weights]
    for index, array in enumerate(arrays):
        check_plain(array.dtype, f"array {index} of the model")
    try:
        document = json.dumps(dict(settings))
    except (TypeError, ValueError) as error:
        raise PackageError(f"the settings for {path.name} cannot be JSON: {error}") from error
    with output_errors(path):
        with path.open("wb") as file:
            np.savez(file, **cast(Any, {str(i): array for i, array in enumerate(arrays)}))
        metadata_path(path).write_text(document, "utf-8")


def read_update(
    out: Path, like: Weights | None, *, limit_bytes: int | None = None
) -> PackageUpdate:
    """Read and check what a train entry point left.

    Args:
        out: where it was told to write, without or with what NumPy appends (``.npz``).
        like: the global model; the update must match it in count, shape and dtype. Floats of
            another width are converted with a warning, and so are integers of which no value
            changes. None: any arrays will do.
        limit_bytes: the largest file to read; by default what `like` can need, or 4 GiB.

    Raises:
        PackageError: the update or its metadata is missing, too large, malformed, does not match
            `like`, is not finite, or has no usable ``num_examples``.
    """
    warnings: list[str] = []
    arrays = read_arrays(_find_output(out), like, limit_bytes)
    weights = fit_arrays(arrays, like, out.name, warnings)
    metadata = _read_metadata(out)
    num_examples = _take_count(metadata, metadata_path(out), warnings)
    return PackageUpdate(weights, num_examples, metadata, tuple(warnings))


def read_metrics(path: Path) -> tuple[Any, dict[str, float]]:
    """Read what a validate or predict entry point left.

    Args:
        path: where it was told to write.

    Returns:
        The whole document, and its finite numbers by name: keys of inner objects are joined with
        dots, lists and truth values are no metrics, and a document that is one number is named
        ``value``. NaN and infinities, which strict JSON lacks, stay in the document alone.

    Raises:
        PackageError: the file is missing, empty, larger than 16 MiB, or no JSON.
    """
    document = _read_json(path, "write its metrics there, with save_metrics(metrics, sys.argv[2])")
    return document, dict(list_scalars(document))


def _find_output(out: Path) -> Path:
    """Return the update's file: NumPy appends ``.npz`` to a name that lacks it."""
    appended = out.with_name(f"{out.name}.npz")
    if appended.is_file() and not (out.is_file() and out.stat().st_size):
        return appended
    return out


def _read_metadata(out: Path) -> dict[str, Any]:
    path = metadata_path(out)
    advice = "call save_metadata({'num_examples': n}, sys.argv[2])"
    document = _read_json(path, advice)
    if not isinstance(document, dict):
        raise PackageError(f"{path.name} holds {_shorten(document)}, no object: {advice}")
    return document


def _take_count(metadata: dict[str, Any], path: Path, warnings: list[str]) -> int:
    """Take the number of examples out of the metadata."""
    name = _COUNT
    if _COUNT not in metadata:
        if _OLD_COUNT not in metadata:
            raise PackageError(f"{path.name} lacks '{_COUNT}', the number of rows trained on")
        warnings.append(f"{path.name} says '{_OLD_COUNT}': write '{_COUNT}'")
        name = _OLD_COUNT
    value = metadata.pop(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value <= _MOST_EXAMPLES or value != int(value):
        raise PackageError(
            f"{path.name}: '{name}' is {_shorten(value)}: wanted is a whole number of rows, at "
            f"least 1"
        )
    return int(value)


def _read_json(path: Path, advice: str) -> Any:
    """Read a JSON document; also Python's NaN, Infinity and -Infinity."""
    try:
        if not path.exists():
            raise PackageError(f"{path.name} was not written: {advice}")
        if not path.is_file():
            raise PackageError(f"{path.name} is no plain file: {advice}")
        if (size := path.stat().st_size) > _JSON_LIMIT_BYTES:
            raise PackageError(f"{path.name} has {size:,} bytes, at most {_JSON_LIMIT_BYTES:,}")
        text = path.read_text("utf-8-sig")
        if not text.strip():
            raise PackageError(f"{path.name} is empty: {advice}")
        return json.loads(text)
    except OSError as error:
        raise PackageError(f"{path.name} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise PackageError(f"{path.name} is no valid JSON: {error}: {advice}") from error


def list_scalars(document: Any) -> Iterator[tuple[str, float]]:
    """Yield the finite numbers of a document with their names, as `read_metrics` gives them."""
    waiting = [("", document)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            prefix = f"{name}." if name else ""
            waiting += [(f"{prefix}{key}", inner) for key, inner in reversed(value.items())]
        elif isinstance(value, int | float) and not isinstance(value, bool):
            try:
                number = float(value)
            except OverflowError:
                continue
            if math.isfinite(number):
                yield name or "value", number


def _shorten(value: Any) -> str:
    """Return a value as JSON would show it, cut short."""
    shown = json.dumps(value)
    return shown if len(shown) <= 40 else f"{shown[:37]}…"
