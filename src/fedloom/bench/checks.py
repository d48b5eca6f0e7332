"""What is looked at before anything starts, so that a mistake costs nothing."""

from __future__ import annotations

from math import ceil

from fedloom.bench.cell.shards import deal_evaluation_rows
from fedloom.bench.study import Study
from fedloom.errors import InputError
from fedloom.experiment.plan import Plan
from fedloom.experiment.split import split_dataset
from fedloom.federation.algorithm import build_algorithm
from fedloom.federation.select import resolve_cohort
from fedloom.learning.backend import check_backend

__all__ = ["check_backends", "check_study"]


def check_backends(study: Study) -> None:
    """Refuse a study whose backends are not installed here.

    Raises:
        MissingExtraError: one is not; it names the extra.
    """
    for backend in study.backend:
        check_backend(backend)


def check_study(study: Study) -> None:
    """Refuse a study that cannot be carried out with its data.

    Raises:
        InputError: the data set is missing, clients are too many for it, or settings do not go
            together.
    """
    plans = [study.plan_of(cell) for cell in study.cells()]
    for plan in plans:
        _check_algorithm(plan)
    seen: set[tuple[int, int]] = set()
    for plan in plans:
        if (plan.clients, plan.seed) not in seen:
            seen.add((plan.clients, plan.seed))
            _check_data(plan)


def _check_algorithm(plan: Plan) -> None:
    cohort = resolve_cohort(plan.cohort, plan.clients)
    algorithm = build_algorithm(
        plan.algorithm, clients=plan.clients, cohort=cohort, params=plan.algorithm_settings
    )
    if algorithm.requires_sgd and plan.optimizer != "sgd":
        raise InputError(
            f"optimizer={plan.optimizer}: {algorithm.name} is right for plain SGD only; use sgd"
        )


def _check_data(plan: Plan) -> None:
    split = split_dataset(plan)
    rows, shape = len(split.dataset.train_labels), split.dataset.feature_shape
    batches = ceil(rows / plan.batch_size)
    if plan.clients > batches:
        raise InputError(
            f"n_client_instances={plan.clients}: {plan.dataset_name} has {batches} batches of "
            f"{plan.batch_size} rows to train on; take at most {batches} clients, or a smaller "
            "batch_size"
        )
    deal_evaluation_rows(len(split.dataset.test_labels), plan.clients, plan.seed)
    if plan.model == "cnn" and (len(shape) != 3 or min(shape[:2]) < 4):
        raise InputError(
            f"model=cnn: it needs images of at least 4×4 pixels, not rows of shape {shape}; "
            "choose mlp or logistic"
        )
