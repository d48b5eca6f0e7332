"""Nodes whose signs of life come late, as with many nodes at a busy SuperLink: still counted.

A SuperLink that was not told in time that a node lives takes it for gone, and drops its order. What
it knows stands in its database, where the tests put such a time behind.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import pytest

from fedloom.federation.fleet import Failure
from fedloom.fleet.flower.channel import Arrival, NodeSeen
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.fleet.flower.letters import Letter, Lost, Patience
from fedloom.fleet.flower.messages import Description, Tempo, Train
from fedloom.fleet.flower.node.connection import Connection
from fedloom.fleet.flower.parcel import pack
from fedloom.fleet.flower.post import Post
from fedloom.fleet.flower.roster import Roster
from fedloom.fleet.flower.superlink import SuperLink

from .flower_world import REDUCER, failures, mean_of, order, wait_until
from .thread_nodes import Adder, serve


def seen(key: str, since: str = "1") -> NodeSeen:
    return NodeSeen(5, key, since, inside=True)


def test_who_was_online_just_now_still_is_while_there_is_grace():
    now = [100.0]
    roster = Roster(clock=lambda: now[0])
    roster.see([seen("x"), seen("y")], grace_s=10.0)
    roster.hear(seen("x"), Description("x", num_examples=1))
    roster.hear(seen("y"), Description("y", num_examples=1))
    roster.settle()
    now[0] = 105.0
    assert roster.see([seen("x")], grace_s=10.0) == []
    assert roster.online() == [0, 1]
    now[0] = 109.9
    roster.see([seen("x")], grace_s=10.0)
    assert roster.online() == [0, 1]
    now[0] = 110.0
    roster.see([seen("x")], grace_s=10.0)
    assert roster.online() == [0]
    roster.see([seen("x"), seen("y")], grace_s=0.0)
    roster.see([seen("x")], grace_s=0.0)
    assert roster.online() == [0], "with a few nodes there is none"


class Line:
    """A Flower run in which one node's order is refused as that of a node that is offline."""

    run_id = 1

    def __init__(self) -> None:
        self.online, self.sent, self.looks = True, list[str](), 0
        self.answers: list[Arrival] = []

    def nodes(self) -> list[NodeSeen]:
        self.looks += 1
        return [seen("x")] if self.online else []

    def address(self, *given: Any, **more: Any) -> Any:
        from flwr.proto.message_pb2 import Metadata

        from fedloom.fleet.flower.parcel import wrap

        name = str(len(self.sent) + 1)
        return wrap(Metadata(run_id=1, group_id=name), pack({"number": name}), inside=True)

    def send(self, parcels: Sequence[Any]) -> set[str]:
        self.sent += [parcel.proto.metadata.message_id for parcel in parcels]
        return set()

    def collect(self, ids: Sequence[str]) -> list[Arrival]:
        found = [a for a in self.answers if a.reply_to in ids]
        self.answers = [a for a in self.answers if a not in found]
        return found

    def confirm(self, arrival: Arrival) -> None:
        pass

    def say_offline(self) -> None:
        from flwr.proto.message_pb2 import Message, Metadata, ObjectTree

        self.online = False
        metadata = Metadata(reply_to_message_id=self.sent[-1])
        self.answers = [Arrival(Message(metadata=metadata), ObjectTree(), "the node is offline")]


@pytest.fixture
def line() -> Line:
    return Line()


def open_post(line: Line, tempo: Tempo) -> tuple[Post, Letter]:
    post = Post(lambda: line, "t", Patience(), Event())  # type: ignore[arg-type,return-value]
    post.tempo = tempo
    letter = Letter(5, Train.verb, pack({}), "t:1", 60.0, inside=True)
    post.send([letter])
    return post, letter


def test_a_letter_to_who_is_late_is_sent_again_when_the_node_is_back(line):
    post, letter = open_post(line, Tempo.for_nodes(200))
    line.say_offline()
    assert list(post.look()) == []
    assert line.looks == 1
    assert list(post.look()) == []
    assert line.looks == 1, "a second look every two seconds is enough"
    line.online = True
    post._second_look_at = 0.0
    assert list(post.look()) == []
    assert len(set(line.sent)) == 2
    assert letter.doubted_at is None


def test_a_letter_to_who_stays_away_is_lost_after_the_grace(line):
    post, letter = open_post(line, Tempo.for_nodes(200))
    line.say_offline()
    assert list(post.look()) == []
    assert letter.doubted_at is not None
    letter.doubted_at -= 29.0
    post._second_look_at = 0.0
    assert list(post.look()) == []
    letter.doubted_at -= 1.1
    post._second_look_at = 0.0
    assert list(post.look()) == [(letter, Lost("the node is offline"))]
    assert len(line.sent) == 1


def test_with_a_few_nodes_the_second_look_comes_at_once_and_decides(line):
    post, letter = open_post(line, Tempo.for_nodes(10))
    line.say_offline()
    assert list(post.look()) == [(letter, Lost("the node is offline"))]
    post, letter = open_post(line, Tempo.for_nodes(10))
    line.say_offline()
    line.online = True
    assert list(post.look()) == [], "its sign of life came between"
    assert len(line.sent) == 3


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("superlink")


@pytest.fixture(scope="module")
def link(place: Path) -> Iterator[SuperLink]:
    with SuperLink(place) as link:
        yield link


def put_behind(place: Path) -> None:
    """Let the SuperLink think that no node has given a sign of life for a long time."""
    with closing(sqlite3.connect(place / "superlink.db", timeout=30)) as database, database:
        database.execute("UPDATE node SET online_until = 1.0 WHERE status = 'online'")


class Patient(Adder):
    """Trains until it may end."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.begun, self.end = Event(), Event()

    def handle(self, request: Any, stop: Event) -> Any:
        if isinstance(request, Train):
            self.begun.set()
            assert self.end.wait(60)
        return super().handle(request, stop)


def train_past_a_late_sign_of_life(
    link: SuperLink, place: Path, folder: Path, task: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[Any, Patient]:
    """Let a node's signs of life stay away while it trains, and end when they are back."""
    handler, away = Patient("late", 3), Event()
    beat = Connection.beat

    def beat_unless_away(self: Connection, heartbeat_s: float) -> None:
        if not away.is_set():
            beat(self, heartbeat_s)

    monkeypatch.setattr(Connection, "beat", beat_unless_away)
    with (
        serve(link, folder, handler) as [node],
        closing(FlowerFleet(link.endpoint, link.secret, task, {})) as fleet,
        ThreadPoolExecutor(1) as thread,
    ):
        fleet.wait_for(1, 60)
        training = thread.submit(fleet.train, order([0], deadline_s=60.0), REDUCER)
        assert handler.begun.wait(60)
        away.set()
        put_behind(place)
        post = fleet._post
        wait_until(lambda: training.done() or any(one.doubted_at for one in post._letters), 60)
        away.clear()
        node._pace._beat_at = 0.0
        handler.end.set()
        return training.result(timeout=90), handler


def test_a_node_that_is_late_and_answers_counts(link, place, tmp_path, monkeypatch):
    monkeypatch.setattr(Tempo, "grace_s", 40.0)
    reply, handler = train_past_a_late_sign_of_life(link, place, tmp_path, "late", monkeypatch)
    assert failures(reply) == [None]
    assert mean_of(reply) == 3.0
    assert handler.heard.count("train") == 1, "it is asked again, and trains once"


def test_a_node_of_a_few_that_is_late_is_lost_at_once(link, place, tmp_path, monkeypatch):
    began = monotonic()
    reply, _ = train_past_a_late_sign_of_life(link, place, tmp_path, "few", monkeypatch)
    assert failures(reply) == [Failure.LOST]
    assert reply.results[0].failure_detail == "the node is offline"
    assert monotonic() - began < 30.0
