"""The parameters of the algorithms: what each means, and which numbers are possible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import TypeAlias

from fedloom.errors import InputError, UnknownNameError

__all__ = ["PARAMETERS", "Parameter", "Params", "resolve_params"]

Params: TypeAlias = Mapping[str, float | int]
"""Numbers by the names of `PARAMETERS`."""


@dataclass(frozen=True)
class Parameter:
    """A number that an algorithm takes; a flag, a plan key and a keyword carry its name.

    Attributes:
        meaning: one line of help.
        low: the smallest possible number.
        high: what bounds it above; infinity itself is never possible.
        open_low: whether `low` itself is impossible.
        open_high: whether `high` itself is impossible.
        whole: whether only whole numbers are possible.
    """

    meaning: str
    low: float = 0.0
    high: float = inf
    open_low: bool = False
    open_high: bool = True
    whole: bool = False

    def check(self, name: str, value: float | int) -> float | int:
        """Return the value as int or float, or raise an `InputError` that gives the range."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not self._has(value):
            raise InputError(f"{name}={value!r}: {self.describe_range()} would be right")
        return int(value) if self.whole else float(value)

    def describe_range(self) -> str:
        """Return which numbers are possible, in words."""
        kind = "a whole number" if self.whole else "a number"
        low = f"above {self.low:g}" if self.open_low else f"at least {self.low:g}"
        if self.high == inf:
            return f"{kind} {low}"
        return f"{kind} {low} and {'below' if self.open_high else 'at most'} {self.high:g}"

    def _has(self, value: float | int) -> bool:
        above = self.low < value if self.open_low else self.low <= value
        below = value < self.high if self.open_high else value <= self.high
        return above and below and isfinite(value) and (not self.whole or value == int(value))


PARAMETERS: Mapping[str, Parameter] = {
    "proximal_mu": Parameter("FedProx: pull of a client's weights towards the global ones"),
    "server_learning_rate": Parameter(
        "step of the server along the aggregated difference", open_low=True
    ),
    "server_momentum": Parameter("share of its last step that the server keeps", high=1.0),
    "beta_1": Parameter("decay of the server's first moment", high=1.0),
    "beta_2": Parameter("decay of the server's second moment", high=1.0),
    "tau": Parameter("adaptivity of the server: differences below it barely move", open_low=True),
    "trim_fraction": Parameter("share of values cut at either end", high=0.5),
    "num_byzantine": Parameter("clients of a round that may lie", whole=True),
    "num_selected": Parameter(
        "updates that MultiKrum averages; 0: as many as are safe", whole=True
    ),
    "clip_norm": Parameter("bound on the L2 norm of one client's difference", open_low=True),
    "noise_multiplier": Parameter("standard deviation of the noise over clip_norm"),
    "privacy_delta": Parameter(
        "probability with which the privacy promise may fail", high=1.0, open_low=True
    ),
}


def resolve_params(algorithm: str, defaults: Params, given: Params) -> dict[str, float | int]:
    """Return the defaults with the given numbers in their place, each checked.

    Raises:
        UnknownNameError: a name is no parameter of any algorithm.
        InputError: the algorithm does not take it, or the number is out of its range.
    """
    for name in given:
        if name not in PARAMETERS:
            raise UnknownNameError("parameter", name, defaults)
        if name not in defaults:
            raise InputError(f"{name}: {algorithm} takes {', '.join(defaults)}")
    chosen = {**defaults, **given}
    return {name: PARAMETERS[name].check(name, value) for name, value in chosen.items()}
