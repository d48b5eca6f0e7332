from __future__ import annotations

from math import exp, expm1, inf, log, log1p
from time import perf_counter

import numpy as np
import pytest

from fedloom.errors import InputError
from fedloom.federation import privacy as privacy_module
from fedloom.federation.privacy import Privacy, spent_epsilon
from fedloom.randomness import derive_generator


def test_noise_has_the_deviation_that_the_sensitivity_needs():
    privacy = Privacy(clip_norm=2.0, noise_multiplier=0.5, delta=1e-5)
    aggregate = [np.full((300, 300), 7.0, np.float32), np.zeros((), np.float32)]
    noisy = privacy.add_noise(aggregate, derive_generator(1, "noise", 1), 10)
    noise = noisy[0] - 7.0
    assert noise.std() == pytest.approx(0.5 * 2.0 / 10, rel=0.02)
    assert noise.mean() == pytest.approx(0, abs=0.002)
    assert [(n.shape, n.dtype) for n in noisy] == [(a.shape, a.dtype) for a in aggregate]
    assert noisy[1] != 0


def test_noise_depends_on_its_generator_alone():
    privacy, aggregate = Privacy(1.0, 1.0, 1e-5), [np.zeros(5)]
    one, same = (privacy.add_noise(aggregate, derive_generator(1, "noise", 1), 3) for _ in "ab")
    other = privacy.add_noise(aggregate, derive_generator(1, "noise", 2), 3)
    np.testing.assert_array_equal(one, same)
    assert not np.any(one[0] == other[0])


def test_no_noise_leaves_the_aggregate():
    aggregate = [np.float32([1, 2])]
    noisy = Privacy(1.0, 0.0, 1e-5).add_noise(aggregate, derive_generator(1, "noise"), 3)
    np.testing.assert_array_equal(noisy, aggregate)


def best_epsilon(divergence, rounds, delta, orders):
    """Convert Rényi to approximate privacy as Canonne, Kamath and Steinke, Proposition 12."""
    return min(rounds * divergence(a) + log1p(-1 / a) - log(delta * a) / (a - 1) for a in orders)


@pytest.mark.parametrize(("noise", "rounds"), [(1.0, 1), (2.0, 10), (5.0, 100)])
def test_without_sampling_epsilon_is_that_of_the_gaussian(noise, rounds):
    # α / (2 σ²) is the divergence of order α of two Gaussians one apart.
    orders = np.arange(1.01, 200, 0.01)
    expected = best_epsilon(lambda a: a / (2 * noise**2), rounds, 1e-5, orders)
    assert spent_epsilon(noise, 1.0, rounds, 1e-5) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("rate", [0.01, 0.3])
def test_divergence_of_order_two_by_hand(rate):
    # log(1 + q² (exp(1/σ²) − 1)): Mironov, Talwar and Zhang, section 3.3, for α = 2.
    orders, divergences = privacy_module._round_divergences(1.5, rate)
    found = dict(zip(orders, divergences, strict=True))[2.0]
    assert found == pytest.approx(log(1 + rate**2 * expm1(1 / 1.5**2)), rel=1e-9)


def test_published_epsilons():
    # Abadi et al., Deep Learning with Differential Privacy, section 3.2: q = 0.01, σ = 4,
    # δ = 1e-5, 10,000 steps spend 1.26. The conversion from Rényi has become sharper since.
    assert 0.9 < spent_epsilon(4.0, 0.01, 10_000, 1e-5) < 1.26
    # The MNIST example of TensorFlow Privacy, 60 epochs of batches of 256 of 60,000 with σ = 1.1:
    # 3.01 by the old conversion.
    orders, divergences = privacy_module._round_divergences(1.1, 256 / 60_000)
    steps = 60 * 60_000 // 256
    old = min(steps * d - log(1e-5) / (a - 1) for a, d in zip(orders, divergences, strict=True))
    assert old == pytest.approx(3.01, abs=0.02)
    assert spent_epsilon(1.1, 256 / 60_000, steps, 1e-5) < old


def test_epsilon_grows_with_rounds_and_sampling_and_falls_with_noise():
    assert spent_epsilon(1.0, 0.1, 0, 1e-5) == 0.0
    assert spent_epsilon(0.0, 0.1, 1, 1e-5) == inf
    spent = [spent_epsilon(1.0, 0.1, rounds, 1e-5) for rounds in (1, 10, 100)]
    assert spent == sorted(spent)
    assert spent_epsilon(1.0, 0.1, 10, 1e-5) < spent_epsilon(1.0, 0.5, 10, 1e-5)
    assert spent_epsilon(2.0, 0.1, 10, 1e-5) < spent_epsilon(1.0, 0.1, 10, 1e-5)
    assert Privacy(1.0, 2.0, 1e-5).epsilon(0.1, 10) == spent_epsilon(2.0, 0.1, 10, 1e-5)


def test_epsilon_can_be_asked_for_after_every_round():
    spent_epsilon(1.3, 0.07, 1, 1e-5)
    begin = perf_counter()
    for rounds in range(1, 501):
        spent_epsilon(1.3, 0.07, rounds, 1e-5)
    assert perf_counter() - begin < 20.0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((-1.0, 0.1, 1, 1e-5), "noise_multiplier=-1.0"),
        ((float("nan"), 0.1, 1, 1e-5), "noise_multiplier=nan"),
        ((1.0, 0.0, 1, 1e-5), "sampling_rate=0.0"),
        ((1.0, 1.1, 1, 1e-5), "sampling_rate=1.1"),
        ((1.0, 0.1, -1, 1e-5), "rounds=-1"),
        ((1.0, 0.1, 1, 0.0), "delta=0.0"),
        ((1.0, 0.1, 1, exp(1)), "delta=2.7"),
    ],
)
def test_impossible_numbers_are_named(arguments, named):
    with pytest.raises(InputError, match=named):
        spent_epsilon(*arguments)
