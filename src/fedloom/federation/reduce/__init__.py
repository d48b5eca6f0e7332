"""Reducers: how the updates of a round become one. A reducer is a fold.

The means keep one sum whatever the size of the cohort, and run inside a JAX trace as well; the
robust reducers keep the updates, and run on the host.
"""

from __future__ import annotations

from fedloom.federation.reduce.krum import bulyan, krum, multi_krum
from fedloom.federation.reduce.means import clipped_sum, mean_by_examples, uniform_mean
from fedloom.federation.reduce.protocol import Reducer, State, Update
from fedloom.federation.reduce.robust import geometric_median, median, trimmed_mean

__all__ = [
    "Reducer",
    "State",
    "Update",
    "bulyan",
    "clipped_sum",
    "geometric_median",
    "krum",
    "mean_by_examples",
    "median",
    "multi_krum",
    "trimmed_mean",
    "uniform_mean",
]
