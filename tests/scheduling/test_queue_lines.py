from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedloom.errors import InputError
from fedloom.scheduling.policy import Policy, Rank
from fedloom.scheduling.queue import TaskQueue
from fedloom.scheduling.task import Task


def task(index: int, rank: Any = 0, group: Any = "") -> Task:
    """Return a task that carries its rank as its priority and its group as its tenant."""
    made = Task(index, index, f"r{index}", "n", "m", 1, 1, 0, 0, 1, 1)
    made.priority, made.tenant = rank, group
    return made


class ByPriority(Policy):
    def rank(self, task: Task) -> Rank:
        return task.priority


class ByTenant(ByPriority):
    def group(self, task: Task) -> Any:
        return task.tenant


def filled(policy: Policy, *tasks: Task) -> TaskQueue:
    queue = TaskQueue(policy)
    for each in tasks:
        queue.add(each)
    return queue


def order(queue: TaskQueue, limit: int = 99, group: Any = None) -> list[int]:
    return [each.index for each in queue.in_order(limit, group)]


def test_tasks_of_equal_rank_stand_as_they_came() -> None:
    queue = filled(Policy(), task(3), task(1), task(2))
    assert order(queue) == [3, 1, 2]
    assert order(queue, 2) == [3, 1]
    assert order(queue, 0) == []
    first = queue.first()
    assert first is not None
    assert first.index == 3
    assert len(queue) == 3


def test_ranks_go_before_the_order_of_coming() -> None:
    queue = filled(ByPriority(), task(0, 5), task(1, 1), task(2, 5), task(3, 0))
    assert order(queue) == [3, 1, 0, 2]
    queue.add(task(4, 3))
    queue.add(task(5, -1))
    assert order(queue) == [5, 3, 1, 4, 0, 2]


def test_groups_are_lines_of_their_own() -> None:
    tasks = [task(0, 5, "x"), task(1, 1, "y"), task(2, 0, "x"), task(3, 2, "z")]
    queue = filled(ByTenant(), *tasks)
    assert list(queue.groups()) == ["x", "y", "z"]
    assert order(queue) == [2, 1, 3, 0]
    assert order(queue, group="x") == [2, 0]
    assert queue.first("y") is tasks[1]
    assert queue.first() is tasks[2]
    assert queue.first("none") is None
    assert order(queue, group="none") == []
    queue.remove(tasks[1])
    assert list(queue.groups()) == ["x", "z"]
    assert queue.first("y") is None


def test_an_empty_queue() -> None:
    queue = filled(Policy())
    assert len(queue) == 0
    assert not queue
    assert queue.first() is None
    assert order(queue) == []
    assert list(queue.groups()) == []


def test_it_knows_what_is_in_it() -> None:
    waiting, stranger = task(0), task(0)
    queue = filled(Policy(), waiting)
    assert waiting in queue
    assert stranger not in queue
    assert "rubbish" not in queue
    queue.remove(waiting)
    assert waiting not in queue


def test_tasks_may_be_placed_while_they_are_looked_at() -> None:
    tasks = [task(number) for number in range(300)]
    queue = filled(Policy(), *tasks)
    seen = []
    for each in queue.in_order(200):
        seen.append(each.index)
        queue.remove(each)
        if each.index % 10 == 0:
            queue.remove(tasks[each.index + 5])  # one further on
    assert seen == [n for n in range(300) if n % 10 != 5][:200]
    assert seen[-1] == 221
    assert order(queue, 999) == [n for n in range(222, 300) if n != 225]


@pytest.mark.parametrize("rank", [float("nan"), np.float64("nan")])
def test_a_rank_that_is_no_number_is_refused(rank: float) -> None:
    with pytest.raises(InputError, match="no number"):
        filled(ByPriority(), task(0, rank))


def test_ranks_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(InputError, match="cannot be compared"):
        filled(ByPriority(), task(0, 1), task(1, None))
    queue = filled(ByPriority(), task(0, (0,)), task(1, (1, "a")), task(2, (1, 2)))
    with pytest.raises(InputError, match="cannot be compared"):
        order(queue)


def test_a_group_that_cannot_be_a_key_is_refused() -> None:
    with pytest.raises(InputError, match=r"group\(\) gives \[\]"):
        filled(ByTenant(), task(0, 0, []))


steps = st.lists(
    st.tuples(st.sampled_from(["add", "add", "first", "peek", "some"]), st.integers(0, 20)),
    max_size=200,
)


@given(steps, st.booleans())
@settings(max_examples=200, deadline=None)
def test_it_is_a_sorted_list(steps: list[tuple[str, int]], grouped: bool) -> None:
    queue = TaskQueue(ByTenant() if grouped else ByPriority())
    waiting: list[tuple[int, int, Task]] = []
    for number, (what, value) in enumerate(steps):
        if what == "add":
            made = task(number, value % 7, f"t{value % 3}")
            queue.add(made)
            waiting.append((value % 7, number, made))
            waiting.sort(key=lambda entry: entry[:2])
        elif what == "first" and waiting:
            assert queue.first() is waiting[0][2]
            queue.remove(waiting.pop(0)[2])
        elif what == "peek":
            assert order(queue, value) == [entry[1] for entry in waiting[:value]]
        elif what == "some":
            gone = {each.index for each in islice(queue.in_order(999), None, None, 1 + value % 3)}
            for entry in list(waiting):
                if entry[1] in gone:
                    queue.remove(entry[2])
                    waiting.remove(entry)
        assert len(queue) == len(waiting)
    for group in ("t0", "t1", "t2") if grouped else ():
        expected = [entry[1] for entry in waiting if entry[2].tenant == group]
        assert order(queue, 999, group) == expected


def test_looking_far_ahead_again_and_again_is_cheap() -> None:
    queue = filled(ByPriority(), *(task(n, (n * 7919) % 10_007) for n in range(10_007)))
    for _ in range(3000):
        ahead = list(queue.in_order(50))
        assert len(ahead) == 50
        queue.remove(ahead[25])
    assert len(queue) == 7007
