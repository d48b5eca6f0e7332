"""Cells as runs in MLflow: a parent run per study, and in it a child per cell."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import polars as pl

from fedloom.bench.outcome import CellOutcome, CellStatus
from fedloom.bench.places import RunPlace
from fedloom.bench.results.frames import CLIENTS, KEY, ROUNDS
from fedloom.bench.results.read import cell_of, read_cell
from fedloom.errors import InputError, LinkError

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["EXPERIMENT", "log_cell"]

EXPERIMENT = "fedloom bench"
"""The experiment that all studies are logged to."""

_PARENT, _STUDY, _CELL = "mlflow.parentRunId", "fedloom.study", "fedloom.cell"
_ENDED = {CellStatus.FINISHED: "FINISHED", CellStatus.DIVERGED: "FAILED"}
_AT_ONCE = 500


def log_cell(place: RunPlace, outcome: CellOutcome, uri: str) -> str:
    """Log a cell that has ended; one that is there already is logged anew.

    Metrics of rounds are those of the server (``loss``, ``score``, seconds) and the means over the
    clients (``clients.fit_cpu_percent``, …), with the round as their step.

    Args:
        place: of the run.
        outcome: of the cell.
        uri: of MLflow: ``http://host:port``, or ``sqlite:///file.db``.

    Returns:
        The id of the child run.

    Raises:
        InputError: MLflow does not take the URI.
        LinkError: the server cannot be reached, or refuses.
    """
    client, refusal = _open(uri)
    try:
        experiment = _find_experiment(client, uri)
        parent = _find_run(client, experiment, _STUDY, outcome.run)
        if parent is None:
            parent = _create(client, experiment, outcome.run, {_STUDY: outcome.run})
            client.set_terminated(parent)
        name = f"{outcome.run}/{outcome.cell}"
        before = _find_run(client, experiment, _CELL, name)
        if before is not None:
            client.delete_run(before)
        run = _create(client, experiment, outcome.cell, {_PARENT: parent, _CELL: name})
        _log_params(client, run, outcome)
        _log_metrics(client, run, place, outcome)
        client.log_artifact(run, str(place.cell(cell_of(outcome)).outcome))
        client.set_terminated(run, status=_ENDED.get(outcome.status, "FAILED"))
        return run
    except refusal as error:
        raise LinkError(
            f"mlflow={uri}: {' '.join(str(error).split())[:300]}; the cell's files are complete, "
            "and it can be logged later"
        ) from error


def _open(uri: str) -> tuple[MlflowClient, tuple[type[Exception], ...]]:
    """Return a client, and what it raises."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    for name, value in (("MAX_RETRIES", "2"), ("BACKOFF_FACTOR", "1"), ("TIMEOUT", "30")):
        os.environ.setdefault(f"MLFLOW_HTTP_REQUEST_{name}", value)
    warnings.filterwarnings("ignore", message="The ``noload`` loader strategy is deprecated")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    for quiet in ("mlflow", "alembic"):
        logging.getLogger(quiet).setLevel(logging.WARNING)
    try:
        client = MlflowClient(tracking_uri=uri)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise InputError(
            f"mlflow={uri}: {' '.join(str(error).split())[:300]}; http://host:port or "
            "sqlite:///file.db would be right"
        ) from error
    return client, (MlflowException, RequestException, SQLAlchemyError, OSError)


def _find_experiment(client: MlflowClient, uri: str) -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    # Beside the database, where MLflow would take the working directory.
    base = urlsplit(uri)
    folder = Path(base.path[1:]).resolve().parent / "mlflow-artifacts"
    location = folder.as_uri() if base.scheme == "sqlite" else None
    return str(client.create_experiment(EXPERIMENT, artifact_location=location))


def _find_run(client: MlflowClient, experiment: str, tag: str, value: str) -> str | None:
    said = value.replace("'", "")
    found = client.search_runs([experiment], f"tags.`{tag}` = '{said}'", max_results=1)
    return found[0].info.run_id if found else None


def _create(client: MlflowClient, experiment: str, name: str, tags: dict[str, str]) -> str:
    return str(client.create_run(experiment, tags=tags, run_name=name).info.run_id)


def _log_params(client: MlflowClient, run: str, outcome: CellOutcome) -> None:
    for name in ("backend", "strategy", "clients", "repeat", "seed"):
        client.log_param(run, name, getattr(outcome, name))
    for name in ("status", "reason"):
        client.set_tag(run, f"fedloom.{name}", str(getattr(outcome, name))[:500])


def _log_metrics(client: MlflowClient, run: str, place: RunPlace, outcome: CellOutcome) -> None:
    from mlflow.entities import Metric

    began = datetime.fromisoformat(outcome.started).timestamp() if outcome.started else 0.0
    found = [
        Metric(name, value, int(1000 * (began + seconds)), number)
        for name, value, seconds, number in _list_metrics(place, outcome)
    ]
    whole = {"seconds": outcome.seconds, "ready_seconds": outcome.ready_seconds}
    if outcome.target_seconds is not None:
        whole["target_seconds"] = outcome.target_seconds
    found += [Metric(n, v, int(1000 * began), outcome.rounds) for n, v in whole.items()]
    for start in range(0, len(found), _AT_ONCE):
        client.log_batch(run, metrics=found[start : start + _AT_ONCE])


def _list_metrics(place: RunPlace, outcome: CellOutcome) -> Iterator[tuple[str, float, float, int]]:
    """Yield name, value, seconds since the beginning, and round."""
    rounds, clients = read_cell(place, cell_of(outcome))
    means = clients.group_by("round").agg(
        pl.col(name).mean().name.prefix("clients.")
        for name, kind in CLIENTS.items()
        if name not in (*KEY, "round") and kind.is_numeric()
    )
    names = [name for name in ROUNDS.names() if name not in (*KEY, "round", "elapsed_seconds")]
    names += [name for name in means.columns if name != "round"]
    for row in rounds.join(means, on="round", how="left").iter_rows(named=True):
        for name in names:
            if (value := _number(row[name])) is not None:
                yield name, value, row["elapsed_seconds"] or 0.0, row["round"]


def _number(value: Any) -> float | None:
    return float(value) if value is not None and isfinite(value) else None
