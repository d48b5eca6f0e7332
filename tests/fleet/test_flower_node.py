"""A node: what it keeps of what it fetched, and that nothing it is told or says ends it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from flwr.proto.message_pb2 import Message, Metadata, ObjectTree

from fedloom.federation.fleet import Order
from fedloom.fleet.flower.depot import Carrier, Depot
from fedloom.fleet.flower.endpoint import Endpoint
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.fleet.flower.messages import Done
from fedloom.fleet.flower.node import Identity, Node, last_download
from fedloom.fleet.flower.node.last_download import LastDownload
from fedloom.fleet.flower.node.mail import Received
from fedloom.fleet.flower.superlink import SuperLink

from .flower_world import REDUCER, failures, wait_until
from .thread_nodes import Adder, serve

SHAPE = (300, 300)
CONTENT = [b"abc", b"", b"defgh"]
DIGEST = sha256(b"abcdefgh").hexdigest()


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SuperLink]:
    with SuperLink(tmp_path_factory.mktemp("superlink")) as link:
        yield link


def views(content: Sequence[bytes]) -> list[memoryview]:
    return [memoryview(bytearray(part)) for part in content]


def empty() -> list[memoryview]:
    return [memoryview(bytearray(len(part))) for part in CONTENT]


def test_a_download_is_there_once_and_only_the_last_one(tmp_path):
    last, rooms = LastDownload(tmp_path), empty()
    assert not last.take(DIGEST, rooms)
    last.keep(DIGEST, views(CONTENT))
    assert list(tmp_path.iterdir()) == [], "the file has no name, so a node that dies leaves none"
    assert not last.take("other", rooms)
    assert last.take(DIGEST, rooms)
    assert [bytes(room) for room in rooms] == CONTENT
    assert not last.take(DIGEST, empty())
    last.keep(DIGEST, views(CONTENT))
    last.keep(sha256(b"x").hexdigest(), views([b"x"]))
    assert not last.take(DIGEST, empty())
    last.keep(DIGEST, views(CONTENT))
    last.drop()
    assert not last.take(DIGEST, empty())


def test_a_download_that_is_not_whole_is_none(tmp_path):
    last = LastDownload(tmp_path)
    for spoilt in ([b"abc", b"", b"defgX"], [b"abc", b"", b"defg"]):
        last.keep(DIGEST, views(spoilt))
        assert not last.take(DIGEST, empty())


def test_without_room_nothing_is_kept_and_no_file_stays_open(tmp_path, monkeypatch):
    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    before = len(list(Path("/proc/self/fd").iterdir()))
    last = LastDownload(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(last_download, "write_all", refuse)
        last.keep(DIGEST, views(CONTENT))
    assert not last.take(DIGEST, empty())
    nowhere = LastDownload(tmp_path / "missing")
    nowhere.keep(DIGEST, views(CONTENT))
    assert not nowhere.take(DIGEST, empty())
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_weights_that_were_scored_are_not_fetched_again_to_train_on_them(
    link, tmp_path, monkeypatch
):
    fetched: list[int] = []
    fetch = Carrier.fetch

    def count(self: Carrier, link: str, rooms: Sequence[memoryview], *more: Any) -> None:
        fetched.append(sum(len(room) for room in rooms))
        fetch(self, link, rooms, *more)

    monkeypatch.setattr(Carrier, "fetch", count)
    size = 4 * SHAPE[0] * SHAPE[1]
    node = Adder("a", 3)
    with Depot(tmp_path / "depot") as depot, serve(link, tmp_path, node):
        fleet = FlowerFleet(link.endpoint, link.secret, "twice", {}, depot=depot)
        with closing(fleet):
            fleet.wait_for(1, 60)
            for number, value, fetches in ((1, 0.0, 1), (2, 3.0, 2), (3, 6.0, 3)):
                weights = [np.full(SHAPE, value, np.float32)]
                reply = fleet.train(Order(number, [0], weights, 7, deadline_s=120), REDUCER)
                assert failures(reply) == [None]
                assert np.all(REDUCER.finish(reply.state)[0] == 3.0)
                assert fetched == [size] * fetches
                score = fleet.evaluate([np.full(SHAPE, value + 3, np.float32)])
                assert score.loss == value + 3
                assert fetched == [size] * (fetches + 1)


def test_a_node_that_cannot_say_who_it_is_says_why(link, tmp_path):
    with serve(link, tmp_path, Adder("a", 3, {"what": object()})):
        fleet = FlowerFleet(link.endpoint, link.secret, "who", {})
        with closing(fleet):
            wait_until(lambda: fleet.present() == 0 and fleet.refusals())
            (why,) = fleet.refusals().values()
        assert "its answer cannot be sent: TypeError" in why


class Silent:
    """A handler that has nothing to do."""

    def handle(self, request: Any, stop: Event) -> Any:
        del request, stop
        return Done()

    def close(self) -> None:
        pass


def test_no_message_ends_a_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(Endpoint("127.0.0.1:1", insecure=True), Identity.keep(tmp_path / "key"), Silent())
    metadata = Metadata(message_type="query.asked", group_id="task:1")
    message = Received(Message(metadata=metadata), ObjectTree())

    def read(*_: Any) -> Any:
        raise ValueError("a tempo of 'x'")

    monkeypatch.setattr(node._mail, "read", read)
    node._take(message)
