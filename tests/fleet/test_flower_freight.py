"""Weights beside the SuperLink: the same rounds, through real HTTP, with all that can go wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from fedloom.errors import DataError
from fedloom.federation.fleet import Failure, Order
from fedloom.federation.reduce import mean_by_examples, median
from fedloom.fleet.client_memory import ClientMemory
from fedloom.fleet.flower import fold, post
from fedloom.fleet.flower.channel import Channel
from fedloom.fleet.flower.depot import Carrier, Depot
from fedloom.fleet.flower.endpoint import Endpoint
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.fleet.flower.freight import Waybill, load, make_room, spread, view_bytes
from fedloom.fleet.flower.letters import Patience
from fedloom.fleet.flower.messages import Describe, Description, Trained
from fedloom.fleet.flower.node import mail, node
from fedloom.fleet.flower.pulling import ObjectGoneError
from fedloom.fleet.flower.receipt import Receipt
from fedloom.fleet.flower.superlink import SuperLink

from .flower_world import REDUCER, failures, wait_until
from .thread_nodes import Adder, serve

SHAPES = ((300, 300), (17,), (), (0, 3))


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SuperLink]:
    with SuperLink(tmp_path_factory.mktemp("superlink")) as link:
        yield link


@pytest.fixture
def depot(tmp_path: Path) -> Iterator[Depot]:
    with Depot(tmp_path / "depot") as depot:
        yield depot


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note the large objects that a coordinator pushes to the SuperLink."""
    sizes: list[int] = []
    push = Channel._push

    def count(self: Channel, session: str, object_id: str, content: bytes) -> None:
        if len(content) > 10_000:  # the first question to a node comes as objects, too
            sizes.append(len(content))
        push(self, session, object_id, content)

    monkeypatch.setattr(Channel, "_push", count)
    return sizes


def model(value: float = 0.0) -> list[np.ndarray]:
    return [np.full(shape, value, np.float32) for shape in SHAPES]


@contextmanager
def fleet_of(link: SuperLink, task: str, depot: Depot | None, **more: Any) -> Iterator[FlowerFleet]:
    more.setdefault("patience", Patience(ask_s=2.0))
    fleet = FlowerFleet(link.endpoint, link.secret, task, {}, depot=depot, **more)
    with closing(fleet):
        yield fleet


def train(fleet: FlowerFleet, clients: int, number: int = 1, deadline_s: float = 120.0) -> Any:
    order = Order(number, list(range(clients)), model(), 7, deadline_s=deadline_s)
    return fleet.train(order, REDUCER)


def assert_mean(reply: Any, value: float) -> None:
    for array, shape in zip(REDUCER.finish(reply.state), SHAPES, strict=True):
        assert array.shape == shape
        assert np.allclose(array, value)


def left(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "depot").iterdir())


def test_rounds_are_the_same_and_nothing_large_passes_the_superlink(link, depot, tmp_path, pushed):
    with (
        serve(link, tmp_path, Adder("a", 1), Adder("b", 3)),
        fleet_of(link, "same", depot) as fleet,
    ):
        fleet.wait_for(2, 60)
        for number in (1, 2):
            reply = train(fleet, 2, number)
            assert failures(reply) == [None, None]
            assert_mean(reply, (1 * 1 + 3 * 3) / 4)
            assert left(tmp_path) == []
        assert fleet.evaluate(model(2.0)).loss == 2.0
        assert depot._shelf._held == {}, "a link outlives its round"
    assert pushed == []


def test_a_node_without_records_inside_messages_gets_all_in_messages(link, depot, tmp_path, pushed):
    class Plain(Adder):
        def handle(self, request: Any, stop: Event) -> Any:
            if isinstance(request, Describe):
                return Description(self.name, num_examples=self.rows, inside=False)
            return super().handle(request, stop)

    with (
        serve(link, tmp_path, Adder("a", 1), Plain("b", 3)),
        fleet_of(link, "plain", depot) as fleet,
    ):
        fleet.wait_for(2, 60)
        reply = train(fleet, 2)
    assert failures(reply) == [None, None]
    assert_mean(reply, 2.5)
    assert pushed


def test_what_an_algorithm_remembers_travels_too(link, depot, tmp_path, pushed):
    memory = ClientMemory(model(0.5))
    with (
        serve(link, tmp_path, Adder("a", 1), Adder("b", 3)),
        fleet_of(link, "memory", depot, memory=memory) as fleet,
    ):
        fleet.wait_for(2, 60)
        for number in (1, 2):
            reply = train(fleet, 2, number)
            assert failures(reply) == [None, None]
            drift = mean_by_examples().finish(reply.drift)
            assert all(np.allclose(d, 2.5) for d in drift)
    assert all(np.allclose(w, 2.5) for w in memory.recall(1))
    assert pushed == []


def test_weights_are_kept_and_robust_reducers_have_all_updates(link, depot, tmp_path):
    kept: dict[int, Any] = {}
    with (
        serve(link, tmp_path, *(Adder(f"n{i}", i) for i in (1, 2, 6))),
        fleet_of(link, "median", depot) as fleet,
    ):
        fleet.wait_for(3, 60)
        reducer = median()
        order = Order(1, [0, 1, 2], model(1.0), 7, sink=kept.__setitem__, deadline_s=120)
        reply = fleet.train(order, reducer)
    assert failures(reply) == [None] * 3
    assert all(np.allclose(a, 2.0) for a in reducer.finish(reply.state))
    assert {c: float(w[0][0, 0]) for c, w in kept.items()} == {0: 2.0, 1: 3.0, 2: 7.0}


def test_who_cannot_reach_the_depot_says_so(link, tmp_path, monkeypatch):
    monkeypatch.setattr(node, "Carrier", lambda endpoint: Carrier(endpoint, patience_s=0.3))
    with (
        Depot(tmp_path / "depot", public_url="http://127.0.0.1:9") as depot,
        serve(link, tmp_path, Adder("a", 1)),
        fleet_of(link, "nowhere", depot) as fleet,
    ):
        fleet.wait_for(1, 60)
        reply = train(fleet, 1)
    assert failures(reply) == [Failure.ERROR]
    assert "the depot cannot be reached" in reply.results[0].failure_detail


def test_who_can_fetch_but_not_bring_says_so(link, depot, tmp_path, monkeypatch):
    class Blocked(Carrier):
        def bring(self, link: str, *more: Any) -> None:
            super().bring(f"http://127.0.0.1:9{link[link.index('/v1/') :]}", *more)

    monkeypatch.setattr(node, "Carrier", lambda endpoint: Blocked(endpoint, patience_s=0.3))
    with serve(link, tmp_path, Adder("a", 1)), fleet_of(link, "blocked", depot) as fleet:
        fleet.wait_for(1, 60)
        reply = train(fleet, 1)
    assert failures(reply) == [Failure.ERROR]
    assert "the depot cannot be reached" in reply.results[0].failure_detail


def test_an_answer_that_is_too_large_is_refused_before_it_is_brought(link, depot, tmp_path):
    class Greedy(Adder):
        def handle(self, request: Any, stop: Event) -> Any:
            if hasattr(request, "weights"):
                return Trained([np.zeros(10**6, np.float32)], 1)
            return super().handle(request, stop)

    with (
        serve(link, tmp_path, Greedy("a", 1), Adder("b", 3)),
        fleet_of(link, "greedy", depot) as fleet,
    ):
        fleet.wait_for(2, 60)
        reply = train(fleet, 2)
    assert failures(reply) == [Failure.REJECTED, None]
    assert "4000000 bytes of arrays" in reply.results[0].failure_detail
    assert_mean(reply, 3.0)


def test_an_answer_that_is_lost_after_it_was_brought_counts_once(
    link, depot, tmp_path, monkeypatch
):
    """The letter is sent again; the node trains no second time, and brings what it has again."""
    lost, handler = [], Adder("a", 2)
    read = post.Post._read

    def lose(self: Any, letter: Any, arrival: Any, limit: Any) -> Any:
        if letter.receipt is not None and not lost:
            lost.append(depot.take(letter.receipt.link))
            raise ObjectGoneError("lost on the way")
        return read(self, letter, arrival, limit)

    monkeypatch.setattr(post.Post, "_read", lose)
    with (
        serve(link, tmp_path, handler, Adder("b", 4)),
        fleet_of(link, "lost", depot) as fleet,
    ):
        fleet.wait_for(2, 60)
        reply = train(fleet, 2)
        assert failures(reply) == [None, None]
        assert_mean(reply, (2 * 2 + 4 * 4) / 6)
        assert left(tmp_path) == []
    assert lost[0] is not None, "it was brought before the answer came"
    assert handler.heard.count("train") == 1


def test_what_comes_after_its_round_is_refused_and_the_next_counts(
    link, depot, tmp_path, caplog, monkeypatch
):
    """A late upload has no place any more."""
    held, handler = Event(), Adder("a", 2)
    make = mail.Mail._make

    def late(self: Any, message: Any, answer: Any, address: Any) -> Any:
        if isinstance(answer, Trained) and not held.is_set():
            assert held.wait(60)
        return make(self, message, answer, address)

    monkeypatch.setattr(mail.Mail, "_make", late)
    with serve(link, tmp_path, handler), fleet_of(link, "late", depot) as fleet:
        fleet.wait_for(1, 60)
        wait = train(fleet, 1, deadline_s=3.0)
        assert failures(wait) == [Failure.TIMEOUT]
        caplog.set_level("WARNING")
        held.set()
        wait_until(lambda: "wanted or offered no longer" in caplog.text, 60)
        assert left(tmp_path) == []
        reply = train(fleet, 1, number=2)
    assert failures(reply) == [None]
    assert_mean(reply, 2.0)


def test_a_receipt_takes_what_was_announced_and_nothing_else(depot, tmp_path):
    weights = {"weights": [np.arange(6, dtype=np.float32).reshape(2, 3)], "drift": [np.ones(2)]}
    freight = load(weights)
    announced = {n: [(np.dtype(d), tuple(s)) for d, s in g] for n, g in freight.described.items()}
    carrier = Carrier(Endpoint("127.0.0.1:9", insecure=True), 5.0)

    def brought() -> Receipt:
        receipt = Receipt(depot, depot.expect("t", 1000))
        with pytest.raises(DataError, match="has not brought"):
            receipt.unload(freight.waybill(), announced)
        carrier.bring(receipt.link, freight.parts, freight.digest)
        return receipt

    got = brought().unload(freight.waybill(), announced)
    assert left(tmp_path) == []
    for name, arrays in weights.items():
        for ours, theirs in zip(got[name], arrays, strict=True):
            np.testing.assert_array_equal(ours, theirs)
            ours += 1  # they are ours to change
    with pytest.raises(DataError, match="SHA-256"):
        brought().unload(Waybill("", ["weights"], "0" * 64), announced)
    with pytest.raises(DataError, match="40 bytes of arrays, where 24 were announced"):
        brought().unload(freight.waybill(), {"weights": announced["weights"]})


def test_room_is_made_as_announced():
    announced = {"w": [(np.dtype(np.float16), (2, 3)), (np.dtype(np.int8), ())]}
    room = make_room(announced)["w"]
    assert [(a.dtype.name, a.shape) for a in room] == [("float16", (2, 3)), ("int8", ())]
    content = memoryview(bytes(range(13)))
    found = spread(content, announced)["w"]
    assert bytes(view_bytes(found[0])) + bytes(view_bytes(found[1])) == bytes(content)


@pytest.mark.parametrize(
    "said", [None, "x", {}, {"link": "l", "groups": "w", "sha256": "d"}, {"link": 1}, [1]]
)
def test_waybills_that_make_no_sense_are_refused(said):
    with pytest.raises(DataError, match="does not say where its arrays are"):
        Waybill.read(said)


def test_weights_that_are_not_finite_do_not_hide_a_wrong_shape():
    """Found by reading: the coordinator's own arithmetic failed on the second array."""
    order = Order(1, [0], [np.zeros(2, np.float32), np.zeros((2, 2), np.float32)], 7)
    folded = fold.Fold(order, REDUCER, ClientMemory([]))
    bad = [np.array([np.nan, 1], np.float32), np.zeros((3, 3), np.float32)]
    result = folded.take(0, Trained(bad, 3))
    assert result.failure is Failure.REJECTED
    assert result.failure_detail == "array 1 has shape (3, 3) instead of (2, 2)"


def test_the_norm_of_an_update_is_taken_in_blocks(monkeypatch):
    monkeypatch.setattr(fold, "_BLOCK_VALUES", 3)
    start = [np.zeros((2, 2), np.float32), np.asfortranarray(np.ones((2, 3), np.float32))]
    order = Order(1, [0], start, 7)
    folded = fold.Fold(order, REDUCER, ClientMemory([]))
    ended = [np.array([[1, 2], [3, 4]], np.float32), np.full((2, 3), 3, np.float32)]
    result = folded.take(0, Trained(ended, 2, train_loss=1.0))
    assert result.failure is None
    # 1 + 4 + 9 + 16 = 30, and six times 2² = 24
    assert result.divergence == pytest.approx(54**0.5)
    assert [a.tolist() for a in REDUCER.finish(folded.reply([result]).state)] == [
        [[1, 2], [3, 4]],
        [[2, 2, 2], [2, 2, 2]],
    ]


MEMORY = """
import sys
from pathlib import Path
import numpy as np
from fedloom.federation.fleet import Order
from fedloom.federation.reduce import mean_by_examples
from fedloom.fleet.flower.depot import Depot
from fedloom.fleet.flower.endpoint import Endpoint
from fedloom.fleet.flower.fleet import FlowerFleet

def peak():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) // 1024

folder, megabytes = Path(sys.argv[2]), int(sys.argv[4])
secret = bytes.fromhex(sys.argv[3])
with Depot(folder / "depot") as depot:
    fleet = FlowerFleet(
        Endpoint(sys.argv[1], insecure=True), secret, "memory", {}, depot=depot
    )
    fleet.wait_for(2, 60)
    before = peak()
    weights = [np.ones(megabytes << 18, np.float32)]
    order = Order(1, [0, 1], weights, 7, deadline_s=240)
    reply = fleet.train(order, mean_by_examples())
    failures = [result.failure for result in reply.results]
    fleet.close()
print(peak() - before, failures, float(reply.state[0][0][0]))
"""


def test_a_coordinator_holds_three_copies_of_a_model(link, tmp_path):
    """The global weights, the sum, and the update that is being folded; one array is the worst."""
    megabytes = 96
    with serve(link, tmp_path, Adder("a", 1), Adder("b", 3)):
        arguments = (link.endpoint.address, str(tmp_path), link.secret.hex(), str(megabytes))
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, *arguments],
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr
    grown, rest = done.stdout.split(maxsplit=1)
    assert rest.strip() == "[None, None] 10.0"
    assert int(grown) < 3.3 * megabytes


@pytest.mark.parametrize("place", ["fedloom.fleet.flower.handlers", "fedloom.fleet.flower.node"])
def test_a_node_before_its_first_task_has_no_framework(place):
    code = (
        f"import sys, {place}\n"
        "print([m for m in ('keras', 'jax', 'optax', 'sklearn', 'torch') if m in sys.modules])\n"
        "print(next(l for l in open('/proc/self/status') if 'VmHWM' in l).split()[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    modules, kilobytes = done.stdout.splitlines()
    assert modules == "[]"
    assert int(kilobytes) < 250_000
