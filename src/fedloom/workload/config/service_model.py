"""A service model: what a node of a workflow calls, what it needs, and how long it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Choice", "Law", "LawName", "Option", "ServiceModel", "TokenTime"]

Choice = str | int | float | bool | None
"""A value that an option can take."""


class LawName(StrEnum):
    """The distributions of times and token counts."""

    NORMAL = "normal"
    LOGNORMAL = "lognormal"
    GAMMA = "gamma"
    EXPONENTIAL = "exponential"
    UNIFORM = "uniform"
    PARETO = "pareto"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class Law:
    """A distribution by its mean and standard deviation, with a floor.

    Attributes:
        name: which distribution.
        mean: of the distribution before the floor; seconds or tokens.
        std: standard deviation; not used by ``exponential`` and ``fixed``.
        minimum: what is drawn below this counts as this.
        maximum: what is drawn above this counts as this.
    """

    name: LawName
    mean: float
    std: float = 0.0
    minimum: float = 0.0
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class TokenTime:
    """How a language model's time follows from its tokens.

    time = output / tokens_per_second + input / prefill_tokens_per_second (0 without that rate)

    Attributes:
        output: tokens that are generated; whole numbers, at least 1.
        tokens_per_second: rate of generating.
        input: tokens of the prompt; None where the configuration does not say.
        prefill_tokens_per_second: rate of reading the prompt; None: it takes no time.
        correlation: of the normal scores of input and output, −1…1.
    """

    output: Law
    tokens_per_second: float
    input: Law | None = None
    prefill_tokens_per_second: float | None = None
    correlation: float = 0.0


@dataclass(frozen=True, slots=True)
class Option:
    """What can be set on a call of a model.

    Attributes:
        choices: the values, drawn with equal weight; may be empty (then it is never set).
        factors: for each choice, what it multiplies the call's time by; 1 where nothing is said.
    """

    choices: tuple[Choice, ...]
    factors: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ServiceModel:
    """A service model with its inheritance resolved.

    Attributes:
        model_id: its key in the configuration.
        name: for people.
        type: ``llm``, ``image_generation``, … or any other word.
        base_model: the key of the model it inherits from, if any.
        memory_gb: of the whole model; a gang holds equal shares of it.
        gpus_required: 0 (runs beside the GPUs), 1, or the size of its gang.
        load_time_seconds: to load it over the reference link; None: from its memory.
        time: how long a call takes: a law of seconds, or tokens.
        options: what nodes may set, by name.
    """

    model_id: str
    name: str
    type: str
    memory_gb: float
    gpus_required: int
    time: Law | TokenTime
    base_model: str | None = None
    load_time_seconds: float | None = None
    options: Mapping[str, Option] = field(default_factory=dict)

    @property
    def counted_as(self) -> str:
        """Under which name its use is counted: its base model, or itself."""
        return self.base_model or self.model_id
