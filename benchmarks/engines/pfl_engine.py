"""pfl-research's simulated backend on PyTorch; several processes by ``torchrun``.

Rank 0 times and reports. pfl evaluates every client before and after training when the iteration is
a multiple of `evaluation_frequency`, the first (0) included; the loop therefore starts at 1.
"""

from __future__ import annotations

import logging
import os
import types
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from pfl.aggregate.simulate import SimulatedBackend
from pfl.aggregate.weighting import WeightByDatapoints
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.callback.base import TrainingProcessCallback
from pfl.data.dataset import Dataset
from pfl.data.federated_dataset import FederatedDataset
from pfl.data.sampling import get_user_sampler
from pfl.hyperparam import NNEvalHyperParams, NNTrainHyperParams
from pfl.metrics import Metrics, Weighted
from pfl.model.pytorch import PyTorchModel

from engines.torch_parts import build_net, export_weights, load_weights
from harness.assignment import DATA_FOLDER, Assignment, parse_assignment
from harness.reference import make_initial_weights
from harness.rows import ClientRows, load_rows
from harness.stopwatch import Stopwatch

__all__: list[str] = []

_NEVER = 10**9


class _Laps(TrainingProcessCallback):  # type: ignore[misc]
    def __init__(self, stopwatch: Stopwatch, net: torch.nn.Module) -> None:
        self._stopwatch, self._net = stopwatch, net

    def on_train_begin(self, *, model: Any) -> Metrics:
        del model
        self._stopwatch.start_round()
        return Metrics()

    def after_central_iteration(
        self, aggregate_metrics: Metrics, model: Any, *, central_iteration: int
    ) -> tuple[bool, Metrics]:
        del aggregate_metrics, model, central_iteration
        self._stopwatch.end_round(lambda: export_weights(list(self._net.parameters())))
        self._stopwatch.start_round()
        return False, Metrics()


def _build_model(assignment: Assignment) -> tuple[torch.nn.Module, PyTorchModel]:
    net = build_net(assignment.workload.model, assignment.layout).to(assignment.device)
    load_weights(net, make_initial_weights(assignment.workload.model))

    def loss(self: Any, x: torch.Tensor, y: torch.Tensor, eval: bool = False) -> torch.Tensor:  # noqa: A002
        del eval
        return F.cross_entropy(self(x), y)

    def metrics(self: Any, x: torch.Tensor, y: torch.Tensor, eval: bool = False) -> dict[str, Any]:  # noqa: A002
        del eval
        return {"loss": Weighted(float(F.cross_entropy(self(x), y)) * len(y), len(y))}

    net.loss = types.MethodType(loss, net)  # type: ignore[assignment]
    net.metrics = types.MethodType(metrics, net)  # type: ignore[assignment]
    return net, PyTorchModel(net, torch.optim.SGD, torch.optim.SGD(net.parameters(), 1.0))


def _build_data(assignment: Assignment, rows: ClientRows) -> FederatedDataset:
    features = torch.from_numpy(rows.features).to(assignment.device)
    labels = torch.from_numpy(rows.labels).to(assignment.device)
    rng = np.random.default_rng(1)

    def make_user(user: int) -> Dataset:
        order = torch.from_numpy(rng.permutation(assignment.workload.rows_per_client))
        order = order.to(features.device)
        return Dataset((features[user][order], labels[user][order]), user_id=str(user))

    users = range(assignment.workload.clients)
    return FederatedDataset(make_user, get_user_sampler("minimize_reuse", users))


def _run(assignment: Assignment, rows: ClientRows, stopwatch: Stopwatch) -> None:
    workload = assignment.workload
    net, model = _build_model(assignment)
    data = _build_data(assignment, rows)
    algorithm = FederatedAveraging()
    algorithm._current_central_iteration = 1
    algorithm.run(
        backend=SimulatedBackend(
            training_data=data, val_data=data, postprocessors=[WeightByDatapoints()]
        ),
        algorithm_params=NNAlgorithmParams(
            central_num_iterations=assignment.total_rounds + 1,
            evaluation_frequency=_NEVER,
            train_cohort_size=workload.clients,
            val_cohort_size=0,
        ),
        model=model,
        model_train_params=NNTrainHyperParams(
            local_learning_rate=workload.learning_rate,
            local_num_epochs=1,
            local_batch_size=workload.batch_size,
        ),
        model_eval_params=NNEvalHyperParams(local_batch_size=10_000),
        callbacks=[_Laps(stopwatch, net)],
    )


def main() -> None:
    """Run what the command line says, in one process or as a rank of several."""
    logging.disable(logging.INFO)
    assignment = parse_assignment()
    torch.set_num_threads(assignment.threads)
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    rows = load_rows(assignment.workload, DATA_FOLDER, shared=several)
    stopwatch = Stopwatch(assignment, root=os.getppid() if several else None)
    _run(assignment, rows, stopwatch)
    if os.environ.get("RANK", "0") == "0":
        stopwatch.print_report(rows)


if __name__ == "__main__":
    main()
