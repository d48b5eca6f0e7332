"""Splitting the training rows over the clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedloom.data.custom import assign_custom, resize_distribution
from fedloom.data.minimum import fill_minimum
from fedloom.data.partition_checks import (
    check_clients,
    check_labels,
    check_param,
    match_distribution,
    refuse_small,
    shorten,
)
from fedloom.data.strategies import (
    Assignment,
    assign_dirichlet,
    assign_iid,
    assign_label_per_client,
    assign_quantity_skew,
    assign_shard,
)
from fedloom.errors import PartitionError
from fedloom.naming import match_name
from fedloom.randomness import derive_generator

__all__ = ["STRATEGY_DEFAULTS", "Partition", "partition_rows", "strategy_names"]

STRATEGY_DEFAULTS: Mapping[str, float | None] = MappingProxyType(
    {
        "iid": None,
        "quantity_skew": 1.0,
        "dirichlet": 0.5,
        "shard": 2.0,
        "label_per_client": 1.0,
        "custom": None,
    }
)
"""Each strategy with its parameter's default, or None if it has no parameter."""


@dataclass(frozen=True, eq=False)
class Partition:
    """Who holds which training rows.

    Attributes:
        strategy: canonical name of the strategy.
        param: its parameter, after defaults; None if it has none.
        client_ids: name of each client.
        rows: training rows of each client, ascending int64; no row occurs twice.
        left_out: what was not done as asked, or not used, each in a sentence for people.
    """

    strategy: str
    param: float | None
    client_ids: tuple[str, ...]
    rows: tuple[NDArray[np.int64], ...]
    left_out: tuple[str, ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of rows of each client."""
        return tuple(len(rows) for rows in self.rows)

    def label_counts(self, labels: ArrayLike, class_names: Sequence[str]) -> list[dict[str, int]]:
        """Return each client's rows per class, zeros included, classes in the order of their names.

        Args:
            labels: index into `class_names` of every training row.
            class_names: the classes (`Dataset.classes`, or `bin_names` for regression).
        """
        width = len(class_names)
        owner = np.repeat(np.arange(len(self.rows)), self.sizes)
        held = np.asarray(labels, np.int64)[np.concatenate(self.rows)]
        table = np.bincount(owner * width + held, minlength=len(self.rows) * width)
        return [
            dict(zip(class_names, counts, strict=True))
            for counts in table.reshape(len(self.rows), width).tolist()
        ]


def strategy_names() -> tuple[str, ...]:
    """Return the names of the partition strategies."""
    return tuple(STRATEGY_DEFAULTS)


def partition_rows(
    labels: ArrayLike,
    strategy: str,
    clients: int | None,
    *,
    param: float | None = None,
    seed: int = 0,
    min_samples: int = 1,
    distribution: Mapping[str, Mapping[str, int]] | None = None,
    allow_shortfall: bool = False,
    class_names: Sequence[str] = (),
) -> Partition:
    """Split training rows over clients.

    Every row is held by exactly one client, except under `custom`, and under `label_per_client`
    where it leaves labels out: there by at most one. No client holds fewer than `min_samples`
    rows: where a strategy draws fewer, rows move from the richest clients (see `fill_minimum`),
    while `custom` refuses.

    Args:
        labels: whole numbers, shape (rows,); they need not be contiguous. Bin the labels of a
            regression first, with `bin_labels`.
        strategy: one of `strategy_names`, without regard to case.
        clients: how many; None takes as many as `distribution` names.
        param: the strategy's parameter; see `STRATEGY_DEFAULTS`. `custom` ignores it.
        seed: the seed of the run.
        min_samples: rows that each client must hold, at least 1.
        distribution: client → label → rows, for `custom` only (see `read_distribution`).
        allow_shortfall: under `custom`, give what is there instead of refusing.
        class_names: the labels' names, if `labels` are indices into them; else a label's name is
            its number.

    Raises:
        UnknownNameError: no strategy is called so.
        PartitionError: the rows cannot be split as asked.
        DataError: `distribution` is malformed.

    Example:
        >>> split = partition_rows([0, 0, 1, 1], "label_per_client", 2, seed=1)
        >>> split.client_ids, split.sizes
        (('client_1', 'client_2'), (2, 2))
    """
    strategy = match_name("partition strategy", strategy, STRATEGY_DEFAULTS)
    names, codes = check_labels(labels, class_names)
    asked = match_distribution(strategy, distribution)
    number = len(asked) if clients is None and asked else clients
    count = check_clients(len(codes), number, min_samples)
    rng = derive_generator(seed, "partition", strategy)
    if asked:
        # A label that is known, yet has no row, is a shortfall rather than an error of spelling.
        known = dict.fromkeys(class_names) | {name: code for code, name in enumerate(names)}
        asked = resize_distribution(asked, count)
        owner, notes = assign_custom(codes, asked, known, rng, allow_shortfall=allow_shortfall)
        ids, value = tuple(asked), None
        refuse_small(owner, ids, min_samples)
    else:
        ids = tuple(f"client_{number}" for number in range(1, count + 1))
        value = check_param(strategy, STRATEGY_DEFAULTS[strategy], param, len(names))
        assignment = _assign(strategy, codes, count, value or 0, rng)
        owner, notes = _raise_to_minimum(strategy, assignment, codes, ids, min_samples, rng)
    notes = [*notes, *_describe_unused(owner, codes, names)]
    return Partition(strategy, value, ids, _group(owner, count), tuple(notes))


def _assign(
    strategy: str, codes: NDArray[np.int64], clients: int, param: float, rng: np.random.Generator
) -> Assignment:
    match strategy:
        case "quantity_skew":
            return assign_quantity_skew(len(codes), clients, param, rng)
        case "dirichlet":
            return assign_dirichlet(codes, clients, param, rng)
        case "shard":
            return assign_shard(codes, clients, int(param), rng)
        case "label_per_client":
            return assign_label_per_client(codes, clients, int(param), rng)
        case _:
            return assign_iid(len(codes), clients, rng)


def _raise_to_minimum(
    strategy: str,
    assignment: Assignment,
    codes: NDArray[np.int64],
    ids: Sequence[str],
    minimum: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], list[str]]:
    owner, wanted = assignment.owner, assignment.wanted
    held = int((owner >= 0).sum())
    if held < len(ids) * minimum:
        raise PartitionError(
            f"{strategy}: the labels that were drawn have {held} rows, too few for {len(ids)} "
            f"clients with at least {minimum} each: ask for more labels per client"
        )
    if wanted is None:
        codes = np.zeros_like(codes)  # any row will do, so all labels are one
    order = rng.permutation(len(codes))
    mixed = fill_minimum(owner, codes, len(ids), minimum, order=order, wanted=wanted)
    if strategy != "label_per_client" or not mixed:
        return owner, []
    return owner, [
        f"{shorten([ids[client] for client in mixed])} also hold rows of other labels, because "
        f"those drawn for them have too few rows for min_samples {minimum}"
    ]


def _describe_unused(
    owner: NDArray[np.int64], codes: NDArray[np.int64], names: Sequence[str]
) -> list[str]:
    if not (unused := int((owner < 0).sum())):
        return []
    used = np.bincount(codes[owner >= 0], minlength=len(names))
    whole = [names[code] for code in np.flatnonzero(used == 0).tolist()]
    detail = f", among them all rows of the labels {shorten(whole)}" if whole else ""
    return [f"{unused} of {len(owner)} rows are held by no client{detail}"]


def _group(owner: NDArray[np.int64], clients: int) -> tuple[NDArray[np.int64], ...]:
    """Return the rows of each client, ascending."""
    order = np.argsort(owner, kind="stable")
    ends = np.searchsorted(owner[order], np.arange(clients), side="right").tolist()
    starts = [int((owner < 0).sum()), *ends[:-1]]
    return tuple(order[start:end] for start, end in zip(starts, ends, strict=True))
