"""From executions as JSON objects to typed columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fedloom.errors import InputError
from fedloom.scheduling.log.fields import OPTIONAL_TIMES, REQUIRED_TEXTS, REQUIRED_TIMES, TEXTS
from fedloom.workload.units import MICROSECONDS

__all__ = ["LARGEST_GPU", "LARGEST_S", "SCHEMA", "gang_matrix", "gangs_of", "table_of"]

LARGEST_S = 1e11
"""No time in a log is further than this from the first arrival: 3,000 years."""

LARGEST_GPU = (1 << 31) - 1
"""No device has a larger number."""

SCHEMA: dict[str, pl.DataType] = {
    **dict.fromkeys(TEXTS, pl.String()),
    **dict.fromkeys((*REQUIRED_TIMES, *OPTIONAL_TIMES), pl.Int64()),
    "gpu_id": pl.Int32(),
    "deadline_met": pl.Boolean(),
}
"""The columns of a log that was read; times in whole microseconds."""

_NOTHING = frozenset({type(None)})
_TEXT = frozenset({str, int})
_NUMBER = frozenset({int, float})
_WHOLE = frozenset({int})

Rows = Sequence[Mapping[str, Any]]


def table_of(rows: Rows, first: int, where: str) -> pl.DataFrame:
    """Return executions as a table of the columns in `SCHEMA`.

    Args:
        rows: executions as a log spells them; keys that are not ours are ignored.
        first: number of the first of them in the file, from 1, for messages.
        where: the file, for messages.

    Raises:
        InputError: a field is missing or holds what it cannot hold.
    """
    columns: dict[str, Any] = {}
    for name in TEXTS:
        columns[name] = _texts(name, [row.get(name) for row in rows], first, where)
    for name in (*REQUIRED_TIMES, *OPTIONAL_TIMES):
        columns[name] = _times(name, [row.get(name) for row in rows], first, where)
    for position, row in enumerate(rows):
        if "gpu_id" not in row:
            raise InputError(f"{where}, execution {first + position}: there is no gpu_id")
    columns["gpu_id"] = _devices([row["gpu_id"] for row in rows], first, where)
    columns["deadline_met"] = [_truth(row.get("deadline_met")) for row in rows]
    return pl.DataFrame(columns, schema=SCHEMA)


def gangs_of(rows: Rows, first: int, where: str) -> pl.Series:
    """Return the devices of each execution as a list; null where its gang is unknown.

    Our ``gpu_ids`` count, or the ``gpu_assignments`` of the studied system's static scheduler.

    Raises:
        InputError: a gang is not a list of whole numbers.
    """
    gangs = [row.get("gpu_ids", row.get("gpu_assignments")) for row in rows]
    for position, gang in enumerate(gangs):
        if isinstance(gang, list) and not all(map(_is_device, gang)):
            raise InputError(
                f"{where}, execution {first + position}: the gang is {_short(gang)}; "
                "a list of the numbers of GPUs is needed"
            )
    lists = [gang if isinstance(gang, list) else None for gang in gangs]
    return pl.Series("gpu_ids", lists, pl.List(pl.Int32))


def gang_matrix(gangs: pl.Series, first_gpu: pl.Series) -> NDArray[np.int32]:
    """Return [n, K] the devices of executions, −1 beyond their own number.

    Args:
        gangs: a list of devices for each; null: unknown.
        first_gpu: what stands for an unknown gang; null: no device.
    """
    sizes = gangs.list.len().fill_null(0).to_numpy().astype(np.int64)
    matrix = np.full((len(gangs), max(1, int(sizes.max(initial=1)))), -1, np.int32)
    if sizes.any():
        flat = gangs.filter(pl.Series(sizes > 0)).explode().fill_null(-1).to_numpy()
        matrix[np.arange(matrix.shape[1]) < sizes[:, None]] = flat
    unknown = gangs.is_null().to_numpy()
    matrix[unknown, 0] = first_gpu.fill_null(-1).to_numpy()[unknown]
    return matrix


def _is_device(value: object) -> bool:
    return type(value) is int and -1 <= value <= LARGEST_GPU


def _texts(name: str, values: list[Any], first: int, where: str) -> pl.Series:
    """Return names; whole numbers count as the text that spells them."""
    allowed = _TEXT if name in REQUIRED_TEXTS else _TEXT | _NOTHING
    kinds = set(map(type, values))
    if not kinds <= allowed:
        _refuse(values, allowed, first, where, name, "a name")
    if not kinds <= {str, type(None)}:
        values = [None if value is None else str(value) for value in values]
    try:
        return pl.Series(name, values, pl.String)
    except UnicodeEncodeError as error:
        raise InputError(f"{where}, execution {first} or later: {name} is no text") from error


def _times(name: str, values: list[Any], first: int, where: str) -> pl.Series:
    """Return seconds as whole microseconds; None stays None where a time may be missing."""
    allowed = _NUMBER if name in REQUIRED_TIMES else _NUMBER | _NOTHING
    kinds = set(map(type, values))
    if kinds == _NOTHING and name not in REQUIRED_TIMES:
        return pl.Series(name, values, pl.Int64)
    right = "a number of seconds"
    if not kinds <= allowed:
        _refuse(values, allowed, first, where, name, right)
    missing = np.array([value is None for value in values]) if None in values else None
    if missing is not None:
        values = [0.0 if value is None else value for value in values]
    try:
        seconds = np.array(values, np.float64)
    except OverflowError:
        seconds = np.array([math.inf if abs(v) > LARGEST_S else v for v in values])
    far = np.flatnonzero(~(np.abs(seconds) <= LARGEST_S))
    if len(far):
        _refuse(values, frozenset(), first, where, name, right, at=int(far[0]))
    column = pl.Series(name, np.rint(seconds * MICROSECONDS).astype(np.int64))
    return column if missing is None else column.set(pl.Series(missing), None)


def _devices(values: list[Any], first: int, where: str) -> list[int | None]:
    """Return ``gpu_id`` of each execution; −1 and null are no device."""
    if not set(map(type, values)) <= _WHOLE | _NOTHING:
        _refuse(values, _WHOLE | _NOTHING, first, where, "gpu_id", "a whole number or null")
    for position, value in enumerate(values):
        if value is not None and not _is_device(value):
            _refuse(values, _WHOLE, first, where, "gpu_id", "the number of a GPU", at=position)
    return [None if value is None or value < 0 else value for value in values]


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _refuse(
    values: list[Any],
    allowed: frozenset[type],
    first: int,
    where: str,
    name: str,
    right: str,
    at: int | None = None,
) -> NoReturn:
    """Raise an error that names the first execution whose field is wrong."""
    if at is None:
        at = next(i for i, value in enumerate(values) if type(value) not in allowed)
    value = values[at]
    said = f"there is no {name}" if value is None else f"{name} is {_short(value)}"
    raise InputError(f"{where}, execution {first + at}: {said}; {right} is needed")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
