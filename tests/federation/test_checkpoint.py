"""A loop's state survives as arrays, for every algorithm."""

from __future__ import annotations

import numpy as np
import pytest
from jax import tree

from fedloom.errors import DataError
from fedloom.federation.algorithm import algorithm_names, build_algorithm
from fedloom.federation.checkpoint import pack_state, unpack_state
from fedloom.federation.loop import LoopSettings, LoopState, begin, run_rounds

from .fake_fleet import FakeClock, FakeFleet

START = [np.float32([1.0]), np.float32([5.0])]
CLIENTS = 9


def begin_run(name: str) -> LoopState:
    return begin(build_algorithm(name, clients=CLIENTS, cohort=CLIENTS), START, [0])


def advance(name: str, state: LoopState, rounds: int) -> LoopState:
    algorithm = build_algorithm(name, clients=CLIENTS, cohort=CLIENTS)
    moves = np.linspace(0.1, 0.9, CLIENTS).tolist()
    fleet = FakeFleet(moves, drifts=moves if algorithm.objective.stateful else ())
    settings = LoopSettings(rounds=rounds, cohort=CLIENTS, epochs=1, seed=3, trainable_indices=[0])
    outcomes = run_rounds(
        state, algorithm=algorithm, fleet=fleet, settings=settings, clock=FakeClock()
    )
    return list(outcomes)[-1].state


def same(left: LoopState, right: LoopState) -> bool:
    pairs = zip(tree.leaves(pack_state(left)), tree.leaves(pack_state(right)), strict=True)
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in pairs)


@pytest.mark.parametrize("name", algorithm_names())
def test_a_state_comes_back_and_goes_on_as_if_nothing_had_been(name: str) -> None:
    state = advance(name, begin_run(name), 2)
    restored = unpack_state(pack_state(state), begin_run(name))
    assert restored.round == 2
    assert same(restored, state)
    assert same(advance(name, restored, 4), advance(name, state, 4))


def test_only_arrays_are_packed_under_names_of_their_own() -> None:
    packed = pack_state(advance("FedAdam", begin_run("FedAdam"), 1))
    assert {name.partition("/")[0] for name in packed} == {"round", "weights", "server"}
    assert all(isinstance(array, np.ndarray | np.generic) for array in packed.values())


@pytest.mark.parametrize(
    ("name", "other", "group"), [("FedAvg", "FedAdam", "server"), ("FedAvg", "Scaffold", "shared")]
)
def test_the_state_of_another_algorithm_is_refused(name: str, other: str, group: str) -> None:
    with pytest.raises(DataError, match=f"the checkpoint's {group} belong to another"):
        unpack_state(pack_state(begin_run(name)), begin_run(other))


def test_the_state_of_another_model_is_refused() -> None:
    algorithm = build_algorithm("FedAvg", clients=1, cohort=1)
    wide = begin(algorithm, [np.zeros((1, 2), np.float32), START[1]], [0])
    with pytest.raises(DataError, match="weights belong to another model"):
        unpack_state(pack_state(begin_run("FedAvg")), wide)
