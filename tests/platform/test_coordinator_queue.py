"""Which task is next, how the clients' slots are counted, and the history that is left."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fedloom.cli.program import app
from fedloom.errors import InputError, RunFailedError
from fedloom.platform.client.no_part import say_no_part
from fedloom.platform.coordinator import CoordinatorSettings, gathering
from fedloom.platform.coordinator.census import Present, name_key
from fedloom.platform.coordinator.estimates import DEFAULT_ROUND_S, Estimates
from fedloom.platform.coordinator.gathering import Gathering
from fedloom.platform.coordinator.history import export_history
from fedloom.platform.coordinator.interruption import Interruption
from fedloom.platform.coordinator.queue_policy import QueuePolicy, count_demand
from fedloom.platform.coordinator.quorum import count_quorum
from fedloom.platform.coordinator.recipe import Terms
from fedloom.platform.store import Store, open_store
from fedloom.platform.task import NewTask, Task, TaskStatus

from .conftest import SetClock
from .registry_world import make_task

NODES = [Present(f"node{n}", frozenset({"irises"})) for n in range(3)]


class Seconds:
    """A clock that counts seconds when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Guesses(Estimates):
    """Estimates without a store: a model's name says how long a round takes."""

    def __init__(self) -> None:
        pass

    def round_s(self, model: str, use_case: str) -> float:
        del use_case
        return float(model)


def policy_of(text: str, wait_s: float = 60.0) -> tuple[QueuePolicy, Seconds]:
    clock = Seconds()
    return QueuePolicy(text, Guesses(), wait_s, clock), clock


def task(number: int, **changes: Any) -> Task:
    return make_task(number, **{"model_name": "10", **changes})


@pytest.mark.parametrize(
    ("policy", "first"),
    [("fifo", 1), ("sjf", 2), ("priority", 3), ("edf", 4), ("srcp", 2), ("fair-share", 1)],
)
def test_policies_of_the_scheduling_side_order_the_queue(policy: str, first: int) -> None:
    asked, _ = policy_of(policy)
    waiting = [
        task(1),
        task(2, model_name="1"),
        task(3, priority=9),
        task(4, deadline=datetime(2031, 1, 1, tzinfo=UTC)),
    ]
    assert asked.choose(waiting, [], NODES) == first


def test_fair_share_lets_users_take_turns() -> None:
    asked, _ = policy_of("fair-share")
    waiting = [task(n, user_id="ada") for n in (1, 2, 3)] + [task(4, user_id="bo")]
    order: list[int] = []
    running: list[Task] = []
    for _ in range(4):
        chosen = asked.choose(waiting, running, [*NODES, *NODES])
        assert chosen is not None
        found = next(one for one in waiting if one.id == chosen)
        asked.started(found)
        waiting.remove(found)
        running.append(found)
        order.append(chosen)
    assert order[:2] == [1, 4]
    assert sorted(order) == [1, 2, 3, 4]


def test_what_goes_elsewhere_holds_up_nobody() -> None:
    asked, _ = policy_of("fair-share")
    assert asked.choose([task(1, user_id="ada"), task(2, user_id="bo")], [], NODES) == 1
    # The first was cancelled meanwhile, or another coordinator has it.
    assert asked.choose([task(2, user_id="bo")], [], NODES) == 2


def test_a_task_without_clients_waits_beside_the_queue_and_is_chosen_at_last() -> None:
    asked, clock = policy_of("fifo", wait_s=60.0)
    waiting = [task(1, use_case="cats"), task(2)]
    assert asked.choose(waiting, [], NODES) == 2
    assert asked.choose(waiting[:1], [], NODES) is None
    clock.now = 59.0
    assert asked.choose(waiting[:1], [], NODES) is None
    clock.now = 61.0
    assert asked.choose(waiting[:1], [], NODES) == 1
    assert asked.waited_s(1) == 61.0


def test_nothing_starts_before_anybody_has_looked_who_is_there() -> None:
    asked, clock = policy_of("fifo", wait_s=60.0)
    assert asked.choose([task(1)], [], None) is None
    clock.now = 60.0
    assert asked.choose([task(1)], [], None) == 1


def test_a_cohort_takes_that_many_free_slots() -> None:
    asked, _ = policy_of("fifo")
    wide, narrow = task(1, cohort=2), task(2)
    assert asked.choose([wide, narrow], [], NODES) == 1
    # Two of three clients are busy: the wide one waits, and in order so does the narrow one.
    assert asked.choose([wide, narrow], [task(9, cohort=2)], NODES) is None
    greedy, _ = policy_of("sjf")
    short = task(2, model_name="1")
    assert greedy.choose([wide, short], [task(9, cohort=2)], NODES) == 2


@pytest.mark.parametrize(
    ("changes", "demand"),
    [
        ({}, 1),
        ({"min_clients": 2}, 2),
        ({"cohort": 2}, 2),
        ({"cohort": 7}, 3),
        ({"cohort": 0.5}, 2),
        ({"plan": {"cohort": 3}}, 3),
        ({"use_case": "cats"}, 1),
    ],
)
def test_demand_by_hand(changes: dict[str, Any], demand: int) -> None:
    assert count_demand(task(1, **changes), NODES) == demand


def test_a_policy_that_fails_stops_nobody(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from fedloom.scheduling.policy import Policy\n"
        "class Mine(Policy):\n"
        "    def rank(self, task):\n"
        "        raise KeyError('rank')\n"
    )
    asked, _ = policy_of(f"{file}:Mine")
    assert asked.choose([task(3), task(2)], [], NODES) == 2
    with pytest.raises(InputError, match="policy"):
        policy_of("no-such-policy")


def test_estimates_come_from_tasks_that_ended(
    store_url: str, new_task: Callable[..., NewTask], clock: SetClock
) -> None:
    seconds = Seconds()
    with open_store(store_url, clock=clock) as store:
        estimates = Estimates(store, seconds)
        assert estimates.round_s("iris_model", "iris") == DEFAULT_ROUND_S
        for took in (4, 8):
            end_task(store, new_task(), clock, took)
        assert estimates.round_s("iris_model", "iris") == DEFAULT_ROUND_S  # remembered
        seconds.now = 60.0
        # 2 rounds each in 4 and 8 s: 2 and 4 s a round.
        assert estimates.round_s("iris_model", "iris") == pytest.approx(3.0)
        left = make_task(9, model_name="iris_model", use_case="iris", rounds_done=1)
        assert estimates.task_s(left) == pytest.approx(6.0)


def end_task(store: Store, new: NewTask, clock: SetClock, seconds: float) -> Task:
    added = store.add_task(new)
    store.claim_task("me", 60, lambda tasks: tasks[0].id)
    for number in (1, 2):
        store.add_round(added.id, {"round": number, "cohort_size": 2}, "me")
    clock.advance(seconds)
    assert store.finish_task(added.id, "me", TaskStatus.SUCCESS)
    return store.get_task(added.id)


def test_the_history_is_a_workload_that_schedule_takes(
    sqlite_url: str, new_task: Callable[..., NewTask], clock: SetClock, tmp_path: Path
) -> None:
    late = clock.now + timedelta(days=1)
    with open_store(sqlite_url, clock=clock) as store:
        tasks = [
            end_task(store, new_task(priority=2), clock, 4),
            end_task(store, new_task(user_id="bo", deadline=late), clock, 8),
            end_task(store, new_task(model_name="other"), clock, 2),
            store.add_task(new_task()),
        ]
        rounds = {one.id: store.rounds(one.id) for one in tasks}
    config, requests = export_history(tasks, rounds)
    assert [r["node_execution_times"] for r in requests] == [{"task": s} for s in (4.0, 8.0, 2.0)]
    assert config["models"]["iris_model-2"]["gpus_required"] == 2
    assert config["models"]["iris_model-2"]["inference_time_mean"] == 6.0
    (tmp_path / "c.json").write_text(json.dumps(config))
    (tmp_path / "r.json").write_text(json.dumps(requests))
    arguments = ["schedule", "-c", tmp_path / "c.json", "-r", tmp_path / "r.json", "--gpus", "4"]
    prefix = ["--output-prefix", str(tmp_path / "out"), "--policy", "edf"]
    ran = CliRunner().invoke(app, [*map(str, arguments), *prefix])
    assert ran.exit_code == 0, ran.output
    assert export_history([], {})[1] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"slots": 0},
        {"max_attempts": 0},
        {"lease_s": 1.0},
        {"poll_s": float("nan")},
        {"wait_s": -1.0},
        {"keep_days": 0.0},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        CoordinatorSettings(**wrong)


def test_quorums_by_hand() -> None:
    cases = [(None, 9, 1), (3, 9, 3), (0.5, 9, 5), (0.1, 3, 1)]
    assert [count_quorum(quorum, cohort) for quorum, cohort, _ in cases] == [n for *_, n in cases]


def test_a_registered_key_and_its_digest_are_one() -> None:
    from flwr.supercore.primitives.asymmetric import generate_key_pairs

    from fedloom.fleet.flower.admission import digest_key
    from fedloom.fleet.flower.node import Identity

    pem = Identity(generate_key_pairs()[0]).public_pem
    assert name_key(pem.decode()) == digest_key(pem) == name_key(digest_key(pem))
    assert name_key("-----BEGIN rubbish") == "-----BEGIN rubbish"


class Refusing:
    """A fleet whose nodes say no, and with `late` one that says yes at its fifth look."""

    def __init__(self, refusals: dict[str, str], *, late: bool = False) -> None:
        self.said, self.late = refusals, late
        self.looks, self.asking = 0, False

    def wait_for(self, count: int, within_s: float) -> list[str]:
        self.looks += 1
        if self.late and self.looks >= 5:
            return ["late"]
        raise RunFailedError(f"0 of {count} after {within_s} s")

    def clients(self) -> list[str]:
        return []

    def online(self) -> list[int]:
        return []

    def refusals(self) -> dict[str, str]:
        return self.said


def gather(fleet: Refusing, wait_s: float, say: Callable[[str], None] = print) -> Gathering:
    terms = Terms("FedAvg", {}, None, 0, 1)
    return Gathering(fleet, terms, 2, wait_s, Interruption(), say=say)  # type: ignore[arg-type]


def test_who_waits_for_clients_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "_SILENT_S", 0.0)
    monkeypatch.setattr(gathering, "_REFUSED_S", 0.1)
    said: list[str] = []
    with pytest.raises(RunFailedError):
        gather(Refusing({"n": "it denies"}), 3600.0, said.append).begin()
    assert said == ["waits for clients: 0 of 2 clients take part; n: it denies"]


def test_a_task_that_all_nodes_refuse_fails_before_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gathering, "_REFUSED_S", 0.05)
    refusals = {f"node{n}": "its owner denies it" for n in range(12)}
    with pytest.raises(RunFailedError) as caught:
        gather(Refusing(refusals), 3600.0).begin()
    told = str(caught.value)
    assert told.startswith("0 of 2 clients take part; node0: its owner denies it; node1")
    assert "; and 2 more, after 0 s: start more nodes, let their owners allow it" in told
    # Who has no part in it is counted, and not named: their owners have nothing to allow.
    apart = {f"far{n}": say_no_part("iris") for n in range(3)}
    with pytest.raises(RunFailedError) as caught:
        gather(Refusing({"near": "its owner denies it", **apart}), 3600.0).begin()
    told = str(caught.value)
    assert "; near: its owner denies it; 3 others have no part in the use case, after" in told
    assert "far" not in told
    with pytest.raises(RunFailedError, match="take part; 1 node has no part in the use case"):
        gather(Refusing({"far": say_no_part("iris")}), 3600.0).begin()
    # Others have the grace to come, and where nobody has said no, all of the time.
    monkeypatch.setattr(gathering, "_REFUSED_S", 3600.0)
    assert gather(Refusing(refusals, late=True), 3600.0).begin() == ["late"]
    monkeypatch.setattr(gathering, "_REFUSED_S", 1e-6)
    assert gather(Refusing({}, late=True), 3600.0).begin() == ["late"]
    with pytest.raises(RunFailedError, match="no other node is online"):
        gather(Refusing({}), 0.05).begin()
