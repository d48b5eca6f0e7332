"""Realistic tables of runs that never ran, for the tests of the page."""

from __future__ import annotations

import json

import numpy as np
import polars as pl

from fedloom.page.tables import RunTables
from fedloom.records.schema import ClientRecord, RoundRecord, column_names

REASONS = ("dropped_out", "straggler", "error", "unavailable", "diverged")


def make_run(
    name: str = "clients",
    *,
    clients: int = 20,
    rounds: int = 5,
    labels: int = 10,
    alpha: float = 0.3,
    dropout: float = 0.0,
    simulated: bool = False,
    algorithm: str = "FedAvg",
    dataset: str = "fashion_mnist",
    ceiling: float = 0.9,
    speed: float = 0.35,
    client_ids: list[str] | None = None,
    seed: int = 7,
) -> RunTables:
    """Return the records of a run that learns: scores rise, losses and divergence fall."""
    rng = np.random.default_rng(seed)
    ids = client_ids or [f"client_{n}" for n in range(1, clients + 1)]
    shares = rng.dirichlet(np.full(clients, alpha), size=labels)
    counts = np.stack([rng.multinomial(600 * clients // labels, share) for share in shares]).T
    counts[:, 0] += counts.sum(axis=1) == 0
    device = rng.lognormal(0, 0.5, clients)
    shared = {
        "run_id": f"{seed:04x}9f3c21b7", "dataset": dataset, "task": "classification",
        "model": "cnn", "algorithm": algorithm, "backend": "jax", "partition": "dirichlet",
        "partition_param": alpha,
    }  # fmt: skip
    client_rows, round_rows = [], []
    for n in range(1, rounds + 1):
        score = ceiling - (ceiling - 0.1) * np.exp(-speed * n) + rng.normal(0, 0.006)
        loss = 2.3 * np.exp(-speed * n) + 0.35 + rng.normal(0, 0.01)
        rows = []
        for i, client_id in enumerate(ids):
            failure = str(rng.choice(REASONS, p=[0.5, 0.25, 0.1, 0.1, 0.05]))
            took = bool(rng.random() >= dropout)
            held = int(counts[i].sum())
            spread = abs(rng.normal(0, 0.16)) + 0.02
            train = held * 4e-4 * rng.lognormal(0, 0.15) + 0.02 + (0.15 if n == 1 else 0)
            slow = train * 12 * device[i]
            rows.append({
                **shared, "round": n, "client_id": client_id,
                "label_counts": json.dumps({str(k): int(c) for k, c in enumerate(counts[i])}),
                "num_examples": held, "participated": took, "failure": "" if took else failure,
                "train_loss": loss * 0.7 if took else None,
                "local_loss": loss * (1 + 3 * spread) if took else None,
                "local_score": max(0.05, score * (1 - spread)) if took else None,
                "global_loss": loss, "global_score": score,
                "divergence": 2.2 * np.exp(-0.12 * n) * rng.lognormal(0, 0.3) if took else None,
                "train_seconds": train if took else None,
                "evaluate_seconds": 0.05, "cpu_seconds": train, "download_bytes": 832_000,
                "upload_bytes": 832_000 if took else 0,
                "simulated_train_seconds": slow if simulated else None,
                "simulated_transfer_seconds": 1.5 * device[i] if simulated else None,
                "simulated_seconds": slow + 1.5 * device[i] if simulated and took else None,
            })  # fmt: skip
        client_rows += rows
        taking = [r for r in rows if r["participated"]]
        round_rows.append({
            **shared, "round": n, "cohort_size": clients, "participants": len(taking),
            "num_examples": sum(r["num_examples"] for r in taking), "train_loss": loss * 0.7,
            "global_loss": loss, "global_score": score,
            "update_norm": 1.1 * np.exp(-0.15 * n), "epsilon": None,
            "train_seconds": sum(r["train_seconds"] for r in taking) / 2,
            "evaluate_seconds": 0.05 * clients,
            "simulated_seconds":
                max((r["simulated_seconds"] for r in taking), default=0.0) if simulated else None,
        })  # fmt: skip
    return RunTables(
        name,
        pl.DataFrame(client_rows, infer_schema_length=None).select(column_names(ClientRecord)),
        pl.DataFrame(round_rows, infer_schema_length=None).select(column_names(RoundRecord)),
    )
