"""From the owner's files to arrays that a trainer of Fedloom's own takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fedloom.data.dataset import Dataset, Task
from fedloom.data.images import load_images
from fedloom.data.npz import load_npz
from fedloom.data.prepare import prepare
from fedloom.data.raw import AnyArray, RawData, find_existing
from fedloom.data.sample import Sampling
from fedloom.data.table import load_csv
from fedloom.errors import DataError
from fedloom.platform.client.data_source import DataSource, Form

__all__ = ["read_dataset"]


def read_dataset(use_case: str, source: DataSource) -> Dataset:
    """Read one of the owner's data sets.

    Args:
        use_case: becomes its name, since a name may leave the node and a path may not.
        source: where it lies, with absolute paths.

    Raises:
        DataError: the files are missing, damaged, do not match, or hold a label that is not among
            the classes; the message names paths and is for the owner alone.
        MissingExtraError: Pillow is needed for a folder of images, and not there.
    """
    raw = _read(source.path, source)
    if source.test is not None:
        raw = _join(raw, _read(source.test, source), source)
    if not source.standardize:
        raw = replace(raw, is_table=False)
    sampling = Sampling(None, None, 0)
    return prepare(
        use_case,
        raw,
        task=source.task or (Task.CLASSIFICATION if source.classes else None),
        test_fraction=source.test_fraction,
        sampling=sampling,
        classes=source.classes,
    )


def _read(path: Path, source: DataSource) -> RawData:
    if source.kind is Form.NPZ:
        return load_npz(str(path))
    if source.kind is Form.FOLDER:
        return load_images(str(path))
    assert source.label is not None
    if source.kind is Form.CSV:
        return load_csv(str(path), source.label)
    return _load_parquet(path, source.label)


def _join(train: RawData, test: RawData, source: DataSource) -> RawData:
    """Put a train and a test part together, which must have the same columns."""
    assert source.test is not None
    if source.kind in (Form.CSV, Form.PARQUET):
        ours, theirs = (_list_columns(path, source.kind) for path in (source.path, source.test))
        if ours != theirs:
            raise DataError(
                f"{source.test} has the columns {', '.join(theirs)}, but {source.path} has "
                f"{', '.join(ours)}"
            )
    joined = RawData.join((train.features, train.labels), (test.features, test.labels))
    return replace(joined, is_table=train.is_table)


def _list_columns(path: Path, kind: Form) -> Sequence[str]:
    import polars as pl

    frame = pl.scan_csv(path, infer_schema=False) if kind is Form.CSV else pl.scan_parquet(path)
    return frame.collect_schema().names()


def _load_parquet(path: Path, label: str) -> RawData:
    import polars as pl

    found = find_existing(str(path), "parquet file")
    try:
        frame = pl.read_parquet(found)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"cannot read {found}: {str(error).splitlines()[0]}") from error
    if label not in frame.columns:
        listed = ", ".join(frame.columns)
        raise DataError(f"{found} has no column {label!r} for the labels: it has {listed}")
    features = [name for name in frame.columns if name != label]
    if not features or not frame.height:
        raise DataError(f"{found} has no {'row' if features else f'column beside {label!r}'}")
    columns = [_read_numbers(frame[name], found) for name in features]
    return RawData(np.stack(columns, axis=1), _read_labels(frame[label], found), is_table=True)


def _read_numbers(column: object, found: Path) -> AnyArray:
    import polars as pl

    assert isinstance(column, pl.Series)
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        raise DataError(f"column {column.name!r} of {found} is of type {column.dtype}, no numbers")
    numbers = column.cast(pl.Float64)
    good = numbers.is_finite().fill_null(value=False).to_numpy()
    if not good.all():
        row = int(np.argmin(good)) + 1
        raise DataError(f"column {column.name!r} of {found} is no finite number, in row {row}")
    return numbers.to_numpy()


def _read_labels(column: object, found: Path) -> AnyArray:
    import polars as pl

    assert isinstance(column, pl.Series)
    if column.null_count():
        row = int(np.argmax(column.is_null().to_numpy())) + 1
        raise DataError(f"label column {column.name!r} of {found} is empty, in row {row}")
    if column.dtype.is_numeric():
        return column.to_numpy()
    return column.cast(pl.String).to_numpy().astype(str)
