from __future__ import annotations

import numpy as np

from fedloom.fleet.client_memory import ClientMemory


def test_clients_are_remembered_apart_and_come_back_from_a_checkpoint():
    memory = ClientMemory([np.zeros(2), np.ones(1)])
    state = [np.array([1.0, 2.0]), np.array([3.0])]
    memory.remember(12, state)
    state[0][0] = 99.0  # the memory keeps a copy
    other = ClientMemory([np.zeros(2), np.ones(1)])
    other.remember(7, state)
    other.load(memory.save())
    assert sorted(memory.save()) == ["12/0", "12/1"]
    assert [a.tolist() for a in other.recall(12)] == [[1.0, 2.0], [3.0]]
    assert [a.tolist() for a in other.recall(7)] == [[0.0, 0.0], [1.0]]


def test_nothing_to_remember():
    memory = ClientMemory([])
    assert not memory
    assert memory.recall(3) == []
    assert memory.save() == {}


def test_more_than_ten_arrays_keep_their_order():
    memory = ClientMemory([np.zeros(1)] * 12)
    memory.remember(0, [np.array([float(i)]) for i in range(12)])
    other = ClientMemory([np.zeros(1)] * 12)
    other.load(memory.save())
    assert [float(a[0]) for a in other.recall(0)] == list(map(float, range(12)))
