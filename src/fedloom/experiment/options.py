"""The options of a plan as keyword arguments, for type checkers and editors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, TypedDict

__all__ = ["PlanOptions", "SplitOptions"]


class SplitOptions(TypedDict, total=False):
    """Which rows there are, and who holds them; None keeps a default, as leaving out does.

    What each key means stands at the field of `fedloom.Plan` of the same name.
    """

    dataset: str | None
    data_dir: str | PathLike[str] | None
    label_column: str | None
    image_size: int | None
    test_fraction: float | None
    sample_size: int | None
    sample_frac: float | None
    task: str | None
    clients: int | None
    partition: str | None
    partition_param: float | None
    distribution: str | PathLike[str] | Mapping[str, Mapping[str, int]] | None
    min_samples: int | None
    allow_shortfall: bool | None
    seed: int | None


class PlanOptions(SplitOptions, total=False):
    """All keys of a plan."""

    package: str | PathLike[str] | None
    package_digest: str | None
    seed_model: str | PathLike[str] | None
    cold: bool | None
    model: str | PathLike[str] | None
    hidden: Sequence[int] | None
    cohort: int | float | None
    rounds: int | None
    epochs: int | None
    batch_size: int | None
    optimizer: str | None
    learning_rate: float | None
    algorithm: str | None
    proximal_mu: float | None
    server_learning_rate: float | None
    server_momentum: float | None
    beta_1: float | None
    beta_2: float | None
    tau: float | None
    trim_fraction: float | None
    num_byzantine: int | None
    num_selected: int | None
    clip_norm: float | None
    noise_multiplier: float | None
    privacy_delta: float | None
    dropout: float | None
    devices: str | PathLike[str] | Mapping[str, Any] | None
    local_evaluation: str | None
    backend: str | None
    fleet: str | None
    lanes: int | None
    workers: int | None
    ray_address: str | None
    client_timeout_s: float | None
    weights: str | None
    columns: str | None
    output: str | PathLike[str] | None
    output_dir: str | PathLike[str] | None
