"""A plain PyTorch loop: one process, one model, the clients one after another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from engines.torch_parts import build_net, export_weights, import_weights, run_epoch
from harness.assignment import Assignment, parse_assignment
from harness.reference import Weights
from harness.rows import ClientRows
from harness.stopwatch import drive

__all__ = ["TorchLoop"]


class TorchLoop:
    """Federated averaging in the way one writes it down first, without waste."""

    def __init__(self, assignment: Assignment, rows: ClientRows, initial: Weights) -> None:
        self._workload = assignment.workload
        device = torch.device(assignment.device)
        self._features = torch.from_numpy(rows.features).to(device)
        self._labels = torch.from_numpy(rows.labels).to(device)
        self._net = build_net(self._workload.model, assignment.layout).to(device)
        self._parameters = list(self._net.parameters())
        self._global = [tensor.to(device) for tensor in import_weights(initial)]
        self._rng = np.random.default_rng(1)

    def run_round(self, cohort: Sequence[int]) -> None:
        """Train each client from the global weights and add its weights to the mean."""
        total = [torch.zeros_like(tensor) for tensor in self._global]
        for client in cohort:
            self._train(client)
            with torch.no_grad():
                torch._foreach_add_(total, self._parameters, alpha=1 / len(cohort))
        self._global = total
        if self._global[0].is_cuda:
            torch.cuda.synchronize()

    def _train(self, client: int) -> None:
        with torch.no_grad():
            torch._foreach_copy_(self._parameters, self._global)
        order = torch.from_numpy(self._rng.permutation(self._workload.rows_per_client))
        order = order.to(self._features.device)
        x, y = self._features[client][order], self._labels[client][order]
        run_epoch(self._net, x, y, self._workload.batch_size, self._workload.learning_rate)

    def weights(self) -> Weights:
        """Return the global weights."""
        return export_weights(self._global)

    def close(self) -> None:
        """Nothing was started."""


def main() -> None:
    """Run what the command line says."""
    assignment = parse_assignment()
    torch.set_num_threads(assignment.threads)
    drive(assignment, TorchLoop)


if __name__ == "__main__":
    main()
