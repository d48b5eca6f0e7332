"""Executions as JSON text to typed columns without a Python object for each; or not at all.

Polars reads JSON several times as fast as Python, and is lenient: true is a number to it, and 1.5
a whole one. Whatever is not beyond doubt is left to `fedloom.scheduling.log.columns`, which names
what is wrong, and where.
"""

from __future__ import annotations

import polars as pl

from fedloom.scheduling.log.columns import LARGEST_GPU, LARGEST_S, SCHEMA
from fedloom.scheduling.log.fields import OPTIONAL_TIMES, REQUIRED_TEXTS, REQUIRED_TIMES, TEXTS
from fedloom.workload.units import MICROSECONDS

__all__ = ["parse_executions"]

_TIMES = (*REQUIRED_TIMES, *OPTIONAL_TIMES)
_GANGS = ("gpu_ids", "gpu_assignments")
_PERHAPS_A_NUMBER = r"^-?[0-9]+[.eE]|^-?[0-9]{16}"
_READ: dict[str, pl.DataType] = {
    **dict.fromkeys(TEXTS, pl.String()),
    **dict.fromkeys((*_TIMES, "gpu_id"), pl.Float64()),
    **dict.fromkeys(_GANGS, pl.List(pl.Float64())),
    "deadline_met": pl.Boolean(),
}


def parse_executions(text: str) -> tuple[pl.DataFrame, pl.Series] | None:
    """Return executions as a table of the columns in `SCHEMA`, and their gangs as lists.

    Args:
        text: a list of objects.

    Returns:
        None where the text is no such list, or a value is not beyond doubt.
    """
    if not _is_plain(text):
        return None
    try:
        frame = pl.read_json(text.encode(), schema=_READ)
    except (pl.exceptions.PolarsError, UnicodeEncodeError):
        return None
    if text.count('"gpu_id"') < len(frame):
        return None
    needed = frame.select((*REQUIRED_TEXTS, *REQUIRED_TIMES)).null_count()
    gangs = frame.select(pl.coalesce(_GANGS)).to_series().rename("gpu_ids")
    devices = pl.concat([frame["gpu_id"], gangs.explode()]).drop_nulls()
    whole = (devices == devices.round()) & (devices >= -1) & (devices <= LARGEST_GPU)
    near = frame.select((pl.col(_TIMES).abs() <= LARGEST_S).all())
    if sum(needed.row(0)) or not whole.all() or not all(near.row(0)):
        return None
    # Polars spells a number that stands for a name in a way of its own.
    if (
        frame.select(pl.col(TEXTS).str.contains(_PERHAPS_A_NUMBER).any())
        .transpose()
        .to_series()
        .any()
    ):
        return None
    if gangs.explode().null_count() > gangs.null_count() + (gangs.list.len() == 0).sum():
        return None
    table = frame.select(
        pl.col(TEXTS),
        (pl.col(_TIMES) * MICROSECONDS).round().cast(pl.Int64),
        pl.when(pl.col("gpu_id") >= 0).then(pl.col("gpu_id")).cast(pl.Int32),
        pl.col("deadline_met"),
    )
    return table.select(*SCHEMA), gangs.cast(pl.List(pl.Int32))


def _is_plain(text: str) -> bool:
    """Return whether booleans stand only where they belong, and no half of a surrogate pair."""
    booleans = text.count("true") + text.count("false")
    if booleans:
        booleans -= text.count('"deadline_met": true') + text.count('"deadline_met": false')
    return booleans == 0 and "\\ud" not in text and "\\uD" not in text
