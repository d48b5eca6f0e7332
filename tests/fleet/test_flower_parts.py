"""The parts of the Flower fleet that need no server."""

from __future__ import annotations

import json
import stat
from threading import Event
from typing import Any

import numpy as np
import pytest
from flwr.proto.message_pb2 import Metadata
from hypothesis import given
from hypothesis import strategies as st

from fedloom.data.dataset import Dataset, Task
from fedloom.errors import DataError, IncompatibleError, InputError, LinkError
from fedloom.fleet.flower import codec, parcel
from fedloom.fleet.flower.channel import NodeSeen
from fedloom.fleet.flower.codec import decode, encode, read_tempo
from fedloom.fleet.flower.endpoint import Endpoint, LinkDownError, RefusedError, call
from fedloom.fleet.flower.handlers import ByTrainer, KerasHandler
from fedloom.fleet.flower.letters import Patience
from fedloom.fleet.flower.messages import (
    Describe,
    Description,
    Done,
    Failed,
    Forget,
    Tempo,
    Train,
    Trained,
)
from fedloom.fleet.flower.node import Identity
from fedloom.fleet.flower.node.jobs import Jobs
from fedloom.fleet.flower.node.mail import Received
from fedloom.fleet.flower.node.pace import Backoff, Pace
from fedloom.fleet.flower.parcel import cut, pack, wrap
from fedloom.fleet.flower.post import Post
from fedloom.fleet.flower.roster import Roster
from fedloom.fleet.flower.superlink import SuperLink
from fedloom.fleet.flower.unpack import Incoming

TRAIN = Train(
    task="t",
    settings={"x": [1, 2]},
    round=3,
    client=1,
    seed=7,
    local_evaluation="none",
    weights=[np.arange(4.0), np.ones((2, 2), np.float32)],
)


def travel(message: Any, *, inside: bool, tempo: Tempo | None = None) -> Any:
    header, groups = encode(message, tempo)
    sent = wrap(Metadata(run_id=1), pack(header, cut(groups)), inside=inside)
    contents = {piece.object_id: piece.make() for piece in sent.pieces}
    incoming = Incoming(sent.proto, sent.tree, contents.__getitem__)
    incoming.fetch_last(contents.__getitem__)
    return decode(incoming.header(), incoming.arrays()), incoming.header()


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("part_bytes", [7, 8 << 20])
def test_messages_travel_in_both_forms_and_any_number_of_parts(inside, part_bytes, monkeypatch):
    monkeypatch.setattr(parcel, "PART_BYTES", part_bytes)
    monkeypatch.setattr(parcel, "INSIDE_BYTES", 40)
    got, header = travel(TRAIN, inside=inside, tempo=Tempo(0.2, 4.0, 20.0))
    assert read_tempo(header) == Tempo(0.2, 4.0, 20.0)
    assert (got.task, got.settings, got.round, got.client) == ("t", {"x": [1, 2]}, 3, 1)
    assert (got.shared, got.client_state) == ((), ())
    for ours, theirs in zip(got.weights, TRAIN.weights, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=6))
def test_arrays_of_any_shape_come_back(shapes):
    arrays = [np.arange(a * b, dtype=np.int16).reshape(a, b) for a, b in shapes]
    got, _ = travel(Trained(arrays, 1), inside=True) if arrays else (Trained([], 1), {})
    assert [a.tolist() for a in got.weights] == [a.tolist() for a in arrays]


def test_weights_that_messages_share_are_cut_once():
    common = cut({"weights": [np.ones(10**5, np.float32)]})
    bodies = [pack({"client": c}, common) for c in range(3)]
    sent = [wrap(Metadata(run_id=1, dst_node_id=c), b, inside=True) for c, b in enumerate(bodies)]
    assert len({p.object_id for one in sent for p in one.pieces}) == 1
    assert len({one.proto.metadata.message_id for one in sent}) == 3


def announce(arrays: Any, data: bytes = b"1234", limit: int | None = None) -> Incoming:
    header = {"protocol": 1, "kind": "Done", "fields": {}, "arrays": arrays}
    from flwr.app.message import ConfigRecord

    records = {"header": {"json": json.dumps(header).encode()}, "w/0": {"data": data}}
    from flwr.app.message import RecordDict
    from flwr.common.serde import recorddict_to_proto
    from flwr.proto.message_pb2 import Message, ObjectTree

    inner = recorddict_to_proto(RecordDict({n: ConfigRecord(r) for n, r in records.items()}))
    return Incoming(Message(content=inner), ObjectTree(), lambda _: b"", limit=limit)


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"w": [["float32", [2]]]}, "fewer bytes of w"),
        ({"w": [["int8", [3]]]}, "more bytes of w"),
        ({"w": [["object", [1]]]}, "dtype object holds no numbers"),
        ({"w": [["float32", [-1]]]}, "shape"),
        ({"w": [["float99", [1]]]}, "not announced as they should be"),
        ({"w": "abc"}, "not announced as they should be"),
        ({"w": [["float64", [10**9]]]}, "8000000000 bytes of arrays, where 100 is the most"),
    ],
)
def test_arrays_that_are_not_as_announced_are_refused(arrays, text):
    with pytest.raises(DataError, match=text):
        announce(arrays, limit=100).arrays()


@pytest.mark.parametrize(
    ("header", "error", "text"),
    [
        ({"protocol": 99, "program": "7.1"}, IncompatibleError, r"Fedloom 7.1 \(protocol 99\)"),
        ({}, IncompatibleError, "of unknown version"),
        ({"protocol": 1, "kind": "Nonsense"}, DataError, "unknown kind 'Nonsense'"),
        ({"protocol": 1, "kind": "State", "fields": {"b": 1}}, DataError, "malformed"),
        ({"protocol": 1, "kind": "Trained", "fields": {}}, DataError, "malformed"),
    ],
)
def test_headers_that_are_not_ours_are_refused(header, error, text):
    with pytest.raises(error, match=text):
        decode(header, {})


def test_an_order_is_named_by_all_that_decides_its_answer():
    def name(order: Train) -> str:
        header, groups = encode(order)
        return codec.name_order(order.task, pack(header, cut(groups)).digest)

    assert name(TRAIN) == name(Train(**vars(TRAIN)))
    assert name(TRAIN) != name(Train(**{**vars(TRAIN), "seed": 8}))
    other = [np.arange(4.0) + 1, TRAIN.weights[1]]
    assert name(TRAIN) != name(Train(**{**vars(TRAIN), "weights": other}))
    assert codec.task_of(name(TRAIN)) == "t"


def test_tempo_suits_the_number_of_nodes():
    assert Tempo.for_nodes(2) == Tempo(0.15, 5.0, 10.0)
    assert Tempo.for_nodes(200) == Tempo(5.0, 20.0, 60.0)
    graces = {n: Tempo.for_nodes(n).grace_s for n in (2, 33, 50, 100, 1000)}
    assert graces == {2: 0.0, 33: 0.0, 50: 5.0, 100: 20.0, 1000: 30.0}


def test_a_node_looks_often_while_something_is_due_and_rarely_when_not():
    now = [0.0]
    pace = Pace(lambda: now[0])
    pace.tempo = Tempo(0.2, 5.0, 10.0)

    def check_waits(expected_s: float, *, busy: bool = False) -> None:
        waits = [pace.wait_s(busy=busy) for _ in range(50)]
        assert all(0.8 * expected_s <= wait <= 1.2 * expected_s for wait in waits)
        assert len(set(waits)) > 1

    check_waits(5.0)
    pace.touch()
    check_waits(0.2)
    check_waits(1.0, busy=True)
    now[0] = 25.0
    check_waits(2.2)
    pace.answer()
    now[0] = 26.0
    pace.touch()
    pace.answer()
    check_waits(0.5)


def test_a_node_whose_task_is_over_is_soon_there_for_the_next_and_idle_after_a_minute():
    now = [0.0]
    pace = Pace(lambda: now[0])
    pace.tempo = Tempo(0.2, 5.0, 10.0)

    def mean_wait_s(after_s: float) -> float:
        now[0] = 100.0 + after_s
        return sum(pace.wait_s(busy=False) for _ in range(400)) / 400

    now[0] = 100.0
    pace.answer()
    pace.rest()
    waits = [mean_wait_s(after_s) for after_s in (0.0, 3.0, 20.0, 60.0)]
    assert waits == pytest.approx([0.2, 0.5, 2.2, 5.0], rel=0.05)
    pace.rest()
    assert mean_wait_s(60.0) > 4.5, "a task that is dropped later wakes nobody up"


def test_so_many_nodes_whose_task_is_over_are_no_burden():
    now, pace = [0.0], Pace(lambda: now[0])
    pace.tempo = Tempo.for_nodes(100)
    pace.touch()
    pace.rest()
    looks = 0
    while now[0] < 60.0:
        now[0] += pace.wait_s(busy=False)
        looks += 1
    # From 2.5 s to 8 s between looks makes ln(8 / 2.5) / 0.1 = 11.6 of them: of 100 nodes, 19
    # requests a second, which is what is left of those looks after the first minute as well.
    assert 8 <= looks <= 15


def test_signs_of_life_come_in_time_and_rarely_when_nothing_happens():
    now = [1000.0]
    pace = Pace(lambda: now[0])
    assert pace.heartbeat_s == 30.0
    assert pace.beat_due()
    assert not pace.beat_due()
    now[0] += 0.7 * 30 - 0.1
    assert not pace.beat_due()
    now[0] += 0.2 * 30 + 0.2
    assert pace.beat_due()
    pace.touch()
    assert pace.heartbeat_s == 10.0
    assert pace.beat_due(), "the SuperLink still thinks of the longer interval"


def test_letting_in_is_a_sign_of_life_too():
    now = [1000.0]
    pace = Pace(lambda: now[0])
    pace.arrive()
    assert not pace.beat_due()
    now[0] += 27.1
    assert pace.beat_due()


def test_a_sign_of_life_that_does_not_arrive_is_given_again_soon_and_then_more_rarely():
    now = [1000.0]
    pace = Pace(lambda: now[0])
    pace.touch()

    def wait_for_next() -> float:
        began = now[0]
        while not pace.beat_due():
            now[0] += 0.1
        return now[0] - began

    assert wait_for_next() == 0.0
    waits = []
    for _ in range(4):
        pace.note_beat(given=False)
        waits.append(wait_for_next())
    assert waits[0] <= 0.7
    assert sum(waits) <= 0.5 + 1.0 + 2.0 + 4.0 + 0.4, "before the 20 s are over it is tried 5 times"
    assert waits[3] > waits[0]
    pace.note_beat(given=True)
    assert wait_for_next() >= 6.9


def test_signs_of_life_of_many_nodes_that_hear_of_a_task_are_spread():
    now, paces = [1000.0], []
    for _ in range(100):
        pace = Pace(lambda: now[0])
        pace.arrive()
        pace.tempo = Tempo.for_nodes(200)
        pace.touch()
        pace.tempo = Tempo(5.0, 20.0, 10.0)  # shorter than what the SuperLink was promised
        paces.append(pace)
    assert sum(pace.beat_due() for pace in paces) < 20
    now[0] += 4.0
    assert sum(pace.beat_due() for pace in paces) > 80


def test_a_slow_superlink_is_asked_less_often_and_promised_less():
    now = [1000.0]
    pace = Pace(lambda: now[0])
    pace.touch()

    def longest_s() -> float:
        return max(pace.wait_s(busy=False) for _ in range(50))

    assert longest_s() <= 0.15 * 1.2
    pace.feel(0.01)
    assert longest_s() <= 0.15 * 1.2, "as on a quiet machine with a few nodes"
    assert pace.heartbeat_s == 10.0
    for _ in range(30):
        pace.feel(1.0)
    assert 8.0 * 0.8 <= longest_s() <= 8.0 * 1.2
    assert pace.heartbeat_s == pytest.approx(20.0, abs=0.1)
    for _ in range(30):
        pace.feel(20.0)
    assert longest_s() <= 15.0 * 1.2
    for _ in range(40):
        pace.feel(0.01)
    assert longest_s() <= 0.15 * 1.2
    assert pace.heartbeat_s == 10.0


def test_waits_after_failures_grow_and_end():
    backoff = Backoff(4.0)
    waits = [backoff.fail_s() for _ in range(20)]
    assert waits[0] <= 0.5 < 2.0 <= max(waits) <= 4.0
    assert backoff.failing
    backoff.succeed()
    assert backoff.fail_s() <= 0.5


def received(order: str) -> Received:
    from flwr.proto.message_pb2 import Message, ObjectTree

    return Received(Message(metadata=Metadata(group_id=order)), ObjectTree())


def test_an_order_that_comes_twice_is_one_job_and_answers_are_forgotten():
    now = [0.0]
    jobs = Jobs(lambda: now[0])
    job, new = jobs.take(received("t:1"))
    again = received("t:1")
    same, second = jobs.take(again)
    assert (new, second) == (True, False)
    assert same is job
    assert job.message is again
    assert (jobs.state("t:1"), jobs.state("t:2")) == ("waiting", "unknown")
    jobs.finish(job, Done())
    assert (jobs.state("t:1"), jobs.busy) == ("answered", False)
    following, _ = jobs.take(received("t:2"))
    jobs.finish(following, Done())
    assert jobs.state("t:1") == "unknown", "its task has gone on"
    jobs.forget("t")
    assert jobs.state("t:2") == "unknown"


def test_a_job_that_does_not_stop_is_named_and_a_stale_task_too():
    now = [0.0]
    jobs = Jobs(lambda: now[0])
    job, _ = jobs.take(received("t:1"))
    job.state = "running"
    jobs.hear("t")
    jobs.cancel("t")
    assert job.stop.is_set()
    now[0] = 11.0
    assert jobs.hanging(10.0) == [job]
    assert jobs.stale(5.0) == []
    jobs.drop(job)
    assert jobs.stale(5.0) == ["t"]
    assert jobs.take(received("t:1"))[1], "a cancelled order begins anew"


def test_a_key_is_made_once_and_nobody_else_may_read_it(tmp_path):
    path = tmp_path / "deep" / "node.key"
    first = Identity.keep(path)
    assert Identity.keep(path).public_pem == first.public_pem
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["node.key"]
    path.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        Identity.keep(path)
    path.write_bytes(b"nonsense")
    path.chmod(0o600)
    with pytest.raises(InputError, match="no private key in PEM"):
        Identity.keep(path)


def seen(key: str, since: str = "1") -> NodeSeen:
    return NodeSeen(ord(key), key, since)


def test_clients_keep_their_index_and_names_their_owner():
    roster = Roster()
    assert roster.see([seen("x"), seen("y")]) == [seen("x"), seen("y")]
    roster.hear(seen("x"), Description("node_10", num_examples=5))
    roster.hear(seen("y"), Description("node_2", num_examples=6))
    roster.settle()
    assert [(c.index, c.client_id) for c in roster.clients] == [(0, "node_2"), (1, "node_10")]
    assert roster.see([seen("x", "2"), seen("y")]) == [seen("x", "2")], "it started anew"
    roster.hear(seen("x", "2"), Description("node_10", num_examples=9))
    roster.hear(seen("z"), Description("node_2", num_examples=9))
    roster.hear(seen("v"), Description("odd", num_examples=-1))
    assert roster.refusals() == {}, "they are not online yet"
    roster.see([seen("x", "2"), seen("y"), seen("z"), seen("v")])
    roster.settle()
    assert [c.num_examples for c in roster.clients] == [6, 9]
    assert "another node is called 'node_2'" in roster.refusals()["node_2"]
    assert "num_examples=-1" in roster.refusals()["odd"]
    other = Roster()
    other.load(roster.save())
    assert other.clients == roster.clients
    assert other.online() == []


def test_what_is_not_there_is_told_in_one_line(tmp_path):
    endpoint = Endpoint("127.0.0.1:9", insecure=True)
    assert not endpoint.answers()
    from flwr.proto.control_pb2 import StopRunRequest

    with endpoint.control() as control, pytest.raises(LinkDownError, match="does not answer"):
        call(control.StopRun, StopRunRequest(run_id=1))
    missing = Endpoint("127.0.0.1:9", tmp_path / "ca.pem")
    with pytest.raises(LinkError, match="cannot read the authority"):
        missing.control()
    with pytest.raises(LinkError, match="needs TLS"):
        SuperLink(tmp_path, known_nodes_only=True)


def test_a_superlink_that_cannot_start_says_why(tmp_path):
    (tmp_path / "superlink.db").mkdir()
    with pytest.raises(LinkError, match=r"ended at once: .*; see .*superlink\.log"):
        SuperLink(tmp_path).start(within_s=60)


def dataset() -> Dataset:
    features = np.zeros((4, 2, 2, 1), np.float32)
    labels = np.zeros(4, np.int32)
    return Dataset("d", Task.CLASSIFICATION, features, labels, features, labels, classes=("a", "b"))


def settings(**more: Any) -> dict[str, Any]:
    training = {
        **{"model": "mlp", "hidden": [3], "seed": 1, "epochs": 1, "batch_size": 2},
        **{"optimizer": "sgd", "learning_rate": 0.1, "backend": "jax"},
    }
    algorithm = {"name": "FedAvg", "params": {}}
    base = {"trainer": "keras", "use_case": "u", "training": training, "algorithm": algorithm}
    return base | more


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (settings(use_case="x"), "use_case=x: n has data for u"),
        (settings(trainer="other"), "trainer=other: this node has keras"),
        (settings(training={}), "make no sense"),
        (
            settings(training={**settings()["training"], "model": "/tmp/evil.py"}),
            "model=/tmp/evil.py: nodes train",
        ),
    ],
)
def test_a_node_without_the_data_or_the_trainer_takes_no_part(told, reason):
    handler = ByTrainer("n", {"keras": KerasHandler("n", {"u": dataset()})})
    said = handler.handle(Describe("t", told), Event())
    assert isinstance(said, Description)
    assert not said.takes_part
    assert reason in said.reason
    assert isinstance(handler.handle(Forget("t"), Event()), Done)
    handler.close()


def test_an_order_for_another_trainer_is_refused():
    handler = ByTrainer("n", {"keras": KerasHandler("n", {"u": dataset()})})
    told = Train(**{**vars(TRAIN), "settings": settings(trainer="other")})
    assert handler.handle(told, Event()) == Failed("rejected", "trainer=other: this node has keras")


def test_an_answer_on_its_way_is_not_taken_for_lost_and_is_delivered_by_one():
    jobs = Jobs()
    job, _ = jobs.take(received("t:1"))
    jobs.finish(job, Done())
    assert jobs.state(job.order) == "answered"
    assert jobs.begin_delivery(job)
    assert not jobs.begin_delivery(job)
    assert jobs.state(job.order) == "running"
    first = job.message
    again = received("t:1")
    assert jobs.take(again) == (job, False)
    assert not jobs.end_delivery(job, first), "it came once more meanwhile"
    assert jobs.end_delivery(job, again)
    assert jobs.state(job.order) == "answered"
    assert jobs.begin_delivery(job)
    assert jobs.end_delivery(job)


def test_a_run_that_ends_while_what_was_read_is_confirmed_is_replaced():
    """Found by a loaded machine: the new run has nothing to confirm."""

    class Run:
        run_id = 1

        def __init__(self, *, over: bool) -> None:
            self.over = over

        def confirm(self, arrival: Any) -> None:
            assert self.over, "another run knows nothing of it"
            raise RefusedError("over", status=401)

        def close(self, failure: str = "") -> None:
            pass

    runs = [Run(over=True), Run(over=False)]
    post = Post(lambda: runs.pop(0), "t", Patience(), Event())  # type: ignore[arg-type,return-value]
    post._channel = runs.pop(0)  # type: ignore[assignment]
    post._read_already = [object(), object()]  # type: ignore[list-item]
    post._confirm()
    assert post._read_already == []
    assert runs == []
