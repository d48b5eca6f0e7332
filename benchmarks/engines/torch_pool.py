"""The simplest process pool: a PyTorch process per core, one thread each, shared-memory weights.

What an expert writes by hand in an afternoon, for this one purpose: no optimizer objects, one
running sum per process, one reduction per round. A yardstick rather than a framework.
"""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing.queues import Queue
from typing import Any

import numpy as np
import torch
import torch.multiprocessing as mp
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from engines.torch_parts import build_net, export_weights, import_weights
from harness.assignment import DATA_FOLDER, Assignment, parse_assignment
from harness.reference import Weights
from harness.rows import ClientRows, load_rows
from harness.stopwatch import drive

__all__ = ["TorchPool"]

_REPLY_SECONDS = 600.0


class TorchPool:
    """As many workers as cores, each with a share of the cohort."""

    def __init__(self, assignment: Assignment, rows: ClientRows, initial: Weights) -> None:
        del rows  # each worker maps the files
        context = mp.get_context("spawn")
        self._global = [tensor.share_memory_() for tensor in import_weights(initial)]
        self._replies = context.Queue()
        self._sums: list[list[Tensor]] = []
        self._orders: list[Any] = []
        self._workers: list[Any] = []
        for number in range(assignment.cores):
            total = [torch.zeros_like(tensor).share_memory_() for tensor in self._global]
            orders = context.Queue()
            given = (assignment, number, orders, self._replies, self._global, total)
            worker = context.Process(target=_work, args=given, daemon=True)
            worker.start()
            self._sums.append(total)
            self._orders.append(orders)
            self._workers.append(worker)

    def run_round(self, cohort: Sequence[int]) -> None:
        """Deal the cohort out, wait for all workers, and average their sums."""
        for number, orders in enumerate(self._orders):
            orders.put(list(cohort[number :: len(self._orders)]))
        for _ in self._orders:
            self._replies.get(timeout=_REPLY_SECONDS)
        for index, tensor in enumerate(self._global):
            tensor.copy_(sum(total[index] for total in self._sums) / len(cohort))

    def weights(self) -> Weights:
        """Return the global weights."""
        return export_weights(self._global)

    def close(self) -> None:
        """End the workers."""
        for orders in self._orders:
            orders.put(None)
        for worker in self._workers:
            worker.join(timeout=10)
            worker.kill()


def _work(
    assignment: Assignment,
    number: int,
    orders: Queue[list[int] | None],
    replies: Queue[int],
    current: list[Tensor],
    total: list[Tensor],
) -> None:
    torch.set_num_threads(1)
    workload = assignment.workload
    rows = load_rows(workload, DATA_FOLDER, shared=True)
    net = build_net(workload.model, assignment.layout)
    parameters = list(net.parameters())
    rng = np.random.default_rng(number)
    while (clients := orders.get()) is not None:  # its owner ends it; it dies with its owner
        with torch.no_grad():
            torch._foreach_zero_(total)
        for client in clients:
            with torch.no_grad():
                torch._foreach_copy_(parameters, current)
            order = rng.permutation(workload.rows_per_client)
            x = torch.from_numpy(rows.features[client][order]).split(workload.batch_size)
            y = torch.from_numpy(rows.labels[client][order]).split(workload.batch_size)
            for features, labels in zip(x, y, strict=True):
                loss = F.cross_entropy(net(features), labels)
                gradients = torch.autograd.grad(loss, parameters)
                with torch.no_grad():
                    torch._foreach_add_(parameters, gradients, alpha=-workload.learning_rate)
            with torch.no_grad():
                torch._foreach_add_(total, parameters)
        replies.put(number)


def main() -> None:
    """Run what the command line says."""
    drive(parse_assignment(), TorchPool)


if __name__ == "__main__":
    main()
