"""Who takes part in a round: the cohort that is chosen, and who drops out of it.

All draws are derived from (seed, purpose, round, client): nothing here remembers anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import floor

import numpy as np
from numpy.typing import NDArray

from fedloom.errors import InputError
from fedloom.randomness import derive_generator, derive_seed

__all__ = ["choose_cohort", "draw_dropouts", "draw_uniforms", "resolve_cohort"]


def resolve_cohort(cohort: int | float | None, clients: int) -> int:
    """Return how many clients a round is to have.

    Args:
        cohort: None for all; a whole number of clients; or a fraction of them, above 0 and at
            most 1, rounded to the nearest number but at least one. ``1`` is one client, ``1.0``
            all of them.
        clients: how many there are, at least 1.

    Raises:
        InputError: the number is out of its range.

    Example:
        >>> resolve_cohort(None, 20), resolve_cohort(5, 20), resolve_cohort(0.1, 20)
        (20, 5, 2)
    """
    if clients < 1:
        raise InputError(f"clients={clients}: at least 1 would be right")
    if cohort is None:
        return clients
    if isinstance(cohort, float) and 0.0 < cohort <= 1.0:
        return max(1, floor(cohort * clients + 0.5))
    if isinstance(cohort, int) and not isinstance(cohort, bool) and 1 <= cohort <= clients:
        return cohort
    raise InputError(
        f"cohort={cohort}: a whole number from 1 to {clients} (the clients), or a fraction "
        "above 0 and at most 1.0, would be right"
    )


def choose_cohort(
    seed: int,
    round: int,  # noqa: A002 - the noun
    clients: int,
    cohort: int,
    *,
    poisson: bool = False,
) -> list[int]:
    """Return the clients of a round, ascending.

    The work is proportional to the cohort, not to the number of clients, where the cohort is much
    smaller.

    Args:
        seed: the run's seed.
        round: counted from 1.
        clients: how many there are; a client is its index.
        cohort: how many are chosen, uniformly and without repetition.
        poisson: let each client join on its own with probability ``cohort / clients`` instead, as
            the accountant of differential privacy assumes; the size then varies and may be 0.
    """
    if cohort == clients:
        return list(range(clients))
    generator = derive_generator(seed, "cohort", round)
    # Independent joining is the same as a binomial size and a uniform choice of that size.
    size = int(generator.binomial(clients, cohort / clients)) if poisson else cohort
    chosen = generator.choice(clients, size=size, replace=False, shuffle=False)
    return sorted(chosen.tolist())


def draw_dropouts(
    seed: int,
    round: int,  # noqa: A002 - the noun
    cohort: Iterable[int],
    rate: float,
) -> set[int]:
    """Return which clients of the cohort drop out, each on its own with probability `rate`.

    Raises:
        InputError: the rate is below 0 or above 1.
    """
    if not 0.0 <= rate <= 1.0:
        raise InputError(f"dropout={rate}: a probability from 0 to 1 would be right")
    members = list(cohort)
    if rate == 0.0:
        return set()
    lots = draw_uniforms(seed, "dropout", members, round)
    return {client for client, lot in zip(members, lots.tolist(), strict=True) if lot < rate}


def draw_uniforms(
    seed: int, purpose: str, clients: Iterable[int], *parts: int | str
) -> NDArray[np.float64]:
    """Return one number in (0, 1) per client, which depends on (seed, purpose, parts, client).

    A hash is a uniform number already; a generator per client would cost ten times as much.
    """
    seeds = [derive_seed(seed, purpose, *parts, client) for client in clients]
    # 52 bits and a half step: exact in a float64, and never 0 or 1.
    steps = (np.array(seeds, np.uint64) >> np.uint64(12)).astype(np.float64)
    result: NDArray[np.float64] = steps * 2.0**-52 + 2.0**-53
    return result
