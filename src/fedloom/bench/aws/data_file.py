"""The data set as one file that machines can read, with the same rows in every part as here."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fedloom.bench.study import Study
from fedloom.bench.study_file import make_study
from fedloom.data import Task
from fedloom.errors import InputError
from fedloom.experiment.plan import Plan
from fedloom.experiment.split import load_plan_dataset
from fedloom.files import open_replacing
from fedloom.learning.model_names import is_user_model

__all__ = ["point_to_data", "write_data"]

_OF_THE_SOURCE = ("data_dir", "label_column", "image_size")


def write_data(plan: Plan, path: Path) -> None:
    """Write the plan's data set, prepared, as an npz archive.

    Test part, encoding and scaling are settled; a sample is still drawn by each cell's own seed.

    Args:
        plan: of the study.
        path: of the archive.

    Raises:
        InputError: the plan's model is code or a file of the user's.
        DataError: the data set is missing, malformed or empty.
        OutputError: the archive cannot be written.
    """
    if is_user_model(plan.model):
        raise InputError(
            f"model={plan.model}: machines of AWS get built-in models only; use --provider local"
        )
    whole = plan.model_copy(update={"sample_size": None, "sample_frac": None})
    dataset = load_plan_dataset(whole)
    as_label = np.float64 if dataset.task is Task.REGRESSION else np.int64
    with open_replacing(path) as file:
        np.savez_compressed(
            file,
            x_train=dataset.train_features,
            y_train=dataset.train_labels.astype(as_label),
            x_test=dataset.test_features,
            y_test=dataset.test_labels.astype(as_label),
        )


def point_to_data(study: Study, path: str) -> Study:
    """Return the study with its data set taken from an archive of `write_data`.

    Args:
        study: whose plan names the source.
        path: of the archive, on the machine that reads it.

    Raises:
        DataError: the data set is missing.
    """
    task = load_plan_dataset(study.plan).task
    plan = study.plan.model_dump(mode="json", exclude_none=True, exclude_unset=True)
    for name in _OF_THE_SOURCE:
        plan.pop(name, None)
    plan |= {"dataset": f"npz:{path}", "task": task.value}
    content = study.model_dump(mode="json", exclude_none=True, exclude={"plan"})
    return make_study({**content, "plan": plan})
