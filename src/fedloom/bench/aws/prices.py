"""What a run costs at most, by a table of prices that is our own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from fedloom.bench.aws.machine_config import Ec2Config, MachineConfig
from fedloom.bench.aws.options import AwsOptions
from fedloom.bench.cell_id import Cell
from fedloom.errors import InputError

__all__ = ["CostBound", "bound_cost", "find_price", "refuse_dear", "table_date"]

_HOURS_OF_MONTH = 730.0


@dataclass(frozen=True)
class CostBound:
    """The most that a run can cost.

    Attributes:
        hours: after which every machine has ended.
        machines: the most that run at one time.
        usd_per_hour: of those; None where a price is not known.
        usd: of the whole run, without transfer and storage in the bucket; None likewise.
        unknown: types without a price.
    """

    hours: float
    machines: int
    usd_per_hour: float | None
    usd: float | None
    unknown: tuple[str, ...] = ()


def bound_cost(
    cells: Iterable[Cell], config: Ec2Config, options: AwsOptions, region: str | None
) -> CostBound:
    """Return the most that cells can cost: their groups run one after another within the limit.

    Args:
        cells: to be carried out.
        config: of the machines.
        options: of the run.
        region: where; None counts as the dearest.
    """
    clients = max((cell.clients for cell in cells), default=0)
    counts = ((config.server, 1), (config.clients, clients))
    prices = {
        c.instance_type: find_price(c.instance_type, options.prices, region) for c, _ in counts
    }
    unknown = tuple(name for name, price in prices.items() if price is None)
    if unknown:
        return CostBound(options.max_hours, 1 + clients, None, None, unknown)
    hourly = sum(n * ((prices[c.instance_type] or 0.0) + _beside(c)) for c, n in counts)
    return CostBound(options.max_hours, 1 + clients, hourly, hourly * options.max_hours)


def refuse_dear(bound: CostBound, options: AwsOptions) -> None:
    """Refuse a run that may cost more than its user wants to pay.

    Raises:
        InputError: it may, or a price is not known.
    """
    if options.max_cost_usd is None:
        return
    if bound.usd is None:
        raise InputError(
            f"max_cost={options.max_cost_usd:g}: the price of {', '.join(bound.unknown)} is not "
            f"known here; say it with --price {bound.unknown[0]}=USD_PER_HOUR"
        )
    if bound.usd > options.max_cost_usd:
        raise InputError(
            f"max_cost={options.max_cost_usd:g}: {bound.machines} machines for {bound.hours:g} h "
            f"cost up to {bound.usd:.2f} USD; lower --max-hours, or take fewer or smaller machines"
        )


def find_price(name: str, own: Mapping[str, float], region: str | None) -> float | None:
    """Return USD per hour of a type, None where it is not known.

    Example:
        >>> find_price("r5.large", {}, "us-east-1"), find_price("x9.huge", {"x9.huge": 2.0}, None)
        (0.126, 2.0)
    """
    if name in own:
        return own[name]
    price: float | None = _table()["machines"].get(name)
    if price is None or region in _table()["same_price_regions"]:
        return price
    return price * float(_table()["elsewhere_factor"])


def table_date() -> str:
    """Return of when the prices are."""
    return str(_table()["as_of"])


def _beside(machine: MachineConfig) -> float:
    """Return USD per hour of a machine's disk and of the address that default networks give it."""
    disk = machine.disk_gb * float(_table()["disk_gb_month"]) / _HOURS_OF_MONTH
    return disk + float(_table()["public_address_hour"])


@cache
def _table() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        files("fedloom.bench.aws").joinpath("prices.json").read_text("utf-8")
    )
    return found
