"""Differential privacy for clients: the noise on an aggregate, and the account of what it spent.

The guarantee is central and per client: who sees only the global weights cannot tell whether one
client, with all its rows, took part. It holds where each client joins each round on its own with
the same probability (Poisson sampling), updates are clipped, all weigh the same and the divisor is
fixed (`fedloom.federation.reduce.clipped_sum`). The server itself is trusted, and the noise is
drawn from a seeded generator in floating point: fit for experiments, repeatable by design; for a
release, the seed must stay secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import inf

import numpy as np

from fedloom.errors import InputError
from fedloom.federation.weights import Weights

__all__ = ["Privacy", "spent_epsilon"]


@dataclass(frozen=True)
class Privacy:
    """How much a round hides.

    Attributes:
        clip_norm: bound on the L2 norm of one client's difference.
        noise_multiplier: standard deviation of the noise over `clip_norm`; 0 adds none and
            promises nothing.
        delta: the probability with which the promise may fail.
    """

    clip_norm: float
    noise_multiplier: float
    delta: float

    def add_noise(
        self, aggregate: Weights, generator: np.random.Generator, expected_cohort: float
    ) -> Weights:
        """Return the aggregate with Gaussian noise on every value.

        Args:
            aggregate: sum of clipped differences over `expected_cohort`.
            generator: derived for this round, so that each round has noise of its own.
            expected_cohort: the divisor that the reducer used.
        """
        deviation = self.noise_multiplier * self.clip_norm / expected_cohort
        noisy = [np.asarray(a) for a in aggregate]
        return [(a + generator.normal(0.0, deviation, a.shape)).astype(a.dtype) for a in noisy]

    def epsilon(self, sampling_rate: float, rounds: int) -> float:
        """Return what so many rounds have spent (see `spent_epsilon`)."""
        return spent_epsilon(self.noise_multiplier, sampling_rate, rounds, self.delta)


def spent_epsilon(
    noise_multiplier: float, sampling_rate: float, rounds: int, delta: float
) -> float:
    """Return the ε of (ε, δ)-differential privacy after some rounds.

    By the Rényi divergence of the Poisson-subsampled Gaussian, for neighbours that differ by one
    client added or removed. The divergence of one round is kept, so asking again after each round
    costs microseconds.

    Args:
        noise_multiplier: standard deviation of the noise over the clipping norm, at least 0.
        sampling_rate: probability with which a client joins a round, above 0 and at most 1.
        rounds: rounds so far, at least 0.
        delta: above 0 and below 1; well below one over the number of clients.

    Raises:
        InputError: an argument is out of its range.

    Reference: Mironov, Talwar and Zhang, Rényi Differential Privacy of the Sampled Gaussian
    Mechanism, 2019; as computed by `dp_accounting`.
    """
    _check_account(noise_multiplier, sampling_rate, rounds, delta)
    if rounds == 0:
        return 0.0
    if noise_multiplier == 0:
        return inf
    from dp_accounting.rdp import compute_epsilon

    orders, divergences = _round_divergences(noise_multiplier, sampling_rate)
    epsilon, _ = compute_epsilon(orders, [rounds * d for d in divergences], delta)
    return float(epsilon)


@lru_cache(maxsize=64)
def _round_divergences(
    noise_multiplier: float, sampling_rate: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the orders and the Rényi divergence of one round at each of them."""
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent
    from dp_accounting.rdp import RdpAccountant

    accountant = RdpAccountant()
    event = PoissonSampledDpEvent(sampling_rate, GaussianDpEvent(noise_multiplier))
    accountant.compose(event)
    return tuple(accountant.orders.tolist()), tuple(accountant.rdp.tolist())


def _check_account(
    noise_multiplier: float, sampling_rate: float, rounds: int, delta: float
) -> None:
    ranges = {
        f"noise_multiplier={noise_multiplier}: at least 0": 0 <= noise_multiplier < inf,
        f"sampling_rate={sampling_rate}: above 0 and at most 1": 0 < sampling_rate <= 1,
        f"rounds={rounds}: at least 0": rounds >= 0,
        f"delta={delta}: above 0 and below 1": 0 < delta < 1,
    }
    for wanted, holds in ranges.items():
        if not holds:
            raise InputError(f"{wanted} would be right")
