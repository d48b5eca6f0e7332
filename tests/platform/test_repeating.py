"""A round whose nodes went away is repeated when they are back, a few times; others are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from fedloom.errors import RunFailedError
from fedloom.federation.fleet import Client, ClientResult, Failure, Order, Reply
from fedloom.federation.reduce import mean_by_examples
from fedloom.fleet.flower.superlink import SuperLink
from fedloom.platform.coordinator import CoordinatorSettings
from fedloom.platform.coordinator.interruption import Cause, Interruption, StoppedError
from fedloom.platform.coordinator.repeating import MOST_REPEATS, is_worth_repeating
from fedloom.platform.coordinator.watched_fleet import WatchedFleet
from fedloom.platform.registry import Registry, open_registry
from fedloom.platform.store import open_store
from fedloom.platform.task import TaskStatus

from .coordinator_world import (
    Learner,
    ask,
    coordinating,
    open_superlink,
    push,
    result_of,
    rounds_of,
    serve,
    wait_ended,
    wait_for,
)
from .registry_world import make_template

NAMES = ("a", "b", "c")


class Away:
    """A fleet whose clients fail as they are told, try by try, and come back as they are told.

    Args:
        tries: how each client of the cohort fares in each try; the last stands for all after it.
        back: the clients that are online at each look.
    """

    def __init__(
        self,
        tries: Sequence[Sequence[Failure | None]],
        back: Sequence[Sequence[int]] = ((0, 1, 2),),
    ) -> None:
        self.tries, self.back = tries, list(back)
        self.trained, self.loaded = 0, 0

    def clients(self) -> list[Client]:
        return [Client(number, name, 1) for number, name in enumerate(NAMES)]

    def online(self) -> list[int]:
        return list(self.back.pop(0) if len(self.back) > 1 else self.back[0])

    def save(self) -> dict[str, Any]:
        return {"trained": self.trained}

    def load(self, state: dict[str, Any]) -> None:
        assert state == {"trained": 0}
        self.loaded += 1

    def train(self, order: Order, reducer: Any) -> Reply:
        found = self.tries[min(self.trained, len(self.tries) - 1)]
        self.trained += 1
        told = {Failure.LOST: "the node is offline", Failure.ERROR: "it broke"}
        results = [
            ClientResult(c, f, told.get(f, "") if f else "")
            for c, f in zip(order.cohort, found, strict=True)
        ]
        return Reply((self.trained, reducer), results)


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str, source: str = "coordinator") -> None:
        del source
        self.lines.append(text)


LOST, ERROR = Failure.LOST, Failure.ERROR


def train(
    fleet: Away, quorum: int | float | None = None, wait_s: float = 30.0, **more: Any
) -> tuple[Reply, list[str]]:
    log, interruption = Log(), more.pop("interruption", Interruption())
    watched = WatchedFleet(
        fleet,  # type: ignore[arg-type]
        interruption,
        quorum,
        log=log,  # type: ignore[arg-type]
        wait_s=wait_s,
    )
    cohort = list(range(len(fleet.tries[0])))
    order = Order(2, cohort, [np.zeros(2, np.float32)], 7)
    return watched.train(order, mean_by_examples()), log.lines


def test_a_round_of_a_node_that_went_away_is_repeated_when_it_is_back():
    fleet = Away([[LOST], [None]], back=[[], [], [0]])
    reply, lines = train(fleet)
    assert [result.failure for result in reply.results] == [None]
    assert (fleet.trained, fleet.loaded) == (2, 1)
    assert reply.state[0] == 2, "nothing of the first try is left"
    assert lines == [
        "round 2: fewer than 1 of 1 clients are left; waits up to 30 s for them to come back",
        f"round 2: is repeated (1 of at most {MOST_REPEATS} times)",
    ]


def test_a_node_that_goes_away_each_time_ends_the_task_with_its_reason():
    fleet = Away([[LOST]])
    with pytest.raises(RunFailedError, match=r"a: the node is offline; it was repeated 3 times$"):
        train(fleet)
    assert fleet.trained == 1 + MOST_REPEATS


def test_a_node_that_stays_away_ends_the_task_when_the_time_is_over():
    fleet = Away([[LOST]], back=[[]])
    with pytest.raises(RunFailedError, match=r"offline; too few came back within 0\.3 s$"):
        train(fleet, wait_s=0.3)
    assert fleet.trained == 1


def test_who_is_online_but_not_of_the_cohort_is_not_enough():
    fleet = Away([[LOST]], back=[[1, 2]])
    with pytest.raises(RunFailedError, match="too few came back"):
        train(fleet, wait_s=0.3)


@pytest.mark.parametrize(
    ("failures", "needed", "worth"),
    [
        ([LOST], 1, True),
        ([Failure.UNAVAILABLE], 1, True),
        ([LOST, None], 1, False),
        ([LOST, None], 2, True),
        ([LOST, ERROR], 1, True),
        ([LOST, ERROR], 2, False),
        ([ERROR], 1, False),
        ([Failure.REJECTED], 1, False),
        ([Failure.TIMEOUT, Failure.STRAGGLER], 1, False),
        ([], 0, False),
        ([LOST], 0, False),
    ],
)
def test_only_nodes_that_are_gone_and_would_be_enough_are_waited_for(failures, needed, worth):
    results = [ClientResult(client, failure) for client, failure in enumerate(failures)]
    assert is_worth_repeating(results, needed) is worth


def test_a_round_that_counts_is_not_repeated():
    fleet = Away([[LOST, None, ERROR]])
    reply, lines = train(fleet)
    assert (fleet.trained, lines) == (1, [])
    assert len(reply.results) == 3


def test_a_task_that_is_to_stop_waits_for_nobody():
    interruption = Interruption()

    class Stopping(Away):
        def online(self) -> list[int]:
            interruption.ask(Cause.TAKEN)
            return []

    with pytest.raises(StoppedError):
        train(Stopping([[LOST]]), interruption=interruption)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("world")


@pytest.fixture(scope="module")
def registry(folder: Path) -> Registry:
    template = make_template(folder)
    registry = open_registry(f"sqlite:///{template}", cache=folder / "cache")
    push(registry, folder)
    return registry


@pytest.fixture(scope="module")
def superlink(folder: Path) -> Iterator[SuperLink]:
    with open_superlink(folder) as link:
        yield link


def hold_until(gone: Event) -> Callable[[Any, Event], None]:
    """Train the second round for as long as the node is there."""

    def hold(request: Any, stop: Event) -> None:
        if request.round == 2:
            gone.set()
            stop.wait(60)

    return hold


def test_the_only_node_of_a_task_goes_away_in_a_round_and_comes_back(
    superlink: SuperLink, registry: Registry, folder: Path, tmp_path: Path
) -> None:
    gone = Event()
    settings = CoordinatorSettings(poll_s=0.1, wait_s=60.0, roll_call_s=0.5, lease_s=10.0)
    with (
        open_store(f"sqlite:///{tmp_path / 'store.db'}") as store,
        coordinating(store, registry, superlink, tmp_path / "tasks", settings=settings),
    ):
        with serve(superlink, folder, Learner("only", [2.0, 4.0], how=hold_until(gone))):
            task = store.add_task(ask(num_global_iterations=3))
            assert gone.wait(60)
        wait_for(lambda: any("waits up to 60 s" in log.text for log in store.logs(task.id)))
        with serve(superlink, folder, Learner("only", [2.0, 4.0])):
            ended = wait_ended(store, task.id)
        assert (ended.status, ended.reason, ended.attempt) == (TaskStatus.SUCCESS, None, 1)
        assert rounds_of(store, task.id) == [1, 2, 3]
        np.testing.assert_allclose(result_of(registry, ended)[0], 3 * 3.0, rtol=1e-6)
        said = [log.text for log in store.logs(task.id)]
        assert "round 2: is repeated (1 of at most 3 times)" in said
