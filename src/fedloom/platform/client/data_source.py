"""How a node's configuration names the owner's data."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fedloom.data.dataset import Task

__all__ = ["DataSource", "Form", "Handing"]


class Form(StrEnum):
    """What a data set is made of."""

    CSV = "csv"
    PARQUET = "parquet"
    NPZ = "npz"
    FOLDER = "folder"


class Handing(StrEnum):
    """What a package gets of a data set: the owner's own files, or one archive made of them."""

    PATH = "path"
    NPZ = "npz"


class DataSource(BaseModel):
    """One of the owner's data sets, for one use case."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    path: Path
    """The file or folder; relative to the configuration file."""
    form: Form | None = None
    """csv, parquet, npz or folder; told from the path's ending if not given."""
    test: Path | None = None
    """Where the rows to score with lie; otherwise a part of `path` is set aside."""
    label: str | None = None
    """Column of the labels, for csv and parquet, where it is required."""
    classes: tuple[str, ...] | None = None
    """All classes of the federation, in the order of their numbers; all nodes must say the same."""
    task: Task | None = None
    """classification or regression; told from the labels if not given."""
    test_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """Share of the rows that is set aside for scoring, where there is no `test`."""
    standardize: bool = True
    """Whether columns of a table are scaled by this node's own mean and deviation."""
    min_examples: Annotated[int, Field(ge=1)] = 1
    """Training rows below which this node takes no part."""
    share_label_counts: bool = False
    """Whether the coordinator is told how many rows of each label there are."""
    rows: Annotated[int, Field(ge=1)] | None = None
    """Training rows, for a folder that only packages can read; its files are counted otherwise."""
    give: Handing = Handing.PATH
    """What packages get: path for the files themselves; npz for one with x_train, y_train …"""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.form is None and _guess(self.path) is None:
            raise ValueError(f"{self.path.name} tells no form: set form to csv, parquet, npz …")
        is_table = self.kind in (Form.CSV, Form.PARQUET)
        if is_table and self.label is None:
            raise ValueError(f"a {self.kind} file needs label, the column of its labels")
        if not is_table and self.label is not None:
            raise ValueError(f"label is for csv and parquet, not for {self.path.name}")
        if self.kind is Form.FOLDER and self.test is not None:
            raise ValueError("test is for files; a folder has the folders train and test in it")
        if self.classes is not None and len(set(self.classes)) < max(2, len(self.classes)):
            raise ValueError("classes must be two or more different ones")
        return self

    @property
    def kind(self) -> Form:
        """What it is made of."""
        return self.form or _guess(self.path) or Form.FOLDER

    @property
    def paths(self) -> tuple[Path, ...]:
        """All paths that belong to it."""
        return (self.path,) if self.test is None else (self.path, self.test)

    def resolve(self, folder: Path) -> DataSource:
        """Return it with absolute paths; relative ones start in `folder`."""
        found = {"path": _resolve(self.path, folder)}
        if self.test is not None:
            found["test"] = _resolve(self.test, folder)
        return self.model_copy(update=found)


def _resolve(path: Path, folder: Path) -> Path:
    return (folder / path.expanduser()).absolute()


def _guess(path: Path) -> Form | None:
    endings = {".csv": Form.CSV, ".parquet": Form.PARQUET, ".npz": Form.NPZ, "": Form.FOLDER}
    return endings.get(path.suffix.casefold(), Form.FOLDER if path.is_dir() else None)
