"""Loading a data set by its name, or from a file or folder of the user's own."""

from __future__ import annotations

from pathlib import Path

from fedloom.data.dataset import Dataset, Task
from fedloom.data.embedded import EMBEDDED_NAMES, load_embedded
from fedloom.data.prepare import prepare
from fedloom.data.raw import RawData
from fedloom.data.sample import Sampling
from fedloom.errors import InputError, UnknownNameError
from fedloom.naming import fold_name, match_name

__all__ = ["dataset_names", "load_dataset"]

_IDX_NAMES = ("mnist", "fashion_mnist")
_FORMS = ("npz:PATH", "csv:PATH", "images:FOLDER")
_KINDS = tuple(form.partition(":")[0] for form in _FORMS)


def dataset_names() -> tuple[str, ...]:
    """Return the names of the data sets that can be loaded by name alone."""
    return (*EMBEDDED_NAMES, *_IDX_NAMES)


def load_dataset(
    name: str = "digits",
    *,
    data_dir: Path | str | None = None,
    task: Task | str | None = None,
    label_column: str | None = None,
    image_size: int | None = None,
    test_fraction: float = 0.2,
    sample_size: int | None = None,
    sample_frac: float | None = None,
    seed: int = 0,
) -> Dataset:
    """Load a data set, set its test part aside, and perhaps keep a sample of the train part.

    Where the source has no test part of its own, `test_fraction` of its rows become one, each
    class by the same share. That split depends on the rows alone and **not on the seed**, so that
    runs with different seeds are scored on the same rows; the seed only chooses the sample.

    Args:
        name: one of `dataset_names`, without regard to case; or ``npz:PATH``, ``csv:PATH`` or
            ``images:FOLDER``.
        data_dir: the folder in which `mnist` and `fashion_mnist` are looked for first.
        task: what the labels mean; told from the labels if None.
        label_column: the column of labels, for ``csv:`` only, where it is required.
        image_size: height and width in pixels, for ``images:`` only; 32 if None.
        test_fraction: share of the rows in the test part, above 0 and below 1; without effect on
            sources that have a test part.
        sample_size: number of training rows to keep; excludes `sample_frac`.
        sample_frac: share of the training rows to keep, above 0 and at most 1.
        seed: the seed of the run.

    Raises:
        UnknownNameError: no data set is called so; the message names the nearest one.
        DataError: the data are missing, unreadable, malformed, empty or hold NaN.
        InputError: an argument is out of range or does not fit the source.
    """
    sampling = Sampling(sample_size, sample_frac, seed)
    kind, path = _parse_name(name)
    _refuse_misplaced(kind, name, label_column=label_column, image_size=image_size)
    raw = _load_raw(kind, path, data_dir, label_column, image_size)
    return prepare(
        f"{kind}:{path}" if path else kind,
        raw,
        task=Task(match_name("task", task, [known.value for known in Task])) if task else None,
        test_fraction=test_fraction,
        sampling=sampling,
    )


def _parse_name(name: str) -> tuple[str, str]:
    """Return ("digits", "") or ("csv", "prices.csv")."""
    kind, colon, path = name.partition(":")
    if not colon:
        return match_name("data set", name, [*dataset_names(), *_FORMS]), ""
    if fold_name(kind) not in _KINDS:
        raise UnknownNameError("data set", name, [*dataset_names(), *_FORMS])
    return fold_name(kind), path


def _refuse_misplaced(
    kind: str, name: str, *, label_column: str | None, image_size: int | None
) -> None:
    if label_column is not None and kind != "csv":
        raise InputError(f"label_column is for csv:PATH only, but the data set is {name}")
    if image_size is not None and kind != "images":
        raise InputError(f"image_size is for images:FOLDER only, but the data set is {name}")


def _load_raw(
    kind: str,
    path: str,
    data_dir: Path | str | None,
    label_column: str | None,
    image_size: int | None,
) -> RawData:
    """Hand over to the source; each is imported only when it is asked for."""
    if kind == "csv":
        from fedloom.data.table import load_csv

        return load_csv(path, label_column)
    if kind == "npz":
        from fedloom.data.npz import load_npz

        return load_npz(path)
    if kind == "images":
        from fedloom.data.images import load_images

        return load_images(path, image_size)
    if kind in _IDX_NAMES:
        from fedloom.data.idx_sets import load_idx_set

        return load_idx_set(kind, Path(data_dir) if data_dir else None)
    return load_embedded(kind)
