"""Made-up results of a study, with whatever a real one may hold."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import polars as pl

from fedloom.bench.results.frames import CELLS, CLIENTS, ROUNDS, StudyResults

BACKENDS = ("jax", "tensorflow", "torch")
STRATEGIES = ("FedAvg", "FedAvgM", "FedAdagrad", "FedAdam")
_SPEED = {"jax": 1.0, "tensorflow": 1.15, "torch": 0.55}
_CPU = {"jax": 170.0, "tensorflow": 138.0, "torch": 104.0}


def make_study(
    *,
    backends: Sequence[str] = BACKENDS,
    strategies: Sequence[str] = STRATEGIES,
    clients: Sequence[int] = (2, 5, 8),
    rounds: int = 10,
    repeats: int = 1,
    imported: bool = False,
    baselines: bool = True,
    diverging: Sequence[str] = (),
    name: str = "study-1",
    seed: int = 0,
) -> StudyResults:
    """Return results that look like those of a grid; equal arguments give equal results."""
    rng = np.random.default_rng(seed)
    cells: list[dict[str, Any]] = []
    round_rows: list[dict[str, Any]] = []
    client_rows: list[dict[str, Any]] = []
    for backend, strategy, n, repeat in product(
        backends, strategies, clients, range(1, repeats + 1)
    ):
        key = {"backend": backend, "strategy": strategy, "clients": n, "repeat": repeat}
        diverges = strategy in diverging
        elapsed, rows = 0.0, []
        for number in range(rounds + 1):
            own, held = _round(rng, key, number, diverges=diverges, imported=imported)
            elapsed += own["fit_seconds"] or 0.0
            own["elapsed_seconds"] = elapsed if number else None
            elapsed += (own["round_seconds"] or 0.0) - (own["fit_seconds"] or 0.0)
            rows.append(own)
            client_rows += held
        round_rows += rows
        cells.append(_cell(key, rows, elapsed, diverges=diverges))
    return StudyResults(
        name,
        pl.DataFrame(cells, schema=CELLS),
        pl.DataFrame(round_rows, schema=ROUNDS),
        pl.DataFrame(client_rows, schema=CLIENTS),
        [_baseline(b, n, r) for b in backends for n in clients for r in range(1, repeats + 1)]
        if baselines
        else [],
    )


def _cell(
    key: dict[str, Any], rows: list[dict[str, Any]], seconds: float, *, diverges: bool
) -> dict[str, Any]:
    reached = [row["elapsed_seconds"] for row in rows[1:] if (row["score"] or 0) >= 0.8]
    return {
        **key,
        "seed": 41 + key["repeat"],
        "status": "diverged" if diverges else "finished",
        "reason": "the loss went up" if diverges else "",
        "rounds": len(rows) - 1,
        "started": "2026-01-01T00:00:00+00:00",
        "seconds": seconds,
        "ready_seconds": 3.0 + key["clients"] / 10,
        "target_score": 0.8,
        "target_seconds": reached[0] if reached else None,
    }


def _round(
    rng: np.random.Generator, key: dict[str, Any], number: int, *, diverges: bool, imported: bool
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    n = key["clients"]
    score = 0.1 + 0.78 * (1 - np.exp(-0.45 * number)) - 0.012 * n + rng.normal(0, 0.012)
    loss = 2.3 * np.exp(-0.2 * number) + abs(rng.normal(0, 0.02))
    if diverges and number:
        score, loss = 0.06 + abs(rng.normal(0, 0.01)), 2.3 * 8.0**number
    work = _SPEED[key["backend"].split()[0]] * 40 / n
    own = work * rng.uniform(0.9, 1.4, n)
    scored = work / 5 * rng.uniform(0.9, 1.3, n)
    fit, validate = own.max() + 0.8 + 0.1 * n, scored.max() + 0.5
    central = 3.0 + rng.normal(0, 0.1)
    trained = number > 0
    row = {
        **key,
        "round": number,
        "loss": loss,
        "score": score,
        "recorded_score": score - 0.15 * number / 10 if imported else None,
        "distributed_loss": loss * 1.05 if trained else None,
        "distributed_score": score - 0.02 if trained else None,
        "fit_seconds": fit if trained else None,
        "evaluate_seconds": central,
        "validate_seconds": validate if trained else None,
        "round_seconds": fit + validate + central + 0.2 if trained else None,
    }
    cpu = _CPU[key["backend"].split()[0]]
    held = [
        {
            **key,
            "round": number,
            "client": f"client_{i + 1}",
            "num_examples": 2000 // n,
            "fit_seconds": None if imported else own[i],
            "fit_cpu_percent": None if imported else cpu + rng.normal(0, 4),
            "fit_machine_cpu_percent": cpu / 2 + rng.normal(0, 2),
            "fit_memory_bytes": None if imported else 600_000_000 + 1_000_000 * i,
            "fit_waiting_seconds": None if imported else fit - own[i] + central,
            "evaluate_seconds": None if imported else scored[i],
            "evaluate_cpu_percent": None if imported else cpu * 0.9 + rng.normal(0, 4),
            "evaluate_machine_cpu_percent": cpu * 0.45 + rng.normal(0, 2),
            "evaluate_memory_bytes": None if imported else 610_000_000,
            "evaluate_waiting_seconds": None if imported else validate - scored[i],
            "loss": loss,
            "score": score,
            "download_bytes": None if imported else 29_600_000,
            "upload_bytes": None if imported else 29_600_000,
            "failure": "",
        }
        for i in range(n if trained else 0)
    ]
    return row, held


def _baseline(backend: str, clients: int, repeat: int) -> dict[str, Any]:
    return {
        "backend": backend,
        "clients": clients,
        "repeat": repeat,
        "computed_on": "jax",
        "central": {"score": 0.905 + 0.003 * repeat},
        "alone": {"score": 0.8 - 0.04 * clients, "lowest": 0.75 - 0.04 * clients, "highest": 0.82},
        "constant": {"score": 0.272},
    }
