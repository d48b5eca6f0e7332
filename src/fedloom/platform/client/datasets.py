"""A node's data sets: read when first needed, kept, and read again when a file changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from fedloom.errors import DataError, InputError
from fedloom.files import open_replacing
from fedloom.platform.client.data_source import DataSource, Form, Handing
from fedloom.platform.client.read_data import read_dataset

if TYPE_CHECKING:
    from fedloom.data.dataset import Dataset

__all__ = ["DataShelf", "DataSummary"]

_PATH_VARIABLES = ("FEDLOOM_DATA_PATH", "SCALEOUT_DATA_PATH", "FEDN_DATA_PATH")
_TEST_VARIABLE = "FEDLOOM_TEST_DATA_PATH"
_ARCHIVE = "data.npz"
_MOST_FILES = 1_000_000


@dataclass(frozen=True)
class DataSummary:
    """All that may be told about a data set.

    Attributes:
        use_case: what it is for.
        rows: to train on.
        test_rows: to score with.
        classes: how many labels there are; 0 where they are numbers, or not known.
        label_counts: training rows by label; empty unless the owner shares them.
    """

    use_case: str
    rows: int
    test_rows: int = 0
    classes: int = 0
    label_counts: Mapping[str, int] | None = None

    def attributes(self) -> dict[str, Any]:
        """Return what is told beside the number of training rows."""
        told: dict[str, Any] = {"test_rows": self.test_rows, "classes": self.classes}
        return told if self.label_counts is None else told | {"label_counts": self.label_counts}


@dataclass(frozen=True)
class _Kept:
    stamp: tuple[Any, ...]
    dataset: Dataset


class DataShelf:
    """The data sets of a node, by use case; safe to use from several threads.

    Args:
        sources: with absolute paths, see `DataSource.resolve`.
    """

    def __init__(self, sources: Mapping[str, DataSource]) -> None:
        self._sources = dict(sources)
        self._kept: dict[str, _Kept] = {}
        self._summaries: dict[str, tuple[tuple[Any, ...], DataSummary]] = {}
        self._locks = {use_case: Lock() for use_case in sources}

    @property
    def use_cases(self) -> tuple[str, ...]:
        """What there are data for, in the order of the configuration."""
        return tuple(self._sources)

    def source(self, use_case: str) -> DataSource:
        """Return where a data set lies.

        Raises:
            InputError: there is none for this use case.
        """
        if use_case not in self._sources:
            raise InputError(f"this node has no data for the use case {use_case[:80]!r}")
        return self._sources[use_case]

    def paths(self) -> tuple[Path, ...]:
        """Return all paths of all data sets."""
        return tuple(path for source in self._sources.values() for path in source.paths)

    def load(self, use_case: str) -> Dataset:
        """Return a data set's arrays, read anew only if a file changed.

        Raises:
            InputError: there is none for this use case.
            DataError: it cannot be read; the message names paths.
        """
        source = self.source(use_case)
        with self._locks[use_case]:
            stamp = _stamp_all(source)
            kept = self._kept.get(use_case)
            if kept is None or kept.stamp != stamp:
                self._kept.pop(use_case, None)  # never two of them in memory
                kept = _Kept(stamp, read_dataset(use_case, source))
                self._kept[use_case] = kept
            return kept.dataset

    def summarize(self, use_case: str) -> DataSummary:
        """Return what may be told about a data set; its arrays are not kept for that alone.

        Raises:
            InputError: there is none for this use case.
            DataError: it cannot be read; the message names paths.
        """
        source = self.source(use_case)
        with self._locks[use_case]:
            stamp = _stamp_all(source)
            known = self._summaries.get(use_case)
            if known is None or known[0] != stamp:
                kept = self._kept.get(use_case)
                dataset = kept.dataset if kept is not None and kept.stamp == stamp else None
                known = (stamp, _summarize(use_case, source, dataset))
                self._summaries[use_case] = known
            return known[1]

    def find_shortage(self, use_case: str) -> str:
        """Return why there are too few rows to take part, or nothing.

        Raises:
            InputError: there is no data set for this use case, or it cannot be read.
        """
        least = self.source(use_case).min_examples
        rows = self.summarize(use_case).rows
        return (
            "" if rows >= least else f"it has fewer than the {least} rows that its owner requires"
        )

    def hand_out(self, use_case: str, folder: Path) -> dict[str, Path]:
        """Return what a package gets, by the variable that tells it.

        Args:
            use_case: names the data set.
            folder: where an archive is written, if the package gets one.

        Raises:
            InputError: there is no data set for this use case, or it cannot be read.
            OutputError: the archive cannot be written.
        """
        source = self.source(use_case)
        if source.give is Handing.NPZ:
            path, test = self._write_archive(use_case, folder / _ARCHIVE), None
        else:
            path, test = source.path.resolve(), source.test
        if not path.exists():
            raise DataError(f"{path} does not exist")
        given = dict.fromkeys(_PATH_VARIABLES, path)
        return given if test is None else given | {_TEST_VARIABLE: test.resolve()}

    def _write_archive(self, use_case: str, path: Path) -> Path:
        dataset = self.load(use_case)
        parts: dict[str, Any] = {
            "x_train": dataset.train_features,
            "y_train": dataset.train_labels,
            "x_test": dataset.test_features,
            "y_test": dataset.test_labels,
        }
        with open_replacing(path) as file:
            np.savez(file, **parts)
        return path.resolve()


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what changes when a file does; of a folder, when something is put in or removed."""
    try:
        found = path.stat()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    own = (found.st_mtime_ns, found.st_size, found.st_ino)
    if not path.is_dir():
        return own
    inner = sorted(entry for entry in path.glob("**") if entry.is_dir())
    return (*own, *(entry.stat().st_mtime_ns for entry in inner))


def _stamp_all(source: DataSource) -> tuple[Any, ...]:
    return tuple(_stamp(path) for path in source.paths)


def _summarize(use_case: str, source: DataSource, dataset: Dataset | None) -> DataSummary:
    """Describe a data set, read now if it is not at hand."""
    if source.kind is Form.FOLDER and not _holds_classes(source.path):
        return DataSummary(use_case, source.rows or _count_files(source.path))
    found = read_dataset(use_case, source) if dataset is None else dataset
    counts = _count_labels(found) if source.share_label_counts else None
    rows, test_rows = len(found.train_labels), len(found.test_labels)
    return DataSummary(use_case, rows, test_rows, len(found.classes), counts)


def _count_labels(dataset: Dataset) -> dict[str, int] | None:
    if not dataset.classes:
        return None
    counts = np.bincount(np.asarray(dataset.train_labels, np.int64), minlength=len(dataset.classes))
    return {name: int(count) for name, count in zip(dataset.classes, counts, strict=True)}


def _holds_classes(folder: Path) -> bool:
    """Tell whether a folder looks like images in a folder for each class."""
    endings = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff", ".webp"}
    home = folder / "train" if (folder / "train").is_dir() else folder
    if not home.is_dir():
        raise DataError(f"{folder} is no folder")
    inner = [entry for entry in home.iterdir() if entry.is_dir() and entry.name[:1] != "."]
    return bool(inner) and all(
        any(file.suffix.casefold() in endings for file in entry.iterdir()) for entry in inner
    )


def _count_files(folder: Path) -> int:
    count = 0
    for entry in folder.rglob("*"):
        count += entry.is_file()
        if count >= _MOST_FILES:
            break
    return count
