"""What a configuration file says about a service model."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from fedloom.workload.config.section import (
    Amount,
    Factor,
    Identifier,
    Rate,
    Seconds,
    Section,
    Tokens,
    WholeNumber,
)
from fedloom.workload.config.service_model import Choice, LawName
from fedloom.workload.config.wording import show

__all__ = ["ModelSection", "TokenSection"]


class TokenSection(Section):
    """How many tokens a call reads or generates."""

    mean: Amount | None = None
    """Tokens of an average call."""
    std: Amount | None = None
    """Standard deviation; 0 where absent."""
    law: LawName | None = None
    """Distribution; normal where absent."""
    min: Tokens | None = None
    """Fewer count as this; 1 where absent."""
    max: Tokens | None = None
    """More count as this."""


def _check_choices(value: Any) -> Any:
    """Take one value for a list of one, and nothing for an empty list."""
    choices = [] if value is None else value if isinstance(value, list | tuple) else [value]
    for choice in choices:
        finite = not isinstance(choice, float) or abs(choice) < float("inf")
        if not finite or not isinstance(choice, str | int | float | bool | None):
            raise PydanticCustomError(
                "choice",
                "choices must be texts, finite numbers, true, false or null",
                {"found": show(choice)},
            )
    return choices


Choices = Annotated[
    tuple[Choice, ...],
    BeforeValidator(_check_choices, json_schema_input_type=list[Choice] | Choice),
]


class ModelSection(Section):
    """A service model. What it does not say, it inherits from its `base_model`.

    A model that a workflow uses must have `memory_gb` and `gpus_required`, its own or inherited.
    """

    name: str | None = None
    """For people; the key where absent."""
    description: Any = None
    """For people."""
    type: Identifier = "llm"
    """`llm`, `image_generation`, `embedding` or any other word."""
    base_model: Identifier | None = None
    """The model it inherits from: a key of `models`. Options merge, one by one."""
    memory_gb: Amount | None = None
    """Memory of the whole model; a gang of GPUs holds equal shares of it."""
    gpus_required: Annotated[WholeNumber, Field(ge=0, le=100_000)] | None = None
    """GPUs that a call needs at the same time; 0 runs beside them."""
    load_time_seconds: Seconds | None = None
    """To load it; from its memory where absent."""

    tokens_per_second: Rate | None = None
    """Speed of generating tokens; calls then take time by their tokens."""
    token_mean: Amount | None = None
    """Tokens that an average call generates."""
    token_std: Amount | None = None
    """Standard deviation of the tokens that are generated; 0 where absent."""
    token_law: LawName | None = None
    """Distribution of the tokens that are generated; normal where absent."""
    token_min: Tokens | None = None
    """Fewer tokens count as this; 1 where absent."""
    token_max: Tokens | None = None
    """More tokens count as this."""
    output_tokens: TokenSection | None = None
    """The tokens that are generated, as one map instead of `token_mean` and its like."""
    input_tokens: TokenSection | None = None
    """The tokens of the prompt."""
    prefill_tokens_per_second: Rate | None = None
    """Speed of reading the prompt; it takes no time where absent."""
    token_correlation: Annotated[float, Field(strict=True, ge=-1, le=1)] | None = None
    """Correlation of the normal scores of input and output tokens; 0 where absent."""

    inference_time_mean: Seconds | None = None
    """Seconds of an average call."""
    inference_time_std: Seconds | None = None
    """Standard deviation of the seconds of a call."""
    inference_time_min: Seconds | None = None
    """Shorter calls count as this."""
    inference_time_max: Annotated[Seconds, Field(gt=0)] | None = None
    """Longer calls count as this."""
    time_law: LawName | None = None
    """Distribution of the seconds of a call; normal where absent."""

    config: dict[str, Choices] = Field(default_factory=dict)
    """Option → list of its choices, drawn with equal weight."""
    option_time_factors: dict[str, dict[str, Factor]] = Field(default_factory=dict)
    """Option → choice as text → what the call's time is multiplied by (1 where a choice is not
    named). `{"per": 20}` stands for choice ÷ 20, `{"per": 512, "power": 2}` for its square."""
