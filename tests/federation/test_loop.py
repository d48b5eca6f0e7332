"""The loop with a fleet of named moves: every number here is worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fedloom.errors import RunFailedError
from fedloom.federation.algorithm import Algorithm, build_algorithm
from fedloom.federation.devices import DeviceModel
from fedloom.federation.fleet import Failure, LocalEvaluation
from fedloom.federation.loop import LoopSettings, LoopState, RoundOutcome, begin, run_rounds

from .fake_fleet import FakeClock, FakeFleet

# One trainable array, and one that the server optimizer does not touch, such as batch statistics.
START = [np.float32([1.0, 1.0]), np.float32([5.0])]


def algorithm_of(name: str, clients: int, cohort: int | None = None, **params: float) -> Algorithm:
    return build_algorithm(name, clients=clients, cohort=cohort or clients, params=params)


def run(
    fleet: FakeFleet,
    algorithm: Algorithm,
    rounds: int = 1,
    *,
    state: LoopState | None = None,
    clock: FakeClock | None = None,
    sinks: Any = None,
    **changes: Any,
) -> list[RoundOutcome]:
    values: dict[str, Any] = {
        "rounds": rounds,
        "cohort": len(fleet.clients()),
        "epochs": 1,
        "seed": 7,
        "trainable_indices": [0],
    }
    settings = LoopSettings(**values | changes)
    first = state or begin(algorithm, START, [0])
    more = {} if sinks is None else {"sink_for": sinks}
    clock = clock or FakeClock()
    return list(
        run_rounds(first, algorithm=algorithm, fleet=fleet, settings=settings, clock=clock, **more)
    )


def moved(outcome: RoundOutcome) -> list[list[float]]:
    return [w.tolist() for w in outcome.state.weights]


# Aggregation and server step


def test_fedavg_weighs_by_examples() -> None:
    (outcome,) = run(FakeFleet([1.0, 5.0], [1, 3]), algorithm_of("FedAvg", 2))
    assert moved(outcome) == [[5.0, 5.0], [15.0]]  # 1 + (1·1 + 3·5) / 4
    assert outcome.update_norm == pytest.approx((4**2 + 4**2 + 10**2) ** 0.5)
    assert (outcome.evaluation.loss, outcome.evaluation.score) == (10.0, 15.0)
    assert outcome.participants == [0, 1]
    assert outcome.epsilon is None
    assert [w.dtype for w in outcome.state.weights] == [np.float32, np.float32]


def test_the_server_learning_rate_scales_only_what_is_trained() -> None:
    algorithm = algorithm_of("FedAvg", 2, server_learning_rate=0.5)
    (outcome,) = run(FakeFleet([1.0, 5.0], [1, 3]), algorithm)
    assert moved(outcome) == [[3.0, 3.0], [15.0]]


def test_fedavgm_keeps_a_share_of_its_last_step() -> None:
    algorithm = algorithm_of("FedAvgM", 1, server_momentum=0.5)
    first, second = run(FakeFleet([2.0]), algorithm, rounds=2)
    assert moved(first) == [[3.0, 3.0], [15.0]]  # + 2
    assert moved(second) == [[6.0, 6.0], [25.0]]  # + 2 + 0.5 · 2


def test_rounds_go_on_from_a_state() -> None:
    algorithm = algorithm_of("FedAvgM", 1)
    whole = run(FakeFleet([2.0]), algorithm, rounds=3)
    rest = run(FakeFleet([2.0]), algorithm, rounds=3, state=whole[0].state)
    assert [o.state.round for o in rest] == [2, 3]
    assert moved(rest[-1]) == moved(whole[-1])


# Who takes part


def test_a_failed_client_is_a_result_and_the_others_count() -> None:
    (outcome,) = run(FakeFleet([1.0, None, 3.0]), algorithm_of("FedAvg", 3))
    assert moved(outcome) == [[3.0, 3.0], [15.0]]
    assert [r.failure for r in outcome.results] == [None, Failure.ERROR, None]
    assert outcome.participants == [0, 2]


def test_weights_stay_where_every_client_fails() -> None:
    first, second = run(FakeFleet([None, None]), algorithm_of("FedAdam", 2), rounds=2)
    assert moved(second) == [[1.0, 1.0], [5.0]]
    assert (second.state.round, second.update_norm) == (2, 0.0)
    assert first.participants == []


def test_dropped_clients_are_never_asked() -> None:
    fleet = FakeFleet([1.0] * 40)
    (outcome,) = run(fleet, algorithm_of("FedAvg", 40), dropout=0.5)
    dropped = [r.client for r in outcome.results if r.failure is Failure.DROPPED_OUT]
    assert 5 < len(dropped) < 35
    assert sorted([*fleet.orders[0].cohort, *dropped]) == list(range(40))
    assert outcome.participants == fleet.orders[0].cohort


def test_all_may_drop_out() -> None:
    fleet = FakeFleet([1.0, 1.0])
    (outcome,) = run(fleet, algorithm_of("FedAvg", 2), dropout=1.0)
    assert fleet.orders[0].cohort == []
    assert {r.failure for r in outcome.results} == {Failure.DROPPED_OUT}
    assert moved(outcome) == [[1.0, 1.0], [5.0]]


def test_slow_devices_are_stragglers_and_cost_the_host_nothing() -> None:
    # 12 bytes each way take 12 + 12 s; 10 rows × 2 epochs take 20 s, 30 rows take 60 s.
    devices = DeviceModel(
        examples_per_second=1.0,
        upload_bytes_per_second=1.0,
        download_bytes_per_second=1.0,
        deadline_s=50.0,
    )
    fleet = FakeFleet([1.0, 1.0], [10, 30])
    (outcome,) = run(fleet, algorithm_of("FedAvg", 2), devices=devices, epochs=2)
    assert fleet.orders[0].cohort == [0]
    assert [r.failure for r in outcome.results] == [None, Failure.STRAGGLER]
    assert outcome.devices is not None
    assert outcome.devices.train_seconds.tolist() == [20.0, 60.0]
    assert outcome.devices.transfer_seconds.tolist() == [24.0, 24.0]


def test_devices_that_are_away_are_never_asked() -> None:
    fleet = FakeFleet([1.0] * 40)
    devices = DeviceModel(availability=0.5)
    (outcome,) = run(fleet, algorithm_of("FedAvg", 40), devices=devices, dropout=0.2)
    failures = {r.client: r.failure for r in outcome.results}
    assert set(failures.values()) == {None, Failure.UNAVAILABLE, Failure.DROPPED_OUT}
    assert fleet.orders[0].cohort == [c for c, failure in failures.items() if failure is None]


def test_the_cohort_is_drawn_anew_for_each_round() -> None:
    fleet = FakeFleet([1.0] * 20)
    outcomes = run(fleet, algorithm_of("FedAvg", 20, 5), rounds=3, cohort=5)
    chosen = [[r.client for r in o.results] for o in outcomes]
    assert [len(c) for c in chosen] == [5, 5, 5]
    assert chosen[0] != chosen[1]
    assert all(c == sorted(c) for c in chosen)


# What an order says


def test_orders_carry_the_plan_and_the_weights() -> None:
    fleet = FakeFleet([1.0])
    stored: list[tuple[int, int, list[float]]] = []

    def sink_for(number: int) -> Any:
        return lambda client, weights: stored.append((number, client, weights[0].tolist()))

    run(
        fleet,
        algorithm_of("FedAvg", 1),
        rounds=2,
        sinks=sink_for,
        local_evaluation=LocalEvaluation.SAMPLE,
        deadline_s=9.0,
    )
    second = fleet.orders[1]
    assert (second.round, second.seed, second.deadline_s) == (2, 7, 9.0)
    assert second.local_evaluation is LocalEvaluation.SAMPLE
    assert second.weights[0].tolist() == [2.0, 2.0]
    assert stored == [(1, 0, [2.0, 2.0]), (2, 0, [3.0, 3.0])]


def test_scaffold_moves_its_shared_variate_by_the_participants_share() -> None:
    start = [np.float32([1.0]), np.float32([5.0])]
    algorithm = algorithm_of("Scaffold", 3)
    fleet = FakeFleet([1.0, 1.0, None], [1, 3, 4], drifts=[2.0, 6.0, 0.0])
    first, second = run(fleet, algorithm, rounds=2, state=begin(algorithm, start, [0]))
    # mean drift (1·2 + 3·6) / 4 = 5, times 4 of 8 examples
    assert [c.tolist() for c in first.state.shared] == [[2.5]]
    assert [c.tolist() for c in fleet.orders[0].shared] == [[0.0]]
    assert [c.tolist() for c in fleet.orders[1].shared] == [[2.5]]
    assert [c.tolist() for c in second.state.shared] == [[5.0]]


# Privacy


def private(clients: int, cohort: int, noise: float = 1.0) -> Algorithm:
    return algorithm_of("DPFedAvg", clients, cohort, clip_norm=1.0, noise_multiplier=noise)


def test_noise_is_derived_from_the_seed_and_the_round() -> None:
    def end(seed: int, rounds: int = 1) -> list[list[float]]:
        return moved(run(FakeFleet([0.0] * 4), private(4, 4), rounds=rounds, seed=seed)[-1])

    assert end(1) == end(1)
    assert end(1) != end(2)
    first, second = run(FakeFleet([0.0] * 4), private(4, 4), rounds=2)
    steps = [np.subtract(o.state.weights[0], w[0]) for o, w in ((first, START),)]
    assert (np.subtract(second.state.weights[0], first.state.weights[0]) != steps[0]).all()


def test_epsilon_grows_with_the_rounds() -> None:
    outcomes = run(FakeFleet([0.0] * 4), private(4, 2), rounds=3, cohort=2)
    spent = [o.epsilon for o in outcomes]
    assert None not in spent
    assert 0 < spent[0] < spent[1] < spent[2]  # type: ignore[operator]


def test_the_divisor_is_the_expected_cohort_not_the_one_that_came() -> None:
    fleet = FakeFleet([0.3, None])
    algorithm = algorithm_of("DPFedAvg", 2, clip_norm=100.0, noise_multiplier=0.0)
    (outcome,) = run(fleet, algorithm)
    assert moved(outcome)[0] == pytest.approx([1.15, 1.15])


def test_a_round_in_which_nobody_was_drawn_still_adds_noise_and_counts() -> None:
    # 2 expected of 12: with this seed, some round of the first 30 has nobody.
    outcomes = run(FakeFleet([0.0] * 12), private(12, 2), rounds=30, cohort=2)
    empty = [o for o in outcomes if not o.results]
    assert empty
    assert empty[0].participants == []
    assert empty[0].update_norm > 0
    assert empty[0].epsilon is not None


# Failures and times


def test_weights_that_are_no_longer_finite_end_the_run() -> None:
    fleet = FakeFleet([3e38])
    with (
        np.errstate(over="ignore"),
        pytest.raises(RunFailedError, match=r"round 1: .* no longer finite; lower learning_rate"),
    ):
        run(fleet, algorithm_of("FedAvg", 1, server_learning_rate=10.0))


def test_seconds_come_from_the_clock_and_scoring_is_apart() -> None:
    clock = FakeClock()
    (outcome,) = run(FakeFleet([1.0], clock=clock), algorithm_of("FedAvg", 1), clock=clock)
    # The fleet's 10 s hold 3 s of scoring and 2 s of storing; scoring the new weights takes 0.5 s.
    assert (outcome.train_seconds, outcome.evaluate_seconds) == (5.0, 3.5)


def test_train_seconds_are_never_negative() -> None:
    (outcome,) = run(FakeFleet([1.0]), algorithm_of("FedAvg", 1))
    assert outcome.train_seconds == 0.0


def test_the_state_given_is_left_as_it_was() -> None:
    algorithm = algorithm_of("FedAvgM", 1)
    state = begin(algorithm, START, [0])
    kept = replace(state, weights=[w.copy() for w in state.weights])
    run(FakeFleet([2.0]), algorithm, rounds=2, state=state)
    assert [w.tolist() for w in state.weights] == [w.tolist() for w in kept.weights]
