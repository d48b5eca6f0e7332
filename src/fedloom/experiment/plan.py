"""The plan: everything that determines a run, as one frozen object and one file.

Flags of the command line, keys of a plan file and keyword arguments of `fedloom.simulate` are the
fields of `Plan`, under the same names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from hashlib import blake2b
from os import PathLike, fspath
from pathlib import PurePath
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from fedloom.data import Task, dataset_names, strategy_names
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
from fedloom.naming import fold_name, match_name
from fedloom.records.mlaas import Columns

__all__ = ["ALGORITHM_PARAMETERS", "FleetName", "KeepWeights", "Plan", "make_plan"]

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

LEARNING_RATES = {"sgd": 0.3, "momentum": 0.1, "adam": 0.01}
"""The step size of each local optimizer where a plan names none."""

_NOT_IN_RUN_ID = {
    "client_timeout_s",
    "columns",
    "data_dir",
    "lanes",
    "output",
    "output_dir",
    "cold",
    "ray_address",
    "weights",
    "workers",
}
"""Fields that change where results go, or how fast they come, and not what they are."""


NOT_WITH_PACKAGE = (
    "dataset",
    "data_dir",
    "label_column",
    "image_size",
    "test_fraction",
    "sample_size",
    "sample_frac",
    "task",
    "model",
    "hidden",
    "partition",
    "partition_param",
    "distribution",
    "min_samples",
    "allow_shortfall",
    "devices",
    "local_evaluation",
    "backend",
    "fleet",
    "lanes",
    "ray_address",
)
"""Fields that a package decides by itself, or that need to know what only it knows."""

_ONLY_WITH_PACKAGE = ("package_digest", "seed_model", "cold")

PACKAGE_SETTINGS = ("epochs", "batch_size", "optimizer", "learning_rate")
"""Fields that a package is told of where they were given; else its own defaults hold."""


class FleetName(StrEnum):
    """Where the clients are: in compiled lanes here, in processes here, or in lanes on Ray."""

    SIMULATED = "simulated"
    PROCESS = "process"
    RAY = "ray"


class KeepWeights(StrEnum):
    """Which weights of each round are kept in the run's folder."""

    ALL = "all"
    GLOBAL = "global"
    NONE = "none"


_CHOICES: Mapping[str, type[StrEnum]] = {
    "task": Task,
    "local_evaluation": LocalEvaluation,
    "fleet": FleetName,
    "weights": KeepWeights,
    "columns": Columns,
}
"""Fields that take one of a few words."""

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
# Bounds far above any use, below what would exhaust the machine before anyone could say why.
Width = Annotated[int, Field(ge=1, le=65_536)]
Passes = Annotated[int, Field(ge=1, le=1_000_000)]
Parallel = Annotated[int, Field(ge=1, le=1024)]


class Plan(BaseModel):
    """Everything that determines a run; unknown keys are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), use_attribute_docstrings=True
    )

    dataset: str = "digits"
    """Name of the data set, or npz:PATH, csv:PATH, images:FOLDER."""
    data_dir: str | None = None
    """Folder where data files are looked for first."""
    label_column: str | None = None
    """csv: the column that holds the labels."""
    image_size: Annotated[int, Field(ge=4, le=1024)] | None = None
    """images: side length in pixels to which they are scaled."""
    test_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """Share of the rows that becomes the test part, where a data set has none."""
    sample_size: Count | None = None
    """Training rows to use, drawn before they are split."""
    sample_frac: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """The same as a fraction of the training rows."""
    task: Task | None = None
    """What is learnt: classification or regression; read from the labels if not given."""
    model: str = "mlp"
    """The model: logistic, mlp, cnn, module:function, FILE.py[:function] or FILE.keras."""
    hidden: tuple[Width, ...] | None = None
    """Widths of the hidden dense layers; each model has its own default."""
    package: str | None = None
    """A compute package that brings data and model: its folder, or a .tgz archive."""
    package_digest: str | None = None
    """SHA-256 that the package must have; a run notes what it had."""
    seed_model: str | None = None
    """package: npz file with the first weights, in place of what its build writes."""
    cold: bool = False
    """package: import its libraries anew in every call."""
    clients: Count = 20
    """Number of clients."""
    cohort: int | float | None = None
    """Clients of a round: a number, or a fraction such as 0.1; all if not given."""
    rounds: Passes = 5
    """Number of rounds."""
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 5
    """Passes over a client's rows in a round."""
    batch_size: Passes = 32
    """Rows in a step."""
    optimizer: str = "sgd"
    """The clients' optimizer: sgd, momentum or adam."""
    learning_rate: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 0.3
    """Its step size; without it 0.3 for sgd, 0.1 for momentum, 0.01 for adam."""
    partition: str = "iid"
    """Split of the rows: iid, quantity_skew, dirichlet, shard, label_per_client, custom."""
    partition_param: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None
    """The strategy's parameter; each strategy has its own default."""
    distribution: dict[str, dict[str, int]] | None = None
    """custom: JSON file, client → label → rows."""
    min_samples: Count = 1
    """Rows that each client gets at least."""
    allow_shortfall: bool = False
    """custom: give what is there where more is asked for."""
    algorithm: str = "FedAvg"
    """The federated algorithm, such as FedAvg, FedProx, FedAdam, Scaffold or Krum."""
    proximal_mu: float | None = None
    """FedProx: strength of the pull towards the global weights."""
    server_learning_rate: float | None = None
    """Step size of the server optimizer."""
    server_momentum: float | None = None
    """FedAvgM: momentum of the server."""
    beta_1: float | None = None
    """FedAdagrad, FedAdam, FedYogi: decay of the first moment."""
    beta_2: float | None = None
    """FedAdam, FedYogi: decay of the second moment."""
    tau: float | None = None
    """FedAdagrad, FedAdam, FedYogi: adaptivity; smaller changes barely move a weight."""
    trim_fraction: float | None = None
    """FedTrimmedAvg: share cut off at each end."""
    num_byzantine: int | None = None
    """Krum, MultiKrum, Bulyan: hostile clients to withstand."""
    num_selected: int | None = None
    """MultiKrum: updates to average."""
    clip_norm: float | None = None
    """DPFedAvg: bound of an update's L2 norm."""
    noise_multiplier: float | None = None
    """DPFedAvg: noise over clip_norm."""
    privacy_delta: float | None = None
    """DPFedAvg: the δ at which ε is reported."""
    dropout: Fraction = 0.0
    """Probability with which a chosen client drops out of a round."""
    devices: dict[str, Any] | None = None
    """Model of the clients' devices: uniform, mixed, mobile, or a YAML file of settings."""
    local_evaluation: LocalEvaluation = LocalEvaluation.FULL
    """How much of the test part scores each client's own weights: none, sample or full."""
    backend: str = "jax"
    """What computes: jax, torch or tensorflow; the last two in processes."""
    fleet: FleetName = FleetName.SIMULATED
    """Where the clients are: simulated (compiled lanes), process (one process each) or ray."""
    lanes: Parallel | None = None
    """simulated: compiled lanes; one per core if not given."""
    workers: Parallel | None = None
    """process, package, ray: clients that train at the same time; one per core if not given."""
    ray_address: str | None = None
    """ray: HOST:PORT of a cluster; RAY_ADDRESS, or else a cluster of its own on this machine."""
    client_timeout_s: Annotated[float, Field(gt=0.0, le=1e7)] = 3600.0
    """Seconds after which a round goes on without an unfinished client."""
    seed: Annotated[int, Field(ge=0)] = 42
    """Determines every random choice."""
    weights: KeepWeights = KeepWeights.ALL
    """Weights kept from each round: all, global or none."""
    columns: Columns = Columns.FEDLOOM
    """Columns of the client table: fedloom, or mlaas for the original's fifteen."""
    output: str | None = None
    """Name of the client table, under outputs/runs/."""
    output_dir: str | None = None
    """Folder that takes the place of outputs/runs."""

    @model_validator(mode="before")
    @classmethod
    def _choose_learning_rate(cls, values: Any) -> Any:
        """A step size that learns with one optimizer does not with another."""
        if not isinstance(values, dict) or values.get("package") is not None:
            return values
        if values.get("learning_rate") is None:
            optimizer = str(values.get("optimizer", "sgd"))
            known = {fold_name(name): rate for name, rate in LEARNING_RATES.items()}
            rate = known.get(fold_name(optimizer), LEARNING_RATES["sgd"])
            return {**values, "learning_rate": rate}
        return values

    @model_validator(mode="before")
    @classmethod
    def _choose_fleet(cls, values: Any) -> Any:
        """Lanes are programs of JAX: on another backend each client has a process."""
        if not isinstance(values, dict) or values.get("package") is not None:
            return values
        chosen = values.get("backend")
        if isinstance(chosen, str) and values.get("fleet") is None:
            backend = match_name("backend", chosen, BACKEND_NAMES)
            return values if backend == "jax" else {**values, "fleet": FleetName.PROCESS}
        return values

    @field_validator("task", "local_evaluation", "fleet", "weights", "columns", mode="before")
    @classmethod
    def _match_choice(cls, value: Any, info: ValidationInfo) -> Any:
        name = info.field_name or ""
        if not isinstance(value, str):
            return value
        return match_name(name, value, [choice.value for choice in _CHOICES[name]])

    @field_validator("dataset")
    @classmethod
    def _spell_dataset(cls, value: str) -> str:
        """Spell a known name in the one way that records show; whoever loads it refuses others."""
        kind, colon, path = value.partition(":")
        known = {fold_name(name): name for name in dataset_names()}
        return f"{fold_name(kind)}:{path}" if colon else known.get(fold_name(value), value)

    @field_validator("distribution", mode="before")
    @classmethod
    def _spell_labels(cls, value: Any) -> Any:
        """Labels are numbers in YAML and Python, and text in JSON."""
        if not isinstance(value, Mapping):
            return value
        return {client: _name_labels(counts) for client, counts in value.items()}

    @field_validator("package")
    @classmethod
    def _check_path(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise InputError("package: the path is empty; name a folder or a .tgz archive")
        return value

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
        return match_name("partition strategy", value, strategy_names())

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
        self._check_package()
        if self.backend != "jax" and self.fleet is not FleetName.PROCESS:
            raise InputError(
                f"backend={self.backend}: the lanes of fleet {self.fleet} are programs of JAX; use"
                " fleet process, or backend jax"
            )
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

    def _check_package(self) -> None:
        """A package brings what other fields would say; fields of its own need one."""
        fields = Plan.model_fields
        names = _ONLY_WITH_PACKAGE if self.package is None else NOT_WITH_PACKAGE
        changed = [name for name in names if getattr(self, name) != fields[name].default]
        if not changed:
            return
        if self.package is None:
            raise InputError(f"{changed[0]}: belongs to package alone; give a package, or leave it")
        raise InputError(
            f"{changed[0]}: does not go with package, which brings its own data, model and "
            "training; leave it"
        )

    @property
    def package_settings(self) -> dict[str, Any]:
        """What a package is told of how to train: the fields that were given."""
        return {k: getattr(self, k) for k in PACKAGE_SETTINGS if k in self.model_fields_set}

    @property
    def content(self) -> dict[str, Any]:
        """The fields that matter to this run, as plain values; keys left at None are left out."""
        unused = {name for name in _ONLY_WITH_PACKAGE if self.package is None}
        if self.package is not None:
            told = self.package_settings
            unused = {*NOT_WITH_PACKAGE, *(name for name in PACKAGE_SETTINGS if name not in told)}
        return self.model_dump(mode="json", exclude=unused, exclude_none=True)

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
        """What records call the model; a package's name is known once it is opened."""
        return short_model_name(self.model)

    @property
    def dataset_name(self) -> str:
        """What records call the data set: without folders of this machine."""
        kind, colon, path = self.dataset.partition(":")
        return f"{kind}:{PurePath(path).name}" if colon else kind

    @property
    def identity(self) -> dict[str, Any]:
        """All that determines the records, as plain values; keys left at None are left out."""
        content = {k: v for k, v in self.content.items() if k not in _NOT_IN_RUN_ID}
        if self.package is None:
            return content | {"model": self.model_name, "dataset": self.dataset_name}
        seed = {} if self.seed_model is None else {"seed_model": PurePath(self.seed_model).name}
        digest = content.pop("package_digest", PurePath(self.package).name)
        return content | {"package": digest} | seed

    @property
    def run_id(self) -> str:
        """Digest of `identity`: 16 hexadecimal digits."""
        text = json.dumps(self.identity, sort_keys=True, separators=(",", ":"))
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
    given = {k: _tidy(k, v) for k, v in options.items() if v is not None}
    try:
        return Plan.model_validate(given)
    except ValidationError as error:
        raise InputError(_first_fault(error)) from error


def _name_labels(counts: Any) -> Any:
    return {str(k): n for k, n in counts.items()} if isinstance(counts, Mapping) else counts


def _tidy(name: str, value: Any) -> Any:
    """Turn a path into text; refuse yes and no where they would pass for 1 and 0."""
    if isinstance(value, bool) and name not in _SWITCHES:
        raise InputError(f"{name}={value}: yes and no belong to {' and '.join(_SWITCHES)} alone")
    return fspath(value) if isinstance(value, PathLike) else value


_SWITCHES = ("allow_shortfall", "cold")
_KINDS = ("int", "float")


def _first_fault(error: ValidationError) -> str:
    """Say the first fault on one line: field, value, and what would be right."""
    fault = error.errors(include_url=False)[0]
    # Which item of a list, and which member of "int | float", would puzzle more than help.
    names = [part for part in fault["loc"] if isinstance(part, str) and part not in _KINDS]
    place = ".".join(names)
    return f"{place}={fault['input']!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}"
