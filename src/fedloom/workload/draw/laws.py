"""Drawing from a law: times and token counts.

Draws use the generator's own methods, which call the C library one value at a time; NumPy's
vectorised `exp` and `log` give other last digits on processors with other vector units.
"""

from __future__ import annotations

from dataclasses import replace
from math import exp, log, sqrt

import numpy as np
from numpy.typing import NDArray

from fedloom.workload.config.service_model import Law, LawName

__all__ = ["draw_law", "law_at_scores"]

Numbers = NDArray[np.float64]

_LARGEST_CV = 1e6
"""A law of positive numbers that deviates more than this many times its mean is drawn with this:
beyond, every draw but one in millions is next to 0, and exponents leave the range of floats."""

_POSITIVE = (LawName.LOGNORMAL, LawName.GAMMA, LawName.PARETO)


def draw_law(law: Law, generator: np.random.Generator, count: int) -> Numbers:
    """Return `count` independent draws, within the law's minimum and maximum.

    The first draws are the same however many are asked for.
    """
    return _within(law, _draw(_settle(law), generator, count))


def law_at_scores(law: Law, scores: Numbers) -> Numbers:
    """Return the law's values at standard normal scores: its quantiles at Φ(score).

    Two laws evaluated at correlated scores are correlated (a Gaussian copula).
    """
    law = _settle(law)
    match law.name:
        case LawName.NORMAL:
            values = law.mean + law.std * scores
        case LawName.LOGNORMAL:
            mu, sigma = _lognormal(law)
            values = np.fromiter(map(exp, (mu + sigma * scores).tolist()), float, len(scores))
        case LawName.FIXED:
            values = np.full(len(scores), law.mean)
        case _:
            values = _quantiles(law, scores)
    return _within(law, values)


def _settle(law: Law) -> Law:
    """Return a law that can be drawn: fixed where nothing deviates, and not beyond all bounds."""
    if law.std <= 1e-9 * law.mean and law.name is not LawName.EXPONENTIAL:
        return replace(law, name=LawName.FIXED)
    if law.name in _POSITIVE and law.std > _LARGEST_CV * law.mean:
        return replace(law, std=_LARGEST_CV * law.mean)
    return law


def _draw(law: Law, generator: np.random.Generator, count: int) -> Numbers:
    match law.name:
        case LawName.NORMAL:
            return law.mean + law.std * generator.standard_normal(count)
        case LawName.LOGNORMAL:
            return generator.lognormal(*_lognormal(law), count)
        case LawName.GAMMA:
            shape = (law.mean / law.std) ** 2
            return generator.standard_gamma(shape, count) * (law.mean / shape)
        case LawName.EXPONENTIAL:
            return generator.standard_exponential(count) * law.mean
        case LawName.UNIFORM:
            return law.mean + law.std * sqrt(3) * (2 * generator.random(count) - 1)
        case LawName.PARETO:
            shape, scale = _pareto(law)
            return scale * (1 + generator.pareto(shape, count))
        case LawName.FIXED:
            return np.full(count, law.mean)


def _quantiles(law: Law, scores: Numbers) -> Numbers:
    from scipy import special

    upper = special.ndtr(-scores)  # 1 − Φ(score), exact in the long upper tail
    match law.name:
        case LawName.GAMMA:
            shape = (law.mean / law.std) ** 2
            quantiles = special.gammainccinv(shape, upper) * (law.mean / shape)
        case LawName.EXPONENTIAL:
            quantiles = -law.mean * special.xlogy(1.0, upper)
        case LawName.PARETO:
            shape, scale = _pareto(law)
            quantiles = scale * special.exp2(-special.xlogy(1.0, upper) / (shape * log(2)))
        case _:
            quantiles = law.mean + law.std * sqrt(3) * (1 - 2 * upper)
    values: Numbers = quantiles
    return values


def _lognormal(law: Law) -> tuple[float, float]:
    """Return mean and standard deviation of the logarithm."""
    variance = log(1 + (law.std / law.mean) ** 2)
    return log(law.mean) - variance / 2, sqrt(variance)


def _pareto(law: Law) -> tuple[float, float]:
    """Return shape and scale of the Pareto law with this mean and standard deviation.

    Its squared coefficient of variation is 1 / (shape (shape − 2)), so shape exceeds 2.
    """
    shape = 1 + sqrt(1 + (law.mean / law.std) ** 2)
    return shape, law.mean * (shape - 1) / shape


def _within(law: Law, values: Numbers) -> Numbers:
    return np.clip(values, law.minimum, law.maximum)
