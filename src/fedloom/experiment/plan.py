"""The plan: everything that determines a run, as one frozen object and one file.

Flags of the command line, keys of a plan file and keyword arguments of `fedloom.simulate` are the
fields of `Plan`, under the same names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from hashlib import blake2b
from pathlib import PurePath
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fedloom.data.dataset import Task
from fedloom.errors import InputError, UnknownNameError
from fedloom.federation.algorithm import algorithm_names, algorithm_params
from fedloom.federation.fleet import LocalEvaluation
from fedloom.learning.local_training import LocalTraining
from fedloom.learning.model_names import (
    BACKEND_NAMES,
    MODEL_NAMES,
    OPTIMIZER_NAMES,
    is_user_model,
    short_model_name,
)
from fedloom.naming import match_name
from fedloom.records.mlaas import Columns

__all__ = ["ALGORITHM_PARAMETERS", "FleetName", "KeepWeights", "Plan", "make_plan"]

PARTITION_NAMES = ("iid", "quantity_skew", "dirichlet", "shard", "label_per_client", "custom")
"""The strategies of `fedloom.data`, known here without importing NumPy's heavier friends."""

ALGORITHM_PARAMETERS = (
    "proximal_mu",
    "server_learning_rate",
    "server_momentum",
    "beta_1",
    "beta_2",
    "tau",
    "trim_fraction",
    "num_byzantine",
    "num_selected",
    "clip_norm",
    "noise_multiplier",
    "privacy_delta",
)
"""Fields of a plan that belong to algorithms; None takes the algorithm's default."""

_NOT_IN_RUN_ID = {
    "client_timeout_s",
    "columns",
    "data_dir",
    "lanes",
    "output",
    "output_dir",
    "weights",
    "workers",
}
"""Fields that change where results go, or how fast they come, and not what they are."""


class FleetName(StrEnum):
    """Where the clients are."""

    SIMULATED = "simulated"
    PROCESS = "process"


class KeepWeights(StrEnum):
    """Which weights of each round are kept in the run's folder."""

    ALL = "all"
    GLOBAL = "global"
    NONE = "none"


Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class Plan(BaseModel):
    """Everything that determines a run; unknown keys are refused.

    Attributes:
        dataset: name of the data set, or ``npz:PATH``, ``csv:PATH``, ``images:FOLDER``.
        data_dir: folder where data files are looked for first.
        label_column: the column of a CSV data set that holds the labels.
        image_size: side length, in pixels, to which a folder's images are scaled.
        test_fraction: share of the rows that becomes the test part, where a data set has none.
        sample_size: rows of the training part to use, drawn before it is split.
        sample_frac: the same as a fraction; excludes `sample_size`.
        task: ``classification`` or ``regression``; None reads it from the labels.
        model: ``logistic``, ``mlp``, ``cnn``, ``module:function``, or a file.
        hidden: widths of the hidden dense layers.
        clients: number of clients.
        cohort: clients of a round: a number, a fraction such as 0.1, or None for all.
        rounds: number of rounds.
        epochs: passes over a client's rows in a round.
        batch_size: rows in a step.
        optimizer: the clients' optimizer: ``sgd``, ``momentum`` or ``adam``.
        learning_rate: its step size.
        partition: how the training rows are split over the clients.
        partition_param: the strategy's parameter; None takes its default.
        distribution: client → label → rows, for the custom partition.
        min_samples: rows that each client gets at least.
        allow_shortfall: let a custom distribution ask for more rows than there are.
        algorithm: the federated algorithm.
        proximal_mu: FedProx: pull towards the global weights.
        server_learning_rate: step size of the server optimizer.
        server_momentum: FedAvgM: momentum of the server.
        beta_1: adaptive server optimizers: decay of the first moment.
        beta_2: adaptive server optimizers: decay of the second moment.
        tau: adaptive server optimizers: adaptivity.
        trim_fraction: FedTrimmedAvg: share cut off at each end.
        num_byzantine: Krum, MultiKrum, Bulyan: hostile clients to withstand.
        num_selected: MultiKrum: updates to average.
        clip_norm: DPFedAvg: bound of an update's L2 norm.
        noise_multiplier: DPFedAvg: noise over `clip_norm`.
        privacy_delta: DPFedAvg: the δ at which ε is reported.
        dropout: probability with which a chosen client drops out of a round.
        devices: the device model: a preset's name, a file, or its settings.
        local_evaluation: on how much of the test part each client's own weights are scored.
        backend: what trains the model.
        fleet: where the clients are.
        lanes: compiled lanes of the simulated fleet; None takes one per core.
        workers: clients of the process fleet that train at the same time; None takes one per core.
        client_timeout_s: seconds after which a round goes on without an unfinished client.
        seed: determines every random choice.
        weights: which weights are kept.
        columns: columns of the client table at `output`.
        output: name of the client table, under ``outputs/runs/``.
        output_dir: folder that takes the place of ``outputs/runs/``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    dataset: str = "digits"
    data_dir: str | None = None
    label_column: str | None = None
    image_size: Annotated[int, Field(ge=4, le=1024)] | None = None
    test_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    sample_size: Count | None = None
    sample_frac: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    task: Task | None = None
    model: str = "mlp"
    hidden: tuple[Count, ...] | None = None
    clients: Count = 20
    cohort: int | float | None = None
    rounds: Count = 5
    epochs: Count = 5
    batch_size: Count = 32
    optimizer: str = "sgd"
    learning_rate: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 0.1
    partition: str = "iid"
    partition_param: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None
    distribution: dict[str, dict[str, int]] | None = None
    min_samples: Count = 1
    allow_shortfall: bool = False
    algorithm: str = "FedAvg"
    proximal_mu: float | None = None
    server_learning_rate: float | None = None
    server_momentum: float | None = None
    beta_1: float | None = None
    beta_2: float | None = None
    tau: float | None = None
    trim_fraction: float | None = None
    num_byzantine: int | None = None
    num_selected: int | None = None
    clip_norm: float | None = None
    noise_multiplier: float | None = None
    privacy_delta: float | None = None
    dropout: Fraction = 0.0
    devices: dict[str, Any] | None = None
    local_evaluation: LocalEvaluation = LocalEvaluation.FULL
    backend: str = "jax"
    fleet: FleetName = FleetName.SIMULATED
    lanes: Count | None = None
    workers: Count | None = None
    client_timeout_s: Annotated[float, Field(gt=0.0)] = 3600.0
    seed: Annotated[int, Field(ge=0)] = 42
    weights: KeepWeights = KeepWeights.ALL
    columns: Columns = Columns.FEDLOOM
    output: str | None = None
    output_dir: str | None = None

    @field_validator("task", "local_evaluation", "fleet", "weights", "columns", mode="before")
    @classmethod
    def _fold_case(cls, value: Any) -> Any:
        return value.casefold().strip() if isinstance(value, str) else value

    @field_validator("model")
    @classmethod
    def _match_model(cls, value: str) -> str:
        return value if is_user_model(value) else match_name("model", value, MODEL_NAMES)

    @field_validator("optimizer")
    @classmethod
    def _match_optimizer(cls, value: str) -> str:
        return match_name("optimizer", value, OPTIMIZER_NAMES)

    @field_validator("partition")
    @classmethod
    def _match_partition(cls, value: str) -> str:
        return match_name("partition strategy", value, PARTITION_NAMES)

    @field_validator("algorithm")
    @classmethod
    def _match_algorithm(cls, value: str) -> str:
        return match_name("algorithm", value, algorithm_names())

    @field_validator("backend")
    @classmethod
    def _match_backend(cls, value: str) -> str:
        return match_name("backend", value, BACKEND_NAMES)

    @model_validator(mode="after")
    def _check_together(self) -> Plan:
        if self.sample_size is not None and self.sample_frac is not None:
            raise InputError("sample_size and sample_frac exclude each other; give one of them")
        if (self.partition == "custom") != (self.distribution is not None):
            raise InputError(
                "partition 'custom' and distribution belong together: give both or neither"
            )
        takes = algorithm_params(self.algorithm)
        for name in ALGORITHM_PARAMETERS:
            if getattr(self, name) is not None and name not in takes:
                known = ", ".join(takes) or "none"
                raise InputError(f"{name}: {self.algorithm} does not take it; it takes {known}")
        return self

    @property
    def algorithm_settings(self) -> dict[str, float | int]:
        """The algorithm's parameters that the plan names."""
        given = {name: getattr(self, name) for name in ALGORITHM_PARAMETERS}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def local_training(self) -> LocalTraining:
        """How every client trains."""
        return LocalTraining(
            model=self.model,
            hidden=self.hidden,
            seed=self.seed,
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            backend=self.backend,
        )

    @property
    def model_name(self) -> str:
        """What records call the model."""
        return short_model_name(self.model)

    @property
    def dataset_name(self) -> str:
        """What records call the data set: without folders of this machine."""
        kind, colon, path = self.dataset.partition(":")
        return f"{kind}:{PurePath(path).name}" if colon else kind

    @property
    def run_id(self) -> str:
        """Digest of all that determines the records: 16 hexadecimal digits."""
        content = self.model_dump(mode="json", exclude=_NOT_IN_RUN_ID, exclude_none=True)
        content |= {"model": self.model_name, "dataset": self.dataset_name}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return blake2b(text.encode(), digest_size=8).hexdigest()


def make_plan(options: Mapping[str, Any]) -> Plan:
    """Return the plan that some options describe; those left out or None keep their defaults.

    Raises:
        UnknownNameError: an option or a named thing does not exist; the nearest one is named.
        InputError: a value is of the wrong kind, out of range, or does not go with another.
    """
    for key in options:
        if key not in Plan.model_fields:
            raise UnknownNameError("option", str(key), Plan.model_fields)
    try:
        return Plan.model_validate({k: v for k, v in options.items() if v is not None})
    except ValidationError as error:
        raise InputError(_first_fault(error)) from error


def _first_fault(error: ValidationError) -> str:
    """Say the first fault on one line: field, value, and what would be right."""
    fault = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in fault["loc"] if isinstance(part, str | int))
    return f"{place}={fault['input']!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}"
