"""Records to write, read and merge in the tests."""

from __future__ import annotations

from typing import Any

from fedloom.records import ClientRecord, RoundRecord


def make_client(number: int = 1, client_id: str = "client_1", **changes: Any) -> ClientRecord:
    values: dict[str, Any] = {
        "run_id": "0123456789ab",
        "round": number,
        "client_id": client_id,
        "dataset": "digits",
        "task": "classification",
        "model": "mlp",
        "algorithm": "FedAvg",
        "backend": "jax",
        "partition": "dirichlet",
        "partition_param": 0.3,
        "label_counts": '{"0":3,"1":7}',
        "num_examples": 10,
        "participated": True,
        "failure": "",
        "train_loss": 0.1,
        "local_loss": 0.2,
        "local_score": 0.75,
        "global_loss": 0.25,
        "global_score": 1 / 3,
        "divergence": 1e-9,
        "train_seconds": 0.5,
        "evaluate_seconds": 0.25,
        "cpu_seconds": None,
        "download_bytes": 40,
        "upload_bytes": 44,
        "simulated_train_seconds": None,
        "simulated_transfer_seconds": None,
        "simulated_seconds": None,
    }
    return ClientRecord(**values | changes)


def make_round(number: int = 1, **changes: Any) -> RoundRecord:
    values: dict[str, Any] = {
        "run_id": "0123456789ab",
        "round": number,
        "dataset": "digits",
        "task": "classification",
        "model": "mlp",
        "algorithm": "FedAvg",
        "backend": "jax",
        "partition": "dirichlet",
        "partition_param": 0.3,
        "cohort_size": 2,
        "participants": 2,
        "num_examples": 20,
        "train_loss": 0.1,
        "global_loss": 0.25,
        "global_score": 1 / 3,
        "update_norm": 1.5,
        "epsilon": None,
        "train_seconds": 0.5,
        "evaluate_seconds": 0.25,
        "simulated_seconds": None,
    }
    return RoundRecord(**values | changes)
