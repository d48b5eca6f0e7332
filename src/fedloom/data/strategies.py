"""The strategies that draw who holds which row.

Each takes the rows' label codes and returns an `Assignment`: the owner of every row. All chance
comes from the generator it is given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedloom.errors import PartitionError

__all__ = [
    "Assignment",
    "assign_dirichlet",
    "assign_iid",
    "assign_label_per_client",
    "assign_quantity_skew",
    "assign_shard",
]

_EVEN = 1e12
"""A concentration above which a Dirichlet draw is even to the last digit of a float."""


@dataclass(frozen=True, eq=False)
class Assignment:
    """Who holds which row, before anyone's minimum is seen to.

    Attributes:
        owner: client of each row, or -1 where nobody holds it; shape (rows,).
        wanted: how much each client wants of each label, shape (clients, labels), or None where
            any label will do.
    """

    owner: NDArray[np.int64]
    wanted: NDArray[np.float64] | None = None


def assign_iid(rows: int, clients: int, rng: np.random.Generator) -> Assignment:
    """Deal shuffled rows one by one, so that sizes differ by one row at most."""
    owner = np.empty(rows, np.int64)
    owner[rng.permutation(rows)] = np.arange(rows) % clients
    return Assignment(owner)


def assign_quantity_skew(
    rows: int, clients: int, alpha: float, rng: np.random.Generator
) -> Assignment:
    """Cut shuffled rows into pieces whose sizes are drawn from a Dirichlet distribution."""
    owner = np.empty(rows, np.int64)
    sizes = _apportion(_draw_shares(clients, alpha, rng), rows)
    owner[rng.permutation(rows)] = np.repeat(np.arange(clients), sizes)
    return Assignment(owner)


def assign_dirichlet(
    codes: NDArray[np.int64], clients: int, alpha: float, rng: np.random.Generator
) -> Assignment:
    """Cut each class into pieces whose sizes are drawn from a Dirichlet distribution of its own.

    From Hsu, Qi and Brown, "Measuring the effects of non-identical data distribution" (2019), in
    the form that draws for each class over clients, so that every row is used.
    """
    owner = np.empty(len(codes), np.int64)
    members = _members(codes, rng)
    wanted = np.empty((clients, len(members)))
    for label, rows in enumerate(members):
        shares = _draw_shares(clients, alpha, rng)
        wanted[:, label] = shares * len(rows)
        owner[rows] = np.repeat(np.arange(clients), _apportion(shares, len(rows)))
    return Assignment(owner, wanted)


def assign_shard(
    codes: NDArray[np.int64], clients: int, per_client: int, rng: np.random.Generator
) -> Assignment:
    """Cut the rows, sorted by label, into equal shards and deal `per_client` to each client.

    From McMahan et al., "Communication-efficient learning of deep networks from decentralized
    data" (2017), section 3. Sizes of shards differ by one row at most.

    Raises:
        PartitionError: there are more shards than rows.
    """
    shards = clients * per_client
    if shards > len(codes):
        raise PartitionError(
            f"shard: {clients} clients with {per_client} shards each need {shards} rows, but "
            f"there are {len(codes)}: ask for fewer clients or shards"
        )
    by_label = np.concatenate(_members(codes, rng))
    dealt = np.repeat(np.arange(clients), per_client)[rng.permutation(shards)]
    edges = np.arange(shards + 1) * len(codes) // shards
    owner = np.empty(len(codes), np.int64)
    owner[by_label] = np.repeat(dealt, np.diff(edges))
    return Assignment(owner, _count(owner, codes, clients).astype(np.float64))


def assign_label_per_client(
    codes: NDArray[np.int64], clients: int, per_client: int, rng: np.random.Generator
) -> Assignment:
    """Draw `per_client` classes for each client, and split each class evenly among its holders.

    Classes are dealt like cards from shuffled decks, so none is left out while others are held
    twice; with fewer cards than classes, the rows of the rest are held by nobody.
    """
    members = _members(codes, rng)
    holds = _deal_classes(clients, per_client, len(members), rng)
    owner = np.full(len(codes), -1, np.int64)
    for label, rows in enumerate(members):
        holders = np.flatnonzero(holds[:, label])
        if len(holders):
            rng.shuffle(holders)  # or the first ones would get every odd row
            owner[rows] = holders[np.arange(len(rows)) % len(holders)]
    return Assignment(owner, holds.astype(np.float64))


def _deal_classes(
    clients: int, per_client: int, classes: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return who holds which class, shape (clients, classes), `per_client` in each row."""
    holds = np.zeros((clients, classes), bool)
    deck: list[int] = []
    for client in range(clients):
        hand, deck = deck[:per_client], deck[per_client:]
        if missing := per_client - len(hand):
            fresh = rng.permutation(classes).tolist()
            hand += [card for card in fresh if card not in hand][:missing]
            taken = set(hand[-missing:])
            deck = [card for card in fresh if card not in taken]
        holds[client, hand] = True
    return holds


def _members(codes: NDArray[np.int64], rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Return the rows of each class, shuffled."""
    shuffled = rng.permutation(len(codes))
    by_label = shuffled[np.argsort(codes[shuffled], kind="stable")]
    return np.split(by_label, np.cumsum(np.bincount(codes))[:-1])


def _draw_shares(clients: int, alpha: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw from a symmetric Dirichlet distribution; any positive `alpha` gives finite shares."""
    alpha = min(alpha, _EVEN)
    if alpha >= 1:
        gammas = rng.standard_gamma(alpha, clients)
    else:
        # Gamma(a) is Gamma(a + 1) · U^(1/a); in logarithms, or small alphas would all give zero.
        logs = alpha * np.log(rng.standard_gamma(alpha + 1, clients))
        logs += np.log1p(-rng.random(clients))
        with np.errstate(over="ignore", under="ignore"):
            gammas = np.exp((logs - logs.max()) / alpha)
    return np.asarray(gammas / gammas.sum())


def _apportion(shares: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    """Turn shares into whole numbers that add up to `total`.

    Rounding the running sum keeps each number within one of its exact value and favours nobody,
    while rounding down and giving away the rest would starve those with small shares.
    """
    edges = np.rint(np.cumsum(shares) * total).astype(np.int64)
    edges[-1] = total
    return np.diff(np.minimum(edges, total), prepend=0)


def _count(owner: NDArray[np.int64], codes: NDArray[np.int64], clients: int) -> NDArray[np.int64]:
    labels = int(codes.max()) + 1
    flat = np.bincount(owner * labels + codes, minlength=clients * labels)
    return flat.reshape(clients, labels)
