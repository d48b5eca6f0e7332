"""What a workload amounts to, collected block by block or request by request."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedloom.workload.block import RequestBlock
from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.request import Request
from fedloom.workload.statistics.gaps import Gaps
from fedloom.workload.statistics.histograms import LogHistogram, TimeBins
from fedloom.workload.statistics.rows import add_rows
from fedloom.workload.statistics.view import Histogram, StatsView
from fedloom.workload.units import MICROSECONDS, to_seconds

__all__ = ["WorkloadStats"]

Whole = NDArray[np.int64]

_SECONDS_PER_HOUR = 3600
_ROWS_AT_ONCE = 4096
_LARGEST = 2**63 - 1


class WorkloadStats:
    """The statistics of a workload; memory does not grow with the number of requests.

    Sums are kept in whole microseconds, so they do not depend on how requests come in.

    Args:
        config: models and workflows; without them GPU-hours are not known.

    Attributes:
        total: requests.
        workflows: workflow → requests.
        tenants: tenant → requests.
        bases: base model → requests that use it.
        model_us: model → GPU-microseconds (execution time × `gpus_required`).
        calls: model → calls.
        gaps: between arrivals.
        arrivals: over time, by workflow.
        total_seconds: workflow → histogram of the sum of its nodes' times, in seconds.
        critical_seconds: workflow → histogram of its longest path, in seconds.
        tokens: ``input``, ``output`` → histogram of counts.
        token_sums: ``input``, ``output`` → number of tokens in all.
    """

    def __init__(self, config: WorkloadConfig | None = None) -> None:
        self.config = config
        self.total = 0
        self.workflows: Counter[str] = Counter()
        self.tenants: Counter[str] = Counter()
        self.bases: Counter[str] = Counter()
        self.model_us: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.gaps = Gaps()
        self.arrivals = TimeBins()
        self.total_seconds = defaultdict[str, LogHistogram](_seconds_histogram)
        self.critical_seconds = defaultdict[str, LogHistogram](_seconds_histogram)
        self.tokens = defaultdict[str, LogHistogram](_count_histogram)
        self.token_sums: Counter[str] = Counter()
        if config:
            self.workflows.update(dict.fromkeys(config.workflows, 0))
            self.tenants.update(dict.fromkeys(config.tenants, 0))
            self.model_us.update(dict.fromkeys(config.models, 0))

    def add(self, block: RequestBlock) -> None:
        """Take in a block of requests."""
        assert self.config is not None
        self.total += len(block)
        self.gaps.add(block.time_us)
        if block.tenant is not None:
            counts = np.bincount(block.tenant, minlength=len(self.config.tenants)).tolist()
            self.tenants.update(dict(zip(self.config.tenants, counts, strict=True)))
        for columns in block.workflows:
            name, count = columns.workflow.workflow_id, len(columns.rows)
            self.workflows[name] += count
            for base in self._bases(name):
                self.bases[base] += count
            self.arrivals.add(name, block.time_us[columns.rows] - self.gaps.first_us)
            self.total_seconds[name].add(columns.total_us / MICROSECONDS)
            self.critical_seconds[name].add(columns.critical_us / MICROSECONDS)
            for node in columns.nodes:
                time_us = _exact_sum(node.time_us)
                self.add_calls(node.node.model_id, len(node.time_us), time_us)
                for kind, counts in node.tokens.items():
                    self.add_tokens(kind, counts)

    def add_requests(self, requests: Iterable[Request]) -> Iterator[Request]:
        """Take in requests as they pass, and yield them on.

        Raises:
            InputError: a request calls a workflow or a node that the configuration lacks, or its
                metadata are not as they should be.
        """
        source = iter(requests)
        while held := list(islice(source, _ROWS_AT_ONCE)):
            add_rows(self, held)
            yield from held

    def add_calls(self, model_id: str, calls: int, time_us: int) -> None:
        """Take in calls of a service model that took `time_us` together."""
        assert self.config is not None
        self.calls[model_id] += calls
        self.model_us[model_id] += time_us * self.config.models[model_id].gpus_required

    def add_tokens(self, kind: str, counts: Whole) -> None:
        """Take in the tokens of some calls, ``input`` or ``output``."""
        self.tokens[kind].add(counts)
        self.token_sums[kind] += _exact_sum(counts)

    def to_dict(self) -> dict[str, Any]:
        """Return the statistics as ``…_stats.json`` holds them; hours to nine decimals."""
        by_model = {model: _hours(us) for model, us in self.model_us.items()}
        return {
            "total_requests": self.total,
            "workflow_distribution": dict(self.workflows),
            "gpu_hours_by_model": by_model,
            "base_model_usage": self._in_order(self.bases),
            "workflow_percentages": {k: self._percent(n) for k, n in self.workflows.items()},
            "gpu_hours_by_model_type": self.hours_by_type(),
            "total_gpu_hours": _hours(sum(self.model_us.values())),
            "calls_by_model": self._in_order(self.calls),
            **({"tenant_distribution": dict(self.tenants)} if self.tenants else {}),
            **({"tokens": dict(sorted(self.token_sums.items()))} if self.token_sums else {}),
            "arrivals": self.gaps.to_dict(),
        }

    def hours_by_type(self) -> dict[str, float]:
        """Return GPU-hours by type of model, in the order of the configuration."""
        if self.config is None:
            return {}
        by_type: Counter[str] = Counter()
        for model, us in self.model_us.items():
            by_type[self.config.models[model].type] += us
        return {kind: _hours(us) for kind, us in by_type.items()}

    def view(self, name: str) -> StatsView:
        """Return the statistics as their page shows them."""
        figures = self.to_dict()
        return StatsView(
            name=name,
            requests=self.total,
            duration_s=self.gaps.span_s,
            rate_per_s=figures["arrivals"]["rate_per_second"],
            bin_s=to_seconds(self.arrivals.width_us),
            arrivals=self.arrivals.counts(),
            gaps=Histogram(*self.gaps.histogram.used()),
            gap_mean_s=self.gaps.mean_s,
            gap_cv=self.gaps.cv,
            mix=self.workflows,
            tenants=self.tenants,
            gpu_hours_by_model=figures["gpu_hours_by_model"],
            gpu_hours_by_type=figures["gpu_hours_by_model_type"],
            model_types={k: m.type for k, m in self.config.models.items()} if self.config else {},
            tokens=_histograms(self.tokens),
            total_s=_histograms(self.total_seconds),
            critical_s=_histograms(self.critical_seconds),
        )

    def _in_order(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Return counts by model in the order of the configuration, however they came in."""
        known = self.config.models if self.config else {}
        return {name: counts[name] for name in (*known, *counts) if name in counts}

    def _percent(self, count: int) -> float:
        return round(100 * count / self.total, 4) if self.total else 0.0

    def _bases(self, workflow_id: str) -> list[str]:
        """Return the base models of a workflow, each once, in the order of its nodes."""
        assert self.config is not None
        models = self.config.models_of(self.config.workflows[workflow_id])
        return list(dict.fromkeys(model.counted_as for model in models))


def _seconds_histogram() -> LogHistogram:
    return LogHistogram(1e-3, 1e5)


def _count_histogram() -> LogHistogram:
    return LogHistogram(1, 1e7)


def _exact_sum(values: Whole) -> int:
    """Return the sum of numbers from 0 on, also where 64 bits do not hold it."""
    if len(values) and int(values.max()) > _LARGEST // len(values):
        return sum(values.tolist())
    return int(values.sum())


def _histograms(collected: Mapping[str, LogHistogram]) -> dict[str, Histogram]:
    """Return the histograms that hold anything."""
    held = {name: Histogram(*histogram.used()) for name, histogram in collected.items()}
    return {name: histogram for name, histogram in held.items() if histogram.total}


def _hours(gpu_us: int) -> float:
    return round(to_seconds(gpu_us) / _SECONDS_PER_HOUR, 9)
