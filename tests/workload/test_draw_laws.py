"""Laws are drawn with the mean, the deviation and the shape that they state."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fedloom.randomness import derive_generator
from fedloom.workload.config.service_model import Law, LawName
from fedloom.workload.draw.laws import draw_law, law_at_scores

COUNT = 20_000
MEAN, STD = 8.0, 2.0


def distribution(name: LawName) -> object:
    """Return scipy's form of the law with mean 8 and standard deviation 2."""
    sigma = sqrt(log(1 + (STD / MEAN) ** 2))
    shape = 1 + sqrt(1 + (MEAN / STD) ** 2)
    return {
        LawName.NORMAL: stats.norm(MEAN, STD),
        LawName.LOGNORMAL: stats.lognorm(sigma, scale=MEAN * np.exp(-(sigma**2) / 2)),
        LawName.GAMMA: stats.gamma((MEAN / STD) ** 2, scale=STD**2 / MEAN),
        LawName.EXPONENTIAL: stats.expon(scale=MEAN),
        LawName.UNIFORM: stats.uniform(MEAN - STD * sqrt(3), 2 * STD * sqrt(3)),
        LawName.PARETO: stats.pareto(shape, scale=MEAN * (shape - 1) / shape),
    }[name]


RANDOM_LAWS = [name for name in LawName if name is not LawName.FIXED]


@pytest.mark.parametrize("name", RANDOM_LAWS)
def test_draws_follow_the_law(name: LawName) -> None:
    drawn = draw_law(Law(name, MEAN, STD), derive_generator(7, "law", name), COUNT)
    assert stats.kstest(drawn, distribution(name).cdf).pvalue > 0.01


@pytest.mark.parametrize("name", RANDOM_LAWS)
def test_the_oracle_has_the_mean_and_deviation_that_were_asked_for(name: LawName) -> None:
    law = distribution(name)
    assert law.mean() == pytest.approx(MEAN)
    assert law.std() == pytest.approx(MEAN if name is LawName.EXPONENTIAL else STD)


@pytest.mark.parametrize("name", RANDOM_LAWS)
def test_values_at_scores_are_the_quantiles(name: LawName) -> None:
    scores = np.linspace(-3, 3, 13)
    expected = distribution(name).ppf(stats.norm.cdf(scores))
    found = law_at_scores(Law(name, MEAN, STD, minimum=-1e9), scores)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("name", LawName)
def test_the_first_draws_do_not_depend_on_how_many_follow(name: LawName) -> None:
    law = Law(name, MEAN, STD)
    few = draw_law(law, derive_generator(1, "law"), 10)
    many = draw_law(law, derive_generator(1, "law"), 1000)
    np.testing.assert_array_equal(few, many[:10])


@pytest.mark.parametrize("name", [n for n in LawName if n is not LawName.EXPONENTIAL])
def test_without_deviation_every_draw_is_the_mean(name: LawName) -> None:
    law = Law(name, MEAN, 0.0)
    assert set(draw_law(law, derive_generator(1, "law"), 5)) == {MEAN}
    assert set(law_at_scores(law, np.array([-2.0, 0.0, 2.0]))) == {MEAN}


@given(
    name=st.sampled_from(list(LawName)),
    mean=st.floats(0.01, 1e4),
    spread=st.floats(0, 5),
    low=st.floats(0, 10),
    width=st.floats(0, 100),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_draws_stay_within_their_limits(
    name: LawName, mean: float, spread: float, low: float, width: float, seed: int
) -> None:
    law = Law(name, mean, mean * spread, low, low + width)
    drawn = draw_law(law, derive_generator(seed, "law"), 200)
    assert np.isfinite(drawn).all()
    assert drawn.min() >= low
    assert drawn.max() <= low + width
