"""What all maps of a configuration file have in common, and the kinds of their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

__all__ = [
    "LARGEST_FACTOR",
    "Amount",
    "Factor",
    "Identifier",
    "Rate",
    "Seconds",
    "Section",
    "Share",
    "Texts",
    "Tokens",
    "WholeNumber",
]

_LONGEST_S = 1e8
"""Three years; longer times are slips, and would not fit into microseconds with their factors."""

_MOST = 1e9

LARGEST_FACTOR = 1e4
"""Of a time."""


class Section(BaseModel):
    """A map of a configuration file; what is null counts as absent, and unknown keys are left."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, coerce_numbers_to_str=True, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {key: inner for key, inner in value.items() if inner is not None}


def _take_any(value: Any) -> Any:
    return value


def _take_whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _take_texts(value: Any) -> Any:
    """Take one text for a list of one, and the keys of a map."""
    if isinstance(value, str | int | float):
        return [value]
    return [str(key) for key in value] if isinstance(value, Mapping) else value


_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]

Amount = Annotated[_Number, Field(ge=0, le=_MOST)]
"""A finite number, not negative."""

Share = Annotated[_Number, Field(ge=0, le=_MOST)]
"""A weight against others."""

Rate = Annotated[_Number, Field(gt=0, le=_MOST)]
"""Of something, per second."""

Factor = Annotated[_Number, Field(gt=0, le=LARGEST_FACTOR)]
"""What a time is multiplied by."""

Seconds = Annotated[_Number, Field(ge=0, le=_LONGEST_S)]
"""A time."""

Tokens = Annotated[_Number, Field(ge=1, le=_MOST)]
"""A bound of a number of tokens; a call has at least one."""

WholeNumber = Annotated[
    int, BeforeValidator(_take_whole), Field(strict=True, ge=-(10**9), le=10**9)
]
"""A whole number; 2.0 counts as one."""

Identifier = Annotated[
    str, Field(min_length=1), BeforeValidator(_take_any, json_schema_input_type=str | int | float)
]
"""A key or the name of one; a number counts as its text."""

Texts = Annotated[
    tuple[str, ...],
    BeforeValidator(_take_texts, json_schema_input_type=list[str | int | float] | str),
]
"""A list of texts."""
