"""Numbers about the API and the platform, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from fedloom.platform.identity import Identity
from fedloom.platform.service import Service
from fedloom.platform.task import TaskStatus

__all__ = ["Measures", "write_metrics"]

_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
_METHODS = frozenset("GET HEAD POST PUT PATCH DELETE OPTIONS".split())


class Measures:
    """How many requests there were, and how long they took, by the route's own address."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._count = Counter(
            "fedloom_http_requests",
            "Requests that were answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "fedloom_http_request_seconds",
            "Seconds until a request was answered.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request; what a stranger chose freely becomes no label."""
        known = method if method in _METHODS else "other"
        self._count.labels(known, route, str(status)).inc()
        self._seconds.labels(known, route).observe(seconds)


def write_metrics(
    measures: Measures,
    service: Service,
    who: Identity,
    coordinator_state: Callable[[], Any] | None,
) -> bytes:
    """Return all numbers.

    Raises:
        LinkError: the database cannot be reached.
    """
    found = CollectorRegistry()
    found.register(_Found([*_count_store(service, who), *_tell_parts(service, coordinator_state)]))
    return generate_latest(measures.registry) + generate_latest(found)


class _Found:
    """What was just looked up, as Prometheus' client wants to be given it."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(f"fedloom_{name}", meaning, value=float(value))


def _count_store(service: Service, who: Identity) -> Iterator[Metric]:
    counts = service.counts(who)
    tasks = GaugeMetricFamily("fedloom_tasks", "Tasks by their status.", labels=["status"])
    for status, count in counts.tasks.items():
        tasks.add_metric([str(status)], count)
    yield tasks
    yield _gauge("rounds", "Finished rounds of all tasks there are.", counts.rounds)
    yield _gauge("queue_length", "Tasks that wait.", counts.tasks[TaskStatus.PENDING])
    yield _gauge("outbox_length", "Messages that wait for the broker.", counts.unsent)
    nodes = service.nodes(who)
    yield _gauge("nodes_online", "Nodes that are there.", sum(node.online for node in nodes))
    yield _gauge("nodes_known", "Nodes that are known.", len(nodes))


def _tell_parts(service: Service, coordinator_state: Callable[[], Any] | None) -> Iterator[Metric]:
    if service.publisher is not None:
        state = service.publisher.state
        yield _gauge("publisher_connected", "Whether the broker is connected.", state.connected)
        yield _gauge("publisher_sent", "Messages that the broker confirmed.", state.sent)
        yield _gauge("publisher_failures", "Connections to it that were lost.", state.failures)
    if coordinator_state is not None:
        running = coordinator_state()
        yield _gauge("coordinator_slots", "Tasks that may run at once.", running.slots)
        yield _gauge("coordinator_running", "Tasks that run here.", len(running.running))
        yield _gauge("coordinator_links_up", "SuperLinks that are there.", running.links_up)
