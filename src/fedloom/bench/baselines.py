"""What is reached without federated learning: the lines that a study's scores are held against.

- **central**: one model is trained on the pooled training rows, for as many epochs as a cell's
  rounds have together, with the same optimizer, which is not begun anew in between.
- **alone**: each client trains on its own shard, likewise, and never hears of the others.
- **constant**: always the same answer, the largest class of the training labels; for a regression
  the mean of the training labels.

All are scored on the server's test part, as the cells are. They are computed with JAX whatever the
cells compute with, because its simulated fleet trains all clients in one compiled loop; with the
same model and seed the backends differ by rounding alone. A process of its own does it, so that
Keras may have another backend in the caller, and so that it can be stopped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from fedloom.bench.cell_id import Cell
from fedloom.bench.study import Study

__all__ = ["BASELINE_BACKEND", "LIMIT_S", "measure_baselines"]

BASELINE_BACKEND = "jax"
"""What the baselines are computed with."""

LIMIT_S = 900.0
"""Seconds after which the baselines that are not done are left out."""


def measure_baselines(
    study: Study, backend: str, clients: int, repeat: int, *, limit_s: float = LIMIT_S
) -> Mapping[str, Any]:
    """Return the scores without federated learning for some cells of a study.

    They depend on the plan, the seed and the number of clients alone. What cannot be had is left
    out, and ``left_out`` says why: a package brings data that only it knows, a training may
    diverge, or take too long.

    Args:
        study: whose plan it is.
        backend: of the cells; the baselines stand beside them, see `BASELINE_BACKEND`.
        clients: among how many the rows are split for ``alone``.
        repeat: counted from 1; determines the seed.
        limit_s: seconds for all of it.

    Returns:
        ``backend``, ``clients``, ``repeat``, ``seed``, ``computed_on``, ``epochs``, ``left_out``
        (a list of sentences), and as far as they could be had ``task``, ``constant`` (``score``,
        ``guess``), ``central`` (``score``, ``loss``), ``alone`` (``score``, the mean of the
        clients; ``lowest``, ``highest``, ``scores``, and how many ``diverged``). Equal arguments
        give an equal result.
    """
    cell = Cell(backend, study.strategy[0], clients, repeat)
    plan = study.plan_of(cell)
    order = {
        "plan": plan.model_copy(update={"backend": BASELINE_BACKEND}).content,
        "epochs": study.num_rounds * plan.epochs,
    }
    found = json.loads(_measure_once(json.dumps(order, sort_keys=True), limit_s))
    return {
        "backend": backend,
        "clients": clients,
        "repeat": repeat,
        "seed": plan.seed,
        "computed_on": BASELINE_BACKEND,
        "epochs": order["epochs"],
        **found,
    }


@lru_cache(maxsize=256)
def _measure_once(order: str, limit_s: float) -> str:
    """Have a process measure it, once for all backends."""
    printed, left_out = _ask_child(order.encode() + b"\n", limit_s)
    return json.dumps(_gather(printed, left_out))


def _ask_child(order: bytes, limit_s: float) -> tuple[bytes, list[str]]:
    """Return what the process printed, and what is to be said of its end.

    Its standard input stays open while this process lives: it ends when that ends.
    """
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as orders, _start_child(reading) as child:
        os.close(reading)
        try:
            with suppress(BrokenPipeError):  # its end says why
                orders.write(order)
                orders.flush()
            printed, errors = child.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            child.kill()
            printed, _ = child.communicate()
            return printed, [f"what is missing took longer than {limit_s:g} s"]
        except BaseException:
            child.kill()
            raise
    if child.returncode:
        return printed, [f"the baselines ended early: {_last_line(errors)}"]
    return printed, []


def _start_child(reading: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "fedloom.bench.baselines_child"],
        stdin=reading,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "KERAS_BACKEND": BASELINE_BACKEND},
    )


def _gather(printed: bytes, left_out: list[str]) -> dict[str, Any]:
    """Merge the lines that the process printed, one JSON object each; a torn last one is dropped.

    Example:
        >>> _gather(b'{"task": "classification"}\\n{"left_out": "central: diverged"}\\n{"al', [])
        {'task': 'classification', 'left_out': ['central: diverged']}
    """
    found: dict[str, Any] = {}
    for line in printed.split(b"\n")[:-1]:
        said = json.loads(line)
        left_out = [*left_out, *([said.pop("left_out")] if "left_out" in said else [])]
        found |= said
    return {**found, "left_out": left_out}


def _last_line(text: bytes) -> str:
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing was said"
