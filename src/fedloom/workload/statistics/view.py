"""What the page of a workload shows: counts and histograms, however many requests there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

__all__ = ["Histogram", "StatsView"]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of values in bins.

    Attributes:
        edges: n + 1 values, ascending; none where there is no bin.
        counts: [n] values from each edge to the next.
    """

    edges: Sequence[float]
    counts: Sequence[int]

    @property
    def total(self) -> int:
        """How many values were counted."""
        return sum(self.counts)

    def quantile(self, share: float) -> float:
        """Return the value below which a share of the values lies, as if even within each bin.

        Raises:
            ValueError: nothing was counted.

        Example:
            >>> Histogram([0, 10, 20], [1, 3]).quantile(0.5)
            13.333333333333334
        """
        wanted = share * self.total
        for below, count, (low, high) in zip(
            accumulate(self.counts, initial=0), self.counts, pairwise(self.edges), strict=False
        ):
            if count and below + count >= wanted:
                return low + (high - low) * max(0.0, wanted - below) / count
        raise ValueError("a histogram without values has no quantile")


@dataclass(frozen=True)
class StatsView:
    """A workload as its page shows it.

    Attributes:
        name: of the file or of the workload.
        requests: how many there are.
        duration_s: from the first arrival to the last.
        rate_per_s: arrivals per second; None with fewer than two.
        bin_s: width of the bins of `arrivals`.
        arrivals: workflow → arrivals in each bin of time since the first.
        gaps: of the times between arrivals, in seconds; bins of equal ratio.
        gap_mean_s: their mean; None with fewer than two arrivals.
        gap_cv: their coefficient of variation: 1 for a Poisson process.
        mix: workflow → requests.
        tenants: tenant → requests.
        gpu_hours_by_model: model → execution time × GPUs; empty: not known.
        gpu_hours_by_type: the same by type of model.
        model_types: model → its type.
        tokens: ``input``, ``output`` → counts of tokens per call.
        total_s: workflow → time of all nodes of a request together, in seconds.
        critical_s: workflow → longest path of a request, in seconds.
    """

    name: str
    requests: int
    duration_s: float = 0.0
    rate_per_s: float | None = None
    bin_s: float = 1.0
    arrivals: Mapping[str, Sequence[int]] = field(default_factory=dict)
    gaps: Histogram | None = None
    gap_mean_s: float | None = None
    gap_cv: float | None = None
    mix: Mapping[str, int] = field(default_factory=dict)
    tenants: Mapping[str, int] = field(default_factory=dict)
    gpu_hours_by_model: Mapping[str, float] = field(default_factory=dict)
    gpu_hours_by_type: Mapping[str, float] = field(default_factory=dict)
    model_types: Mapping[str, str] = field(default_factory=dict)
    tokens: Mapping[str, Histogram] = field(default_factory=dict)
    total_s: Mapping[str, Histogram] = field(default_factory=dict)
    critical_s: Mapping[str, Histogram] = field(default_factory=dict)
