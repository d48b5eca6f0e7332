"""The small parts of a cell: shards, the order of folds, meters, divergence, history."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf, nan
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedloom.bench.cell import usage
from fedloom.bench.cell.belonging import Belonging
from fedloom.bench.cell.divergence import DivergedError, refuse_divergence
from fedloom.bench.cell.doorway import open_doorway, read_address
from fedloom.bench.cell.history import History
from fedloom.bench.cell.in_order import InOrder
from fedloom.bench.cell.shards import deal_evaluation_rows, take_shard
from fedloom.cli.spread import spread_lists
from fedloom.errors import InputError, LinkError
from fedloom.experiment import make_plan, split_dataset
from fedloom.federation.fleet import ClientResult, Failure
from fedloom.federation.reduce import Update, mean_by_examples


@given(rows=st.integers(1, 400), clients=st.integers(1, 20), seed=st.integers(0, 9))
def test_every_held_out_row_has_one_client(rows, clients, seed):
    if rows < clients:
        with pytest.raises(InputError, match=f"n_client_instances={clients}"):
            deal_evaluation_rows(rows, clients, seed)
        return
    parts = deal_evaluation_rows(rows, clients, seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(rows))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    again = deal_evaluation_rows(rows, clients, seed)
    assert all((a == b).all() for a, b in zip(parts, again, strict=True))


def test_shards_are_equal_to_one_row_and_together_the_whole_data_set():
    plan = make_plan({"dataset": "iris", "clients": 7, "model": "mlp"})
    split = split_dataset(plan)
    shards = [take_shard(split, index, plan.seed) for index in range(7)]
    for part in ("train", "test"):
        sizes = [len(getattr(shard, f"{part}_labels")) for shard in shards]
        assert max(sizes) - min(sizes) <= 1
        pooled = np.concatenate([getattr(shard, f"{part}_features") for shard in shards])
        whole = getattr(split.dataset, f"{part}_features")
        assert sorted(map(tuple, pooled.tolist())) == sorted(map(tuple, whole.tolist()))


@given(data=st.data())
def test_updates_are_folded_in_the_clients_order_whichever_came_first(data):
    count = data.draw(st.integers(1, 6))
    cohort = sorted(data.draw(st.sets(st.integers(0, 30), min_size=count, max_size=count)))
    arrival = data.draw(st.permutations(cohort))
    failing = data.draw(st.sets(st.sampled_from(cohort), max_size=count - 1))
    generator = np.random.default_rng(count)
    updates = {c: Update([generator.normal(size=3).astype("f4")], c + 1) for c in cohort}
    reducer, start = mean_by_examples(), [np.zeros(3, np.float32)]
    expected = reducer.init(start)
    for client in cohort:
        if client not in failing:
            expected = reducer.add(expected, updates[client])

    folding = InOrder(reducer, cohort)
    wrapped = folding.wrapped()
    state = wrapped.init(start)
    for client in arrival:
        if client in failing:
            folding.tell(ClientResult(client, Failure.LOST))
            continue
        copied = Update([array.copy() for array in updates[client].delta], client + 1)
        state = wrapped.consume(state, copied)
        folding.tell(ClientResult(client))
    found = reducer.finish(folding.finish())
    assert found[0].tobytes() == reducer.finish(expected)[0].tobytes()


def test_clients_that_are_never_told_of_do_not_hold_up_the_others():
    folding = InOrder(mean_by_examples(), [0, 1])
    wrapped = folding.wrapped()
    state = wrapped.init([np.zeros(1)])
    wrapped.consume(state, Update([np.array([3.0])], 2))
    folding.tell(ClientResult(1))
    assert mean_by_examples().finish(folding.finish())[0].tolist() == [3.0]


def test_a_meter_tells_own_and_machine_apart(monkeypatch):
    clock = iter([0.0, 5.0, 7.0, 8.0, 10.0])
    own = iter([(1.0, 0.5), (3.0, 1.5), (3.0, 1.5), (3.0, 1.5)])
    machine = iter(
        [
            {"user": 10.0, "system": 5.0, "idle": 100.0, "iowait": 3.0, "guest": 9.0},
            {"user": 12.0, "system": 6.0, "idle": 100.0, "iowait": 4.0, "guest": 11.0},
            {"user": 12.0, "system": 6.0, "idle": 100.0, "iowait": 4.0, "guest": 11.0},
            {"user": 12.0, "system": 6.0, "idle": 104.0, "iowait": 4.0, "guest": 11.0},
        ]
    )
    monkeypatch.setattr(usage, "perf_counter", lambda: next(clock))
    times = SimpleNamespace(_asdict=lambda: next(machine))
    monkeypatch.setattr(usage.psutil, "cpu_times", lambda: times)
    process = SimpleNamespace(
        cpu_times=lambda: SimpleNamespace(**dict(zip(("user", "system"), next(own), strict=True))),
        memory_info=lambda: SimpleNamespace(rss=4096),
    )
    meter = usage.Meter(process, 0.0)
    next(clock)
    with meter.measure() as first:
        pass
    # From 5 to 7: three seconds of processor in two of wall; machine 3 busy of 4 in all.
    assert (first.waiting_seconds, first.seconds) == (5.0, 2.0)
    assert (first.cpu_percent, first.machine_cpu_percent) == (150.0, 75.0)
    with meter.measure() as second:
        pass
    assert second.numbers("fit_seconds") == {
        "fit_seconds": 2.0,
        "cpu_percent": 0.0,
        "machine_cpu_percent": 0.0,
        "memory_bytes": 4096.0,
        "waiting_seconds": 1.0,
    }


def test_a_usage_that_ends_in_an_error_is_still_complete():
    meter = usage.Meter()
    with pytest.raises(ZeroDivisionError), meter.measure() as used:
        _ = 1 / 0
    assert used.memory_bytes > 0
    assert used.began <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("loss", "initial", "diverged"),
    [
        (nan, 2.3, True),
        (inf, 2.3, True),
        (None, 2.3, True),
        (1e10, 2.3, True),
        (230.1, 2.3, True),
        (229.9, 2.3, False),
        (2.044, 2.3, False),
        (1e9, inf, False),
        (0.0, 0.0, False),
    ],
)
def test_divergence_is_a_loss_that_is_huge_or_no_number(loss, initial, diverged):
    if diverged:
        with pytest.raises(DivergedError, match="round 3: the loss"):
            refuse_divergence(3, loss, initial)
    else:
        refuse_divergence(3, loss, initial)


def test_a_target_is_reached_the_first_time_it_is():
    history = History()
    for number, score in enumerate((0.1, 0.5, 0.7, 0.6, 0.9)):
        history.add("evaluate", "score", number, score)
        history.add("evaluate", "elapsed_seconds", number, 10.0 * number)
    assert history.seconds_to(0.6) == 20.0
    assert history.seconds_to(0.05) == 0.0
    assert history.seconds_to(0.95) is None
    assert history.seconds_to(None) is None
    assert (history.rounds, history.seconds) == (0, 0.0)


def test_orders_of_other_cells_are_told_apart():
    ours = Belonging("r", "jax-FedAvg-2")
    assert ours.find_fault(ours.settings) == ""
    assert "run=None" in ours.find_fault({})
    assert "cell=jax-FedAdam-2" in ours.find_fault(Belonging("r", "jax-FedAdam-2").settings)
    assert ours.task != Belonging("q", "jax-FedAvg-2").task


def test_a_port_that_is_taken_is_said_before_anything_starts(tmp_path):
    from socket import socket

    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(LinkError, match=f"listen={address}: .*in use; choose another"),
            open_doorway(address, tmp_path / "door", None),
        ):
            pass
    assert not (tmp_path / "door").exists()


@pytest.mark.parametrize("text", ["9092", "host", ":9092", "host:port", "host:70000"])
def test_an_address_that_is_none_is_refused(text):
    with pytest.raises(InputError, match="host:port such as"):
        read_address("listen", text)


def test_certificates_that_are_not_there_are_named(tmp_path):
    with (
        pytest.raises(InputError, match=r"there is no ca\.pem"),
        open_doorway("127.0.0.1:0", tmp_path / "door", tmp_path),
    ):
        pass


_LISTS = ("--backend", "--n-clients")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("--backend jax torch --json", "--backend jax --backend torch --json"),
        ("--n_clients 2 5", "--n-clients 2 --n-clients 5"),
        ("--n-clients=2 5 --a b c", "--n-clients=2 --n-clients 5 --a b c"),
        ("--backend jax -q torch", "--backend jax -q torch"),
        ("--num_rounds 3 --backend", "--num-rounds 3 --backend"),
        ("--run my_run", "--run my_run"),
        ("--run=my_run", "--run=my_run"),
    ],
)
def test_one_flag_takes_several_values(given, expected):
    assert spread_lists(given.split(), _LISTS) == expected.split()
