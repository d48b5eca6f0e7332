"""Flower's simulation on Ray: one actor per core, one CPU and one thread each.

By default Flower gives every client two CPUs, which leaves one actor on two cores; one each is
faster. Rows are mapped once per actor and the model is built once, the best case for Flower.
"""

from __future__ import annotations

import logging
import tempfile
from typing import Any

import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation

from engines.flower_client import app
from engines.torch_parts import build_net, export_weights, load_weights
from harness.assignment import DATA_FOLDER, Assignment, parse_assignment
from harness.reference import make_initial_weights
from harness.rows import load_rows
from harness.stopwatch import Stopwatch

__all__: list[str] = []


def _build_server(assignment: Assignment, stopwatch: Stopwatch) -> ServerApp:
    workload = assignment.workload
    net = build_net(workload.model)
    load_weights(net, make_initial_weights(workload.model))

    def lap(server_round: int, arrays: ArrayRecord) -> MetricRecord | None:
        # Called with the new weights at a round's end, and once before the first round.
        if server_round > 0:
            stopwatch.end_round(lambda: export_weights(list(arrays.to_torch_state_dict().values())))
        stopwatch.start_round()
        return None

    server = ServerApp()

    @server.main()
    def main(grid: Grid, context: Context) -> None:
        del context
        strategy = FedAvg(
            fraction_train=1.0,
            fraction_evaluate=0.0,
            min_train_nodes=workload.clients,
            min_evaluate_nodes=0,
            min_available_nodes=workload.clients,
        )
        strategy.start(
            grid=grid,
            initial_arrays=ArrayRecord(net.state_dict()),
            num_rounds=assignment.total_rounds,
            train_config=_describe(assignment),
            evaluate_fn=lap,
        )

    return server


def _describe(assignment: Assignment) -> ConfigRecord:
    return ConfigRecord(
        {
            "workload": assignment.workload.name,
            "layout": assignment.layout,
            "device": assignment.device,
        }
    )


def _configure_ray(assignment: Assignment, folder: str) -> dict[str, Any]:
    gpus = 1 / assignment.cores if assignment.device == "cuda" else 0.0
    return {
        "client_resources": {"num_cpus": 1, "num_gpus": gpus},
        "init_args": {
            "num_cpus": assignment.cores,
            "include_dashboard": False,
            "log_to_driver": False,
            "_temp_dir": folder,
        },
    }


def main() -> None:
    """Run what the command line says."""
    assignment = parse_assignment()
    torch.set_num_threads(1)
    rows = load_rows(assignment.workload, DATA_FOLDER, shared=True)
    stopwatch = Stopwatch(assignment)
    server = _build_server(assignment, stopwatch)
    logging.getLogger("flwr").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        run_simulation(
            server_app=server,
            client_app=app,
            num_supernodes=assignment.workload.clients,
            backend_config=_configure_ray(assignment, folder),
        )
    stopwatch.print_report(rows)


if __name__ == "__main__":
    main()
