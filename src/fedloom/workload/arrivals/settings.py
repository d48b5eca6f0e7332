"""What a configuration says about arrivals: how regular the gaps are, and how the rate moves."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "ArrivalSettings",
    "Bursts",
    "ClosedLoop",
    "Diurnal",
    "Gaps",
    "Piecewise",
    "Profile",
    "RateStep",
    "Spike",
]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Gaps(StrEnum):
    """The law of the gaps between arrivals, at a constant rate."""

    POISSON = "poisson"
    GAMMA = "gamma"
    WEIBULL = "weibull"
    FIXED = "fixed"


class RateStep(_Settings):
    """One step of a rate that changes in steps."""

    at_minutes: NotNegative
    """When the rate changes, since the beginning."""
    factor: NotNegative
    """What the average rate is multiplied by from then on."""


class Piecewise(_Settings):
    """A rate that changes in steps and, with `every_minutes`, begins again.

    Before the first step, in each repetition too, the factor is 1.
    """

    kind: Literal["piecewise"]
    """Tells this profile from the others."""
    steps: Annotated[tuple[RateStep, ...], Field(min_length=1)]
    """The steps, in any order."""
    every_minutes: Positive | None = None
    """After how long the steps begin again; never where absent."""


class Diurnal(_Settings):
    """A rate that rises and falls like a day: 1 + amplitude · cos(2π (t − peak) / period)."""

    kind: Literal["diurnal"]
    """Tells this profile from the others."""
    amplitude: Annotated[float, Field(ge=0, le=1)] = 0.8
    """How far it rises above and falls below the average, as a share of it."""
    period_minutes: Positive = 24 * 60
    """From one peak to the next."""
    peak_minutes: NotNegative = 14 * 60
    """When the first peak is, since the beginning."""


class Bursts(_Settings):
    """A Markov-modulated rate: calm and bursty spells of exponential length take turns.

    The average over both is the stated rate. The first spell is drawn from the stationary
    distribution.
    """

    kind: Literal["bursts"]
    """Tells this profile from the others."""
    factor: Positive = 10.0
    """The rate in a burst, against that of a calm spell."""
    burst_minutes: Positive = 1.0
    """Mean length of a burst."""
    calm_minutes: Positive = 9.0
    """Mean length of a calm spell."""


class Spike(_Settings):
    """A while in which the rate is another, on top of the profile."""

    at_minutes: NotNegative
    """When it begins, since the beginning."""
    duration_minutes: Positive
    """How long it lasts."""
    factor: NotNegative
    """What the rate is multiplied by; 0: nothing arrives."""


class ClosedLoop(_Settings):
    """Users who wait for their answer, think, and ask again."""

    users: Annotated[int, Field(ge=1)]
    """How many; each begins after a first time of thinking."""
    think_seconds: NotNegative = 10.0
    """Mean time of thinking."""
    think_law: Literal["exponential", "fixed"] = "exponential"
    """Distribution of the time of thinking."""


Profile = Annotated[Piecewise | Diurnal | Bursts, Field(discriminator="kind")]


class ArrivalSettings(_Settings):
    """When requests arrive.

    One of three ways: gaps (with a law, a rate and its profile), a closed loop of users, or times
    replayed from a file.
    """

    gaps: Gaps = Gaps.POISSON
    """Law of the gaps between arrivals."""
    cv: Positive = 1.0
    """Coefficient of variation of gaps that are `gamma` or `weibull`, 0.001 to 1000."""
    rate_per_second: Positive | None = None
    """Average rate; the number of requests is then random. Where absent, their number is given,
    and the rate follows from it and the duration."""
    profile: Profile | None = None
    """How the rate moves; constant where absent."""
    spikes: tuple[Spike, ...] = ()
    """What is laid over the profile."""
    closed_loop: ClosedLoop | None = None
    """Users who wait for their answers, instead of a rate."""
    replay: Path | None = None
    """A file with one arrival per line, in seconds, or a file of requests whose times are taken;
    they count from the first of them."""

    @property
    def sets_number(self) -> bool:
        """Whether the number of requests follows from the arrivals, not the other way round."""
        ways = (self.rate_per_second, self.closed_loop, self.replay)
        return any(way is not None for way in ways)

    @model_validator(mode="after")
    def _check_one_way(self) -> Self:
        ways = [self.closed_loop is not None, self.replay is not None]
        shaped = self.rate_per_second is not None or self.profile is not None or bool(self.spikes)
        if sum(ways) > 1 or (any(ways) and shaped):
            raise ValueError(
                "a closed loop, a replay and a rate (with its profile and spikes) exclude one "
                "another; keep one of them"
            )
        if self.cv != 1.0 and self.gaps not in (Gaps.GAMMA, Gaps.WEIBULL):
            raise ValueError(f"cv is {self.cv:g}, but gaps are {self.gaps}; use gamma or weibull")
        return self
