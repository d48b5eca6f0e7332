"""The one schema of Fedloom's records: a row per client and round, and a row per round.

Simulation, packages, bench and live tasks all write these two tables, so `merge` and `report` work
on all of them. Columns that measure the host end in ``_seconds``, ``_bytes`` or ``_percent``; what
the device model computes is named ``simulated_…``. Every other column is the same whenever the same
plan is run.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias, get_args, get_type_hints

__all__ = [
    "ClientRecord",
    "Column",
    "MetricRecord",
    "RoundRecord",
    "Table",
    "column_names",
    "describe_columns",
]


def _column(meaning: str, unit: str = "", replaces: str = "") -> Any:
    """Declare a column: its meaning, its unit, and the older names that it replaces.

    Older names are separated by blanks, the one to prefer first: a file is read by them.
    """
    return field(metadata={"meaning": meaning, "unit": unit, "replaces": tuple(replaces.split())})


@dataclass(frozen=True, kw_only=True)
class ClientRecord:
    """One client in one round."""

    run_id: str = _column("digest of the plan; equal for equal plans", replaces="run_id")
    round: int = _column("round, counted from 1", replaces="round")
    client_id: str = _column("name of the client", replaces="client_id Client")
    dataset: str = _column("name of the data set", replaces="dataset")
    task: str = _column("classification or regression", replaces="task_type")
    model: str = _column("name of the model", replaces="model_type")
    algorithm: str = _column("name of the federated algorithm")
    backend: str = _column("what trained the model: jax, torch, tensorflow, or package")
    partition: str = _column(
        "strategy that split the rows", replaces="distribution_type split_strategy"
    )
    partition_param: float | None = _column(
        "the strategy's parameter, after defaults", replaces="distribution_param"
    )
    label_counts: str = _column(
        "JSON object: label → rows of this client",
        replaces="data_Distribution data_distribution_json",
    )
    num_examples: int = _column("training rows of this client", "rows", "samples_count data_volume")
    participated: bool = _column(
        "whether its update is in the round's aggregate", "", "participated"
    )
    failure: str = _column(
        "why not: dropped_out, unavailable, straggler, error, diverged, rejected, timeout or lost; "
        "empty otherwise",
        replaces="round_fail_reason",
    )
    train_loss: float | None = _column("mean loss over the rows it trained on, before each step")
    local_loss: float | None = _column("loss of its own weights on the test part", replaces="loss")
    local_score: float | None = _column(
        "score of its own weights on the test part: accuracy, or R² for regression",
        "≤ 1",
        "quality_Factor metric_score accuracy",
    )
    global_loss: float | None = _column("loss of the round's new global weights")
    global_score: float | None = _column("score of the round's new global weights", "≤ 1")
    divergence: float | None = _column("L2 norm of its weights minus those the round started with")
    train_seconds: float | None = _column(
        "wall time of its training; in a lane, the lane's time apportioned by batches",
        "s",
        "Computation_Time computation_time_s",
    )
    evaluate_seconds: float | None = _column("wall time of scoring its own weights", "s")
    cpu_seconds: float | None = _column("processor time of its training", "s", "cpu_time_s")
    download_bytes: int = _column("size of the weights it was sent", "B", "comm_bytes_down")
    upload_bytes: int = _column("size of the update it returned", "B", "comm_bytes_up")
    simulated_train_seconds: float | None = _column("training time on its modelled device", "s")
    simulated_transfer_seconds: float | None = _column("transfer time on its modelled link", "s")
    simulated_seconds: float | None = _column("both together", "s")


@dataclass(frozen=True, kw_only=True)
class RoundRecord:
    """One round."""

    run_id: str = _column("digest of the plan; equal for equal plans", replaces="run_id")
    round: int = _column("round, counted from 1", replaces="round")
    dataset: str = _column("name of the data set", replaces="dataset")
    task: str = _column("classification or regression", replaces="task_type")
    model: str = _column("name of the model", replaces="model_type")
    algorithm: str = _column("name of the federated algorithm")
    backend: str = _column("what trained the model: jax, torch, tensorflow, or package")
    partition: str = _column(
        "strategy that split the rows", replaces="distribution_type split_strategy"
    )
    partition_param: float | None = _column(
        "the strategy's parameter, after defaults", replaces="distribution_param"
    )
    cohort_size: int = _column("clients chosen for the round", "clients", "scheduled_clients")
    participants: int = _column(
        "clients whose updates are in the aggregate", "clients", "participating_clients"
    )
    num_examples: int = _column("training rows of the participants", "rows")
    train_loss: float | None = _column("mean training loss, weighted by rows")
    global_loss: float | None = _column("loss of the new global weights", replaces="global_loss")
    global_score: float | None = _column(
        "score of the new global weights: accuracy, or R² for regression",
        "≤ 1",
        "global_score Global_Accuracy",
    )
    update_norm: float | None = _column("L2 norm of the new global weights minus the old ones")
    epsilon: float | None = _column("privacy spent so far, where the algorithm accounts for it")
    train_seconds: float = _column(
        "wall time of shuffling, training, reduction and server step", "s"
    )
    evaluate_seconds: float = _column("wall time of all scoring", "s")
    simulated_seconds: float | None = _column("time of the round on the modelled devices", "s")


@dataclass(frozen=True, kw_only=True)
class MetricRecord:
    """One number that a client reported beside its weights; packages alone report any."""

    run_id: str = _column("digest of the plan; equal for equal plans")
    round: int = _column("round, counted from 1")
    client_id: str = _column("name of the client")
    phase: str = _column(
        "train: said of its own update; validate: said of the round's new global weights"
    )
    name: str = _column("what the client calls it; keys of inner objects are joined with dots")
    value: float = _column("the number")


Table: TypeAlias = type[ClientRecord] | type[RoundRecord] | type[MetricRecord]
"""One of the tables, named by the class of its rows."""


@dataclass(frozen=True)
class Column:
    """What the schema says about one column.

    Attributes:
        name: the column's name.
        kind: str, int, float or bool.
        optional: whether a value may be missing; text is never missing, at most empty.
        unit: the unit of its numbers, or empty.
        meaning: one line.
        replaces: names of this column in older files, the one to prefer first.
    """

    name: str
    kind: type
    optional: bool
    unit: str
    meaning: str
    replaces: tuple[str, ...]


def describe_columns(table: Table) -> list[Column]:
    """Return what the schema says about each column of a table, in their order."""
    hints = get_type_hints(table)
    return [Column(f.name, *_split_optional(hints[f.name]), **f.metadata) for f in fields(table)]


def _split_optional(hint: Any) -> tuple[type, bool]:
    """Return the type without its None, and whether there was one."""
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not type(None)]
    return kinds[0], type(None) in get_args(hint)


def column_names(table: Table) -> list[str]:
    """Return the columns of a table in their order."""
    return [f.name for f in fields(table)]
