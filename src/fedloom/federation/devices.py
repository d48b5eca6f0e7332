"""The device model: how long modelled devices would take, and when they are not there.

It says nothing about the host. A client's device is drawn once per run, from (seed, client); what
changes from round to round is drawn from (seed, round, client). So a client keeps its device
whoever else takes part, and the same plan gives the same simulated seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fedloom.errors import InputError, UnknownNameError
from fedloom.federation.select import draw_uniforms

__all__ = ["DeviceModel", "DeviceRound", "device_presets"]

_MEGABIT = 125_000.0


@dataclass(frozen=True)
class DeviceRound:
    """One round of a cohort on modelled devices; all arrays have shape (cohort,).

    Attributes:
        available: whether the device was there when the round began.
        train_seconds: for the rows it trains on; as if it were there where it is not.
        transfer_seconds: for download and upload together.
        straggler: whether it was there but ended after the deadline.
        deadline_s: the deadline, infinite where there is none.
    """

    available: NDArray[np.bool_]
    train_seconds: NDArray[np.float64]
    transfer_seconds: NDArray[np.float64]
    straggler: NDArray[np.bool_]
    deadline_s: float

    @property
    def seconds(self) -> NDArray[np.float64]:
        """Training and transfer together."""
        return self.train_seconds + self.transfer_seconds

    @property
    def round_seconds(self) -> float:
        """How long the server waits: for the last device there, but not beyond the deadline."""
        if not self.available.any():
            return 0.0
        return min(float(self.seconds[self.available].max()), self.deadline_s)


class DeviceModel(BaseModel):
    """From which distributions devices are drawn.

    Speeds are log-normal: half of the devices are slower than the median, and a spread of s puts
    two thirds of them between ``median / eˢ`` and ``median × eˢ``. A device with a good link has
    one in both directions.

    Attributes:
        examples_per_second: median training speed, rows per second.
        speed_spread: spread of the training speed over devices; 0 makes them alike.
        upload_bytes_per_second: median upload bandwidth.
        download_bytes_per_second: median download bandwidth.
        bandwidth_spread: spread of the bandwidth over devices.
        round_spread: spread of one device's training speed over rounds.
        availability: probability with which a device is there when a round begins.
        deadline_s: simulated seconds after which a device counts as a straggler; none by default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    examples_per_second: float = Field(default=1000.0, gt=0)
    speed_spread: float = Field(default=0.0, ge=0, le=10)
    upload_bytes_per_second: float = Field(default=10 * _MEGABIT, gt=0)
    download_bytes_per_second: float = Field(default=50 * _MEGABIT, gt=0)
    bandwidth_spread: float = Field(default=0.0, ge=0, le=10)
    round_spread: float = Field(default=0.0, ge=0, le=10)
    availability: float = Field(default=1.0, gt=0, le=1)
    deadline_s: float | None = Field(default=None, gt=0)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> DeviceModel:
        """Return the model that settings describe; those not named keep their defaults.

        Raises:
            UnknownNameError: a key is not a setting.
            InputError: a value is not a number or out of its range.

        Example:
            >>> DeviceModel.from_mapping({"availability": 0.9}).availability
            0.9
        """
        for key in mapping:
            if key not in cls.model_fields:
                raise UnknownNameError("device setting", str(key), cls.model_fields)
        try:
            return cls.model_validate(dict(mapping))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise InputError(
                f"devices: {first['loc'][0]}={first['input']!r}: {first['msg'].lower()}"
            ) from error

    def available(
        self,
        seed: int,
        round: int,  # noqa: A002 - the noun
        clients: Sequence[int],
    ) -> NDArray[np.bool_]:
        """Return which clients' devices are there when the round begins, shape (clients,)."""
        return draw_uniforms(seed, "availability", clients, round) < self.availability

    def simulate(
        self,
        seed: int,
        round: int,  # noqa: A002 - the noun
        clients: Sequence[int],
        examples: Sequence[int],
        *,
        download_bytes: float,
        upload_bytes: float,
    ) -> DeviceRound:
        """Return what a round takes on the devices of a cohort.

        Args:
            seed: the run's seed.
            round: counted from 1.
            clients: the cohort's indices.
            examples: rows that each of them trains on, counting every epoch; shape (cohort,).
            download_bytes: what each device receives.
            upload_bytes: what each device returns.
        """
        speed = self.examples_per_second * (
            _draw_factors(self.speed_spread, seed, "device_speed", clients)
            * _draw_factors(self.round_spread, seed, "device_round", clients, round)
        )
        link = _draw_factors(self.bandwidth_spread, seed, "device_link", clients)
        nominal = (
            download_bytes / self.download_bytes_per_second
            + upload_bytes / self.upload_bytes_per_second
        )
        train, transfer = np.asarray(examples, np.float64) / speed, nominal / link
        deadline = inf if self.deadline_s is None else self.deadline_s
        available = self.available(seed, round, clients)
        late = available & (train + transfer > deadline)
        return DeviceRound(available, train, transfer, late, deadline)


def device_presets() -> dict[str, DeviceModel]:
    """Return the models that come with names.

    ``uniform``: equal devices, always there. ``mixed``: a fleet of computers and boards that
    differ by a factor of about four. ``mobile``: phones with slow uplinks, often away, and a
    deadline of one minute.
    """
    return {
        "uniform": DeviceModel(),
        "mixed": DeviceModel(
            speed_spread=0.7, bandwidth_spread=0.5, round_spread=0.1, availability=0.95
        ),
        "mobile": DeviceModel(
            examples_per_second=200.0,
            speed_spread=0.6,
            upload_bytes_per_second=2 * _MEGABIT,
            download_bytes_per_second=10 * _MEGABIT,
            bandwidth_spread=0.8,
            round_spread=0.2,
            availability=0.8,
            deadline_s=60.0,
        ),
    }


def _draw_factors(
    spread: float, seed: int, purpose: str, clients: Sequence[int], *parts: int
) -> NDArray[np.float64]:
    """Return one log-normal factor with median 1 per client."""
    if spread == 0:
        return np.ones(len(clients))
    # Box and Muller: two uniform numbers give one normal number.
    radius = np.sqrt(-2 * np.log(draw_uniforms(seed, purpose, clients, "radius", *parts)))
    angle = 2 * np.pi * draw_uniforms(seed, purpose, clients, "angle", *parts)
    factors: NDArray[np.float64] = np.exp(spread * radius * np.cos(angle))
    return factors
