"""Policies that ask for what cannot be, that fail, and that stop; and what policies cannot know."""

from __future__ import annotations

import gc
import inspect
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedloom.errors import InputError
from fedloom.scheduling.foresight import KnownArrivals
from fedloom.scheduling.policy import Devices, Placement, Policy, Queue, Setting
from fedloom.scheduling.problem import NEVER, Problem
from fedloom.scheduling.simulate.cores import choose_core, is_static
from fedloom.scheduling.simulate.engine import simulate
from fedloom.scheduling.simulate.errors import PolicyError
from fedloom.scheduling.task import Task
from fedloom.scheduling.task_columns import TaskColumns

Choose = Callable[[Queue, Devices], Any]


@pytest.fixture
def problem(make_problem: Any) -> Problem:
    """Return two single tasks, a gang of two and a large model, on two servers."""
    models = {"m": (1, 16, 4), "g": (2, 32, 4), "large": (1, 60, 4)}
    workflows = {name: ([name], []) for name in models}
    requests = [("m", 0, [10]), ("m", 0, [10]), ("g", 0, [10]), ("large", 0, [1])]
    servers = [
        {"name": "x", "gpus": 2, "gpu_memory_gb": 80},
        {"name": "y", "gpus": 2, "gpu_memory_gb": 40},
    ]
    made: Problem = make_problem(models, workflows, requests, {"servers": servers})
    return made


def choosing(choose: Choose) -> Policy:
    """Return a policy that chooses by a function."""

    class Chooser(Policy):
        name = "chooser"

        def choose(self, queue: Queue, devices: Devices) -> Iterator[Placement]:
            return choose(queue, devices)  # type: ignore[no-any-return]

    return Chooser()


def listed(queue: Queue) -> list[Task]:
    return list(queue.in_order(9))


STRANGER = Task(0, 0, "req_0000", "n0", "m", 1, 16_000, 0, 0, 1, 1)


@pytest.mark.parametrize(
    ("choose", "said"),
    [
        (lambda q, d: [(listed(q)[0], (9,))], "cannot start n0 of req_0000: there is no GPU 9"),
        (lambda q, d: [(listed(q)[0], (-1,))], "there is no GPU -1"),
        (
            lambda q, d: [(t, (0,)) for t in listed(q)[:2]],
            "cannot start n0 of req_0001: GPU 0 is busy",
        ),
        (lambda q, d: [(listed(q)[0], ())], "needs 1 different GPUs and is given ()"),
        (lambda q, d: [(listed(q)[0], (0, 1))], "needs 1 different GPUs and is given (0, 1)"),
        (lambda q, d: [(listed(q)[2], (0, 0))], "needs 2 different GPUs and is given (0, 0)"),
        (lambda q, d: [(listed(q)[2], (1, 2))], "GPUs (1, 2) stand in several servers"),
        (lambda q, d: [(listed(q)[3], (2,))], "there is no room for large on GPU (2,)"),
        (lambda q, d: [(STRANGER, (0,))], "cannot start n0 of req_0000: it is not in the queue"),
        (lambda q, d: [("x", (0,))], "cannot start 'x': it is not in the queue"),
        (lambda q, d: [listed(q)[0]], "it is to yield a task and the numbers of GPUs"),
        (lambda q, d: [(listed(q)[0], None)], "it is to yield a task and the numbers of GPUs"),
        (lambda q, d: [(listed(q)[0], (0.5,))], "it is to yield a task and the numbers of GPUs"),
        (lambda q, d: [(listed(q)[0], ("0",))], "it is to yield a task and the numbers of GPUs"),
        (lambda q, d: [None], "it is to yield a task and the numbers of GPUs"),
        (lambda q, d: None, "choose() gives None; it is to yield placements"),
        (lambda q, d: 3, "choose() gives 3; it is to yield placements"),
    ],
)
def test_what_cannot_be_is_refused(problem: Problem, choose: Choose, said: str) -> None:
    with pytest.raises(PolicyError) as caught:
        simulate(problem, choosing(choose))
    assert said in str(caught.value)
    assert str(caught.value).startswith("policy chooser: ")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_list_of_placements_and_numpy_numbers_will_do(problem: Problem) -> None:
    def choose(queue: Queue, devices: Devices) -> list[tuple[Task, np.ndarray]]:
        found = devices.find(task) if (task := queue.first()) else None
        return [(task, np.array(found))] if task and found else []

    schedule = simulate(problem, choosing(choose))  # one at each event
    assert (schedule.end_us / 1e6).tolist() == [14, 24, 38, 43]
    assert schedule.gpus.tolist() == [[0, -1], [0, -1], [2, 3], [1, -1]]


class Failing(Policy):
    """Fails in the method it is told."""

    name = "failing"

    def __init__(self, where: str, error: Exception | None = None) -> None:
        self.where = where
        self.error = error or ValueError("on purpose\nand on two lines")

    def _fail(self, where: str) -> None:
        if where == self.where:
            raise self.error

    def prepare(self, setting: Setting) -> None:
        self._fail("prepare")

    def rank(self, task: Task) -> int:
        self._fail("rank")
        return 0

    def group(self, task: Task) -> None:
        self._fail("group")

    def place(self, task: Task, devices: Devices) -> tuple[int, ...] | None:
        self._fail("place")
        return super().place(task, devices)

    def evict(self, resident: Sequence[str], devices: Devices, gpu: int) -> Sequence[str]:
        self._fail("evict")
        if self.where == "evict strangers":
            return ["stranger"]
        return resident

    def started(self, task: Task, gpus: Sequence[int], end_us: int) -> None:
        self._fail("started")

    def ended(self, task: Task, gpus: Sequence[int]) -> None:
        self._fail("ended")


@pytest.fixture
def crowded(make_problem: Any) -> Problem:
    """Return a problem that needs an eviction."""
    models = {"a": (1, 50, 1), "b": (1, 50, 1)}
    workflows = {name: ([name], []) for name in models}
    made: Problem = make_problem(models, workflows, [("a", 0, [1]), ("b", 1, [1])], 1)
    return made


LINE = Path(__file__).read_text("utf-8").splitlines().index("            raise self.error") + 1


@pytest.mark.parametrize(
    "where", ["prepare", "rank", "group", "place", "evict", "started", "ended"]
)
def test_a_policy_that_fails_is_told_where(crowded: Problem, where: str) -> None:
    with pytest.raises(PolicyError) as caught:
        simulate(crowded, Failing(where))
    assert str(caught.value) == (
        f"policy failing: ValueError: on purpose and on two lines ({__file__}:{LINE} in _fail)"
    )
    with pytest.raises(PolicyError, match=rf"policy failing: KeyError \({__file__}"):
        simulate(crowded, Failing(where, KeyError()))


def test_a_mistake_in_what_is_asked_of_devices_points_at_the_policy(problem: Problem) -> None:
    def choose(queue: Queue, devices: Devices) -> Iterator[Placement]:
        devices.resident(99)
        yield Placement(STRANGER, (0,))

    with pytest.raises(PolicyError, match=r"IndexError: there is no GPU 99; .*test_engine_faults"):
        simulate(problem, choosing(choose))


def test_what_a_policy_says_of_its_options_passes(problem: Problem) -> None:
    with pytest.raises(InputError, match=r"^--policy: no such option$") as caught:
        simulate(problem, Failing("prepare", InputError("--policy: no such option")))
    assert not isinstance(caught.value, PolicyError)


def test_an_eviction_of_what_is_not_there_is_refused(crowded: Problem) -> None:
    with pytest.raises(PolicyError, match=r"evict\(\) names 'stranger', which is not on GPU 0"):
        simulate(crowded, Failing("evict strangers"))


def test_ranks_that_cannot_be_compared_are_told(problem: Problem) -> None:
    class Mixed(Policy):
        def rank(self, task: Task) -> Any:
            return "text" if task.index % 2 else 1

    with pytest.raises(PolicyError, match="policy fifo: its ranks cannot be compared"):
        simulate(problem, Mixed())


def test_the_simulators_own_faults_are_not_blamed_on_the_policy(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fedloom.scheduling.simulate import events

    monkeypatch.setattr(events.TaskMaker, "make", None)
    with pytest.raises(TypeError):
        simulate(problem, Policy())


def test_a_policy_that_places_no_more_leaves_tasks_over(problem: Problem) -> None:
    def choose(queue: Queue, devices: Devices) -> Iterator[Placement]:
        for task in listed(queue):
            if task.gpus == 1 and (gpus := devices.find(task)):
                yield Placement(task, gpus)

    schedule = simulate(problem, choosing(choose))
    assert schedule.end_us[2] == NEVER
    assert schedule.ready_us[2] == problem.arrival_us[2]  # it waits to the end
    assert schedule.start_us[2] == NEVER
    assert (schedule.end_us[[0, 1, 3]] > 0).all()
    assert schedule.stopped == (
        "policy chooser placed nothing more though all GPUs were idle, with 1 of 4 tasks not "
        "done; first in the queue was n0 of req_0002: g on 2 GPUs"
    )


def test_a_policy_object_serves_several_simulations(problem: Problem) -> None:
    policy = Policy()
    first, second = simulate(problem, policy), simulate(problem, policy)
    np.testing.assert_array_equal(first.end_us, second.end_us)


# What a policy knows


def reachable(roots: Sequence[object]) -> Iterator[object]:
    """Yield all data that can be reached from some objects; code and modules lead everywhere."""
    seen: set[int] = set()
    stack = list(roots)
    closed = (type, types.ModuleType, types.CodeType, types.FrameType)
    while stack:
        each = stack.pop()
        if id(each) in seen or isinstance(each, closed):
            continue
        seen.add(id(each))
        yield each
        if inspect.isfunction(each):
            stack += [cell.cell_contents for cell in each.__closure__ or ()]
        else:
            stack += gc.get_referents(each)


@pytest.mark.parametrize("offline", [False, True])
def test_the_future_is_only_known_offline(make_problem: Any, offline: bool) -> None:
    requests = [("w", at, [1]) for at in range(50)]
    problem = make_problem({"m": (1, 16, 0)}, {"w": (["m"], [])}, requests, 2)
    found: list[bool] = []

    class Spy(Policy):
        name = "spy"

        def prepare(self, setting: Setting) -> None:
            self.setting = setting

        def choose(self, queue: Queue, devices: Devices) -> Iterator[Placement]:
            known = list(reachable([self, queue, devices]))
            future = {id(problem), id(problem.arrival_us), id(problem.duration_us)}
            # Nothing holds the problem, and no task that is not here yet.
            tasks = [each for each in known if isinstance(each, Task)]
            assert all(each.ready_us <= devices.now_us for each in tasks)
            found.append(any(id(each) in future for each in known))
            yield from super().choose(queue, devices)

    simulate(problem, Spy(), offline=offline)
    assert found
    assert set(found) == {offline}


def test_the_setting_is_handed_over(make_problem: Any) -> None:
    heard: list[Setting] = []

    class Listener(Policy):
        def prepare(self, setting: Setting) -> None:
            heard.append(setting)

    problem = make_problem(
        {"m": (1, 16, 0)}, {"w": (["m"], [])}, [("w", 0, [1])], 1, tenants={"x": 2.0, "y": 1.0}
    )
    simulate(problem, Listener(), setting=Setting(seed=7, options={"a": "b"}))
    simulate(problem, Listener(), setting=Setting(tenant_weights={"x": 9.0}), offline=True)
    assert heard[0] == Setting(7, {"x": 2.0, "y": 1.0}, None, {"a": "b"})
    assert heard[1].tenant_weights == {"x": 9.0}
    assert isinstance(heard[1].foresight, KnownArrivals)


def test_the_next_use_of_a_model(make_problem: Any) -> None:
    problem = make_problem(
        {"a": (1, 16, 0), "b": (1, 16, 0), "c": (1, 16, 0)},
        {"x": (["a", "b"], []), "y": (["b"], [])},
        [("x", 0, [1, 1]), ("y", 2, [1]), ("x", 5, [1, 1]), ("y", 5, [1])],
    )
    foresight = KnownArrivals(problem)
    assert foresight.next_use_us("a", -1) == 0
    assert foresight.next_use_us("a", 0) == 5_000_000
    assert foresight.next_use_us("b", 0) == 2_000_000
    assert foresight.next_use_us("b", 2_000_000) == 5_000_000
    assert foresight.next_use_us("b", 5_000_000) is None
    assert foresight.next_use_us("c", 0) is None
    assert foresight.next_use_us("unheard of", 0) is None


def test_hooks_hear_of_starts_and_ends(problem: Problem) -> None:
    heard: list[tuple[str, int, tuple[int, ...], int]] = []

    class Listener(Policy):
        def started(self, task: Task, gpus: Sequence[int], end_us: int) -> None:
            heard.append(("start", task.index, tuple(gpus), end_us))

        def ended(self, task: Task, gpus: Sequence[int]) -> None:
            heard.append(("end", task.index, tuple(gpus), 0))

    simulate(problem, Listener())
    assert heard == [
        ("start", 0, (0,), 14_000_000),
        ("start", 1, (1,), 14_000_000),
        ("start", 2, (2, 3), 14_000_000),
        ("end", 0, (0,), 0),
        ("end", 1, (1,), 0),
        ("end", 2, (2, 3), 0),
        ("start", 3, (0,), 19_000_000),
        ("end", 3, (0,), 0),
    ]


def test_a_task_says_what_is_known_of_it(make_problem: Any) -> None:
    seen: list[Task] = []

    class Listener(Policy):
        def rank(self, task: Task) -> int:
            seen.append(task)
            return 0

    problem = make_problem(
        {"m": (1, 16, 4), "g": (2, 33, 4)},
        {"w": (["m", "g", "m"], [(0, 1), (0, 2)])},
        [("w", 0, [1, 2, 3]), ("w", 0, [1, 2, 3])],
        2,
        estimates=[[1, 5, 3], [1, 2, 3]],
        tenants={"x": 1.0},
        tenant=[0, -1],
        priority=[3, 0],
        deadline_s=[30, None],
    )
    simulate(problem, Listener())
    assert [(t.index, t.request_id, t.node_id, t.model, t.gpus, t.memory_mb) for t in seen[:4]] == [
        (0, "req_0000", "n0", "m", 1, 16_000),
        (3, "req_0001", "n0", "m", 1, 16_000),
        (1, "req_0000", "n1", "g", 2, 16_500),
        (2, "req_0000", "n2", "m", 1, 16_000),
    ]
    assert [(t.estimate_us, t.remaining_us) for t in seen[:4]] == [
        (1_000_000, 6_000_000),
        (1_000_000, 4_000_000),
        (5_000_000, 5_000_000),
        (3_000_000, 3_000_000),
    ]
    assert [(t.tenant, t.priority, t.deadline_us) for t in seen[:2]] == [
        ("x", 3, 30_000_000),
        ("", 0, None),
    ]
    assert [(t.arrival_us, t.ready_us) for t in seen[:3]] == [(0, 0), (0, 0), (0, 5_000_000)]


# Cores


class Ranked(Policy):
    def rank(self, task: Task) -> int:
        return task.priority

    def rank_all(self, tasks: TaskColumns) -> Any:
        return tasks.priority


class RankedAnew(Ranked):
    def rank(self, task: Task) -> int:
        return -task.priority


class Placing(Policy):
    def place(self, task: Task, devices: Devices) -> tuple[int, ...] | None:
        return devices.find(task)


class OnlyPrepared(Policy):
    def prepare(self, setting: Setting) -> None:
        pass


def test_which_policies_the_compiled_core_can_serve(problem: Problem) -> None:
    assert is_static(Policy())
    assert is_static(OnlyPrepared())
    assert is_static(Ranked())
    assert not is_static(RankedAnew())
    assert not is_static(Placing())
    changed = Policy()
    changed.choose = lambda queue, devices: iter(())  # type: ignore[method-assign]
    assert not is_static(changed)
    assert choose_core(problem, Policy(), "auto") == "python"
    with pytest.raises(InputError, match="does more than order the queue"):
        simulate(problem, Placing(), core="compiled")
    with pytest.raises(InputError, match="core='fast'"):
        simulate(problem, Policy(), core="fast")  # type: ignore[arg-type]


def test_many_tasks_are_worth_compiling(make_problem: Any) -> None:
    requests = [("w", 0, [1])] * 50_000
    many = make_problem({"m": (1, 16, 0)}, {"w": (["m"], [])}, requests, 2)
    assert choose_core(many, Policy(), "auto") == "compiled"
    assert choose_core(many, Placing(), "auto") == "python"
    assert choose_core(many, Policy(), "python") == "python"
