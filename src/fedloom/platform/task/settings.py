"""What a task may say beside the seven names that every task has."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)

from fedloom.errors import InputError
from fedloom.federation.algorithm import algorithm_names
from fedloom.naming import match_name

__all__ = ["AlgorithmName", "Cohort", "LocalSettings", "Name", "TaskSettings", "UtcTime"]


_UNSEEN = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
_NAME_PATTERN = rf"^[^\s{_UNSEEN}]([^{_UNSEEN}]*[^\s{_UNSEEN}])?$"


def _check_name(text: str) -> str:
    """Refuse what cannot be seen: blanks at the ends, control and direction characters."""
    if not re.fullmatch(_NAME_PATTERN, text):
        raise ValueError("must be visible characters on one line, without blanks at its ends")
    return text


def _match_algorithm(name: str) -> str:
    try:
        return match_name("algorithm", name, algorithm_names())
    except InputError as error:
        raise ValueError(str(error)) from error


def _to_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("must lie between the years 1 and 9999 in UTC") from error


Name = Annotated[
    str,
    Field(min_length=1, max_length=200, json_schema_extra={"pattern": _NAME_PATTERN}),
    AfterValidator(_check_name),
]
"""A name that people type: 1 to 200 visible characters on one line, no blanks at its ends."""

AlgorithmName = Annotated[
    str,
    AfterValidator(_match_algorithm),
    WithJsonSchema({"type": "string", "enum": algorithm_names()}),
]
"""A federated algorithm; case, hyphens and underscores do not matter."""


def _say_cohort(value: Any, check: ValidatorFunctionWrapHandler) -> int | float:
    """Say once what is wrong, and not once for each kind that it might have been."""
    try:
        found: int | float = check(value)
    except ValidationError as error:
        raise ValueError(
            "must be a number of clients, from 1 to 1,000,000, or a share of them, above 0 and"
            " below 1"
        ) from error
    return found


Cohort: TypeAlias = Annotated[
    Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
    | Annotated[float, Field(gt=0.0, lt=1.0, strict=True)],
    WrapValidator(_say_cohort),
]
"""A number of clients (a whole number), or a share of those there are (0 < share < 1)."""

UtcTime = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""A point in time; any time zone is taken and kept as UTC, none is refused."""

_STRICT = ConfigDict(
    frozen=True,
    extra="forbid",
    protected_namespaces=(),
    use_attribute_docstrings=True,
    allow_inf_nan=False,
    validate_by_name=True,
    validate_by_alias=True,
    serialize_by_alias=True,
)


class LocalSettings(BaseModel):
    """How each client trains, in a plan's words; what is not given is up to the package."""

    model_config = _STRICT

    epochs: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Passes over a client's rows in a round."""
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Rows in a step."""
    optimizer: Name | None = None
    """The clients' optimizer."""
    learning_rate: Annotated[float, Field(gt=0.0)] | None = None
    """Its step size."""


class TaskSettings(BaseModel):
    """What a task may say beside its seven names; each has a default that learns."""

    model_config = _STRICT

    algorithm: AlgorithmName | None = None
    """The federated algorithm, such as FedAvg, FedProx or FedAdam; FedAvg if not given."""
    algorithm_params: dict[str, float] | None = None
    """The algorithm's own numbers, by name, such as {"proximal_mu": 0.1}."""
    cohort: Cohort | None = None
    """Clients of a round: a number, or a share such as 0.5; all if not given."""
    local: LocalSettings | None = None
    """How each client trains."""
    validates: bool = Field(default=True, alias="validate")
    """Whether the clients score the new weights after each round."""
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 42
    """Determines every random choice."""
    deadline: UtcTime | None = None
    """When the task must have ended, in UTC; without one it may take its time."""
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    """Higher goes first, where the coordinator's policy looks at it."""
    min_clients: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """Clients with the use case that must be there before a round starts."""
    quorum: Cohort | None = None
    """Updates that make a round count: a number, or a share of the cohort; one if not given."""
    round_timeout_s: Annotated[float, Field(gt=0.0, le=604_800.0)] | None = None
    """Seconds after which a round goes on without the clients that have not answered."""
    plan: dict[str, JsonValue] | None = None
    """A whole plan, as `fedloom generate --plan` takes it, in place of the single settings."""

    def given(self) -> dict[str, Any]:
        """Return what was set, as plain JSON values under the names of the API."""
        return self.model_dump(mode="json", exclude_unset=True, by_alias=True)
