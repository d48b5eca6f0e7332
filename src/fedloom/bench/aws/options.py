"""What a user decides about a run on AWS, beside the study and the machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fedloom.errors import InputError

__all__ = ["AwsOptions"]

_MOST_HOURS = 168.0


@dataclass(frozen=True)
class AwsOptions:
    """Choices for one run.

    Attributes:
        region: where; None leaves it to ``AWS_REGION`` or the profile.
        max_hours: after so long every machine ends by itself.
        max_cost_usd: refused before anything starts if it could cost more; None has no limit.
        spot: take spare machines, which are cheaper and may be taken away.
        instance_profile: of the account, where roles may not be created.
        subnet: id; None takes one of the default network.
        prices: USD per hour by instance type, before those of our own table.
        wheel: of Fedloom; None makes one of what is installed here.
        requirements: a file with hashes; None makes one of the versions installed here.
        wheels: a folder with the wheels of those requirements; None downloads them.
        port: of the gateway on the server's machine.
        boot_limit_s: how long a machine may take until it answers.
        farewell_s: how long clients may take to hand in their results once the server has.
        end_limit_s: how long machines may take to be gone.
        poll_s: between two looks.
    """

    region: str | None = None
    max_hours: float = 6.0
    max_cost_usd: float | None = None
    spot: bool = False
    instance_profile: str | None = None
    subnet: str | None = None
    prices: Mapping[str, float] = field(default_factory=dict)
    wheel: Path | None = None
    requirements: Path | None = None
    wheels: Path | None = None
    port: int = 9092
    boot_limit_s: float = 1200.0
    farewell_s: float = 120.0
    end_limit_s: float = 420.0
    poll_s: float = 5.0

    def __post_init__(self) -> None:
        if not 0 < self.max_hours <= _MOST_HOURS:
            raise InputError(f"max_hours={self.max_hours:g}: above 0, at most {_MOST_HOURS:g}")
        if self.max_cost_usd is not None and not self.max_cost_usd > 0:
            raise InputError(f"max_cost={self.max_cost_usd:g}: it must be above 0")
        if any(not price > 0 for price in self.prices.values()):
            raise InputError("a price must be above 0 USD per hour")
        if not 0 < self.port < 65536:
            raise InputError(f"port={self.port}: 1 to 65535")
