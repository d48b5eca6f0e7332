"""Where the time of a cell's rounds goes, and so what limits it.

Each round of T seconds is taken apart as its mean client sees it. A phase (training, or the
clients' evaluation) of P seconds has a client that needed m seconds for it, the slowest s seconds:

- **compute**: m, both phases together. The client was working.
- **wait for clients**: s − m. It was done, and another was not.
- **wait for the server**: T less both phases: central evaluation, the server's step, its files.
- **network**: P − s. Nobody was working: weights and orders were on their way, or in a queue.

The first round is left out where there are others: loading and compiling stretch it. The shares of
T add up to 1, and the largest names the limit. In a phase in which a client failed
P − s is counted as waiting for it. Where the clients' own seconds were not measured, as in imported
logs, both phases together are one share that is not taken apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from fedloom.bench.report.whole import NAMES

__all__ = ["Limit", "Limitation", "find_limit", "share_columns"]


class Limit(StrEnum):
    """What a cell would be faster with less of."""

    COMPUTE = "compute"
    CLIENTS = "wait for clients"
    SERVER = "wait for the server"
    NETWORK = "network"
    PHASES = "clients, not taken apart"


@dataclass(frozen=True)
class Limitation:
    """What limits a cell.

    Attributes:
        limit: the largest share.
        shares: of the rounds' time, by name; they add up to 1.
    """

    limit: Limit
    shares: dict[Limit, float]

    @property
    def share(self) -> float:
        """The largest share."""
        return self.shares[self.limit]


def find_limit(shares: Iterable[tuple[Limit, float | None]]) -> Limitation | None:
    """Return the largest share with all of them; None where there is none.

    Of equal shares the first counts.

    Example:
        >>> found = find_limit([(Limit.COMPUTE, 0.25), (Limit.NETWORK, 0.75)])
        >>> str(found.limit), found.share
        ('network', 0.75)
    """
    known = {limit: share for limit, share in shares if share is not None}
    if not known:
        return None
    return Limitation(max(known, key=lambda limit: known[limit]), known)


def share_columns(rounds: pl.DataFrame, clients: pl.DataFrame) -> pl.DataFrame:
    """Return the shares of each repeat of each cell: a column per `Limit`, named by it.

    Rounds without `round_seconds` are left out. A phase whose seconds were not measured counts as
    none, and its time as waiting for the server.

    Args:
        rounds: whole, as of `complete_results`.
        clients: likewise.
    """
    timed = _settled(rounds.filter((pl.col("round") > 0) & (pl.col("round_seconds") > 0)))
    joined = timed.join(_client_seconds(clients), on=[*NAMES, "round"], how="left")
    fit, validate = pl.col("fit_seconds").fill_null(0.0), pl.col("validate_seconds").fill_null(0.0)
    split = joined.with_columns(
        whole=pl.max_horizontal("round_seconds", fit + validate),
        phases=fit + validate,
        **_parts("fit", fit, "failed"),
        **_parts("validate", validate, "unscored"),
    )
    return split.group_by(NAMES).agg(**_shares())


def _settled(timed: pl.DataFrame) -> pl.DataFrame:
    """Leave out each repeat's first round, unless it is the only one."""
    later = (pl.col("round") > 1) | (pl.max("round").over(NAMES) == 1)
    return timed.filter(later)


def _client_seconds(clients: pl.DataFrame) -> pl.DataFrame:
    """Mean and longest seconds of the clients in each phase of a round, and failures there."""
    failed = pl.col("failure").fill_null("") != ""
    return clients.group_by([*NAMES, "round"]).agg(
        fit_mean=pl.mean("fit_seconds"),
        fit_most=pl.max("fit_seconds"),
        failed=failed.any(),
        validate_mean=pl.mean("evaluate_seconds"),
        validate_most=pl.max("evaluate_seconds"),
        unscored=(failed & pl.col("evaluate_seconds").is_null()).any(),
    )


def _parts(name: str, phase: pl.Expr, failed: str) -> dict[str, pl.Expr]:
    """Take a phase apart; clocks of several machines may make a client's time a little longer."""
    most = pl.min_horizontal(f"{name}_most", phase)
    mean = pl.min_horizontal(f"{name}_mean", phase)
    nobody = phase - most
    blamed = pl.when(pl.col(failed)).then(nobody).otherwise(0.0)
    known = pl.col(f"{name}_mean").is_not_null() | (phase == 0.0)
    return {
        f"{name}_known": known,
        f"{name}_compute": pl.when(phase > 0.0).then(mean).otherwise(0.0),
        f"{name}_wait": pl.when(phase > 0.0).then(most - mean + blamed).otherwise(0.0),
        f"{name}_network": pl.when(phase > 0.0).then(nobody - blamed).otherwise(0.0),
    }


def _shares() -> dict[str, pl.Expr]:
    total = pl.sum("whole")
    apart = pl.col("fit_known").all() & pl.col("validate_known").all()
    shares = {
        Limit.COMPUTE: pl.sum("fit_compute") + pl.sum("validate_compute"),
        Limit.CLIENTS: pl.sum("fit_wait") + pl.sum("validate_wait"),
        Limit.NETWORK: pl.sum("fit_network") + pl.sum("validate_network"),
    }
    split = {str(limit): pl.when(apart).then(time / total) for limit, time in shares.items()}
    return split | {
        str(Limit.PHASES): pl.when(~apart).then(pl.sum("phases") / total),
        str(Limit.SERVER): 1.0 - pl.sum("phases") / total,
    }
