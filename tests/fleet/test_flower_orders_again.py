"""An order that comes again from another coordinator: the newest counts.

A coordinator that is killed leaves its order at the SuperLink, with links to a depot that is gone.
The one that goes on gives an order of the same name, with links of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from flwr.proto.message_pb2 import Message, Metadata, ObjectTree

from fedloom.errors import LinkError
from fedloom.federation.fleet import Order
from fedloom.fleet.flower.depot import Carrier, Depot, DepotDownError, DepotRefusedError
from fedloom.fleet.flower.endpoint import Endpoint
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.fleet.flower.letters import Patience
from fedloom.fleet.flower.messages import Failed, Train, Trained
from fedloom.fleet.flower.node import Identity, Node
from fedloom.fleet.flower.node.connection import Connection
from fedloom.fleet.flower.node.jobs import Jobs
from fedloom.fleet.flower.node.mail import Received
from fedloom.fleet.flower.pulling import ObjectGoneError
from fedloom.fleet.flower.superlink import SuperLink

from .flower_world import REDUCER, failures, wait_until
from .thread_nodes import Adder, serve

NAME = "task:1"
SECONDS = 60.0


def received(created_at: float, run_id: int = 1) -> Received:
    metadata = Metadata(
        run_id=run_id,
        message_id=f"message {created_at}",
        group_id=NAME,
        message_type=Train.verb,
        created_at=created_at,
        ttl=1e12,
    )
    return Received(Message(metadata=metadata), ObjectTree())


def test_the_newest_message_of_an_order_is_the_one_to_answer():
    jobs, old, new = Jobs(), received(100.0, 1), received(200.0, 2)
    job, fresh = jobs.take(old)
    assert (fresh, job.message) == (True, old)
    assert jobs.take(new) == (job, False)
    assert job.message is new
    assert jobs.take(old) == (job, False), "an older one that comes late changes nothing"
    assert job.message is new
    equal = received(200.0, 3)
    jobs.take(equal)
    assert job.message is equal, "of equal ones the last to come"


def test_a_job_is_given_up_only_for_its_newest_message():
    jobs, old, new = Jobs(), received(100.0), received(200.0)
    job, _ = jobs.take(old)
    jobs.take(new)
    assert not jobs.give_up(job, old)
    assert jobs.state(NAME) == "waiting"
    assert jobs.give_up(job, new)
    assert jobs.state(NAME) == "unknown"


class FakeMail:
    """Mail without a SuperLink: what reading does is told by message."""

    def __init__(self) -> None:
        self.reads: dict[Received, Callable[[Callable[[], bool]], Any]] = {}
        self.delivered: list[tuple[Received, Any]] = []

    def read(self, message: Received, _: float, stopped: Callable[[], bool] = lambda: False) -> Any:
        return self.reads[message](stopped)

    def reply(self, message: Received, answer: Any) -> None:
        self.delivered.append((message, answer))

    def deliver(self, address: Callable[[], Received], answer: Any, _: float) -> Received:
        self.delivered.append((address(), answer))
        return address()

    def confirm(self, message: Received) -> None:
        pass


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch) -> FakeMail:
    return FakeMail()


@pytest.fixture
def node(tmp_path: Path, mail: FakeMail) -> Node:
    endpoint = Endpoint("127.0.0.1:1", insecure=True)
    node = Node(endpoint, Identity.keep(tmp_path / "key"), Adder("a", 1))
    node._mail = mail  # type: ignore[assignment]
    return node


REQUEST = Train("task", {}, 1, 0, 7, "none", [np.zeros(2, np.float32)])


def give(request: Any) -> Callable[[Callable[[], bool]], Any]:
    return lambda stopped: request


def until_unwanted(seen: Event, error: Exception) -> Callable[[Callable[[], bool]], Any]:
    """Read for as long as the message is wanted, as from a depot that does not answer."""

    def read(stopped: Callable[[], bool]) -> Any:
        seen.set()
        wait_until(stopped, SECONDS)
        raise error

    return read


@pytest.mark.parametrize(
    "error",
    [
        DepotDownError("the depot cannot be reached"),
        DepotRefusedError("it is wanted or offered no longer", 404),
        ObjectGoneError("an object of the message is no longer on the SuperLink"),
    ],
)
def test_reading_goes_over_to_the_newer_message(node, mail, error):
    old, new, seen = received(100.0), received(200.0), Event()
    mail.reads = {old: until_unwanted(seen, error), new: give(REQUEST)}
    node._take(old)
    assert seen.wait(SECONDS)
    node._take(new)
    wait_until(lambda: mail.delivered, SECONDS)
    [(message, answer)] = mail.delivered
    assert message is new
    assert isinstance(answer, Trained)
    assert node._handler.heard == ["train"]


def test_an_order_that_could_not_be_read_is_read_again_when_it_comes_again(node, mail):
    """Not answered with the failure of before: the next coordinator's depot is another one."""
    old, new = received(100.0), received(200.0)

    def fail(_: Any) -> Any:
        raise DepotDownError("the depot cannot be reached")

    mail.reads = {old: fail, new: give(REQUEST)}
    node._take(old)
    wait_until(lambda: mail.delivered and not node._jobs.busy, SECONDS)
    [(message, answer)] = mail.delivered
    assert (message, answer) == (old, Failed("error", "the depot cannot be reached"))
    node._take(new)
    wait_until(lambda: len(mail.delivered) == 2, SECONDS)
    assert mail.delivered[1][0] is new
    assert isinstance(mail.delivered[1][1], Trained)


class Fetching(Adder):
    """Needs a package at its first order, as a node does that was started anew."""

    def __init__(self, failures: int, began: Event, goes_on: Event) -> None:
        super().__init__("a", 1)
        self._failures, self._began, self._goes_on = failures, began, goes_on

    def handle(self, request: Any, stop: Event) -> Any:
        if isinstance(request, Train) and self._failures:
            self._failures -= 1
            self._began.set()
            assert self._goes_on.wait(SECONDS)
            raise DepotDownError("the depot cannot be reached")
        return super().handle(request, stop)


def test_a_package_that_cannot_be_fetched_is_fetched_from_where_the_newer_message_says(node, mail):
    old, new, began, goes_on = received(100.0), received(200.0), Event(), Event()
    node._handler = Fetching(1, began, goes_on)
    mail.reads = {old: give(REQUEST), new: give(REQUEST)}
    node._take(old)
    assert began.wait(SECONDS)
    node._take(new)
    goes_on.set()
    wait_until(lambda: mail.delivered, SECONDS)
    [(message, answer)] = mail.delivered
    assert message is new
    assert isinstance(answer, Trained)


def test_that_a_package_cannot_be_fetched_is_answered_but_not_kept(node, mail):
    old, new, goes_on = received(100.0), received(200.0), Event()
    goes_on.set()
    node._handler = Fetching(1, Event(), goes_on)
    mail.reads = {old: give(REQUEST), new: give(REQUEST)}
    node._take(old)
    wait_until(lambda: mail.delivered and not node._jobs.busy, SECONDS)
    assert mail.delivered == [(old, Failed("error", "the depot cannot be reached"))]
    node._take(new)
    wait_until(lambda: len(mail.delivered) == 2, SECONDS)
    assert isinstance(mail.delivered[1][1], Trained)


def test_an_answer_that_nobody_takes_any_more_goes_to_who_asked_meanwhile(node, mail):
    """The old link says 404 just when the new order comes: it is answered without being asked."""
    old, new = received(100.0), received(200.0)
    mail.reads = {old: give(REQUEST), new: give(REQUEST)}
    deliver = mail.deliver

    def refuse_old(address: Callable[[], Received], answer: Any, seconds: float) -> Received:
        if address() is old:
            node._take(new)
            raise DepotRefusedError("it is wanted or offered no longer", 404)
        return deliver(address, answer, seconds)

    mail.deliver = refuse_old  # type: ignore[method-assign]
    node._take(old)
    wait_until(lambda: mail.delivered, SECONDS)
    assert [message for message, _ in mail.delivered] == [new]
    assert node._handler.heard == ["train"]


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SuperLink]:
    with SuperLink(tmp_path_factory.mktemp("superlink")) as link:
        yield link


def test_a_coordinator_that_goes_on_gets_its_answer_though_the_dead_ones_depot_is_gone(
    link, tmp_path, monkeypatch
):
    """The node takes the dead coordinator's order first, and would try its depot for a minute."""
    closed, fetching, patience = Event(), Event(), Patience(ask_s=5.0)
    look, fetch = Connection.look, Carrier.fetch

    def look_when_open(self: Connection) -> Any:
        return None if closed.is_set() else look(self)

    def note(self: Carrier, *what: Any) -> None:
        fetching.set()
        fetch(self, *what)

    monkeypatch.setattr(Connection, "look", look_when_open)
    monkeypatch.setattr(Carrier, "fetch", note)
    order = Order(1, [0], [np.zeros((300, 300), np.float32)], 7, deadline_s=45.0)

    def open_fleet(depot: Depot) -> FlowerFleet:
        fleet = FlowerFleet(link.endpoint, link.secret, "again", {}, depot=depot, patience=patience)
        fleet.wait_for(1, SECONDS)
        return fleet

    handler = Adder("a", 3)
    with serve(link, tmp_path, handler), ThreadPoolExecutor(1) as thread:
        with Depot(tmp_path / "old") as depot:
            dead = open_fleet(depot)
            closed.set()
            make = dead._orders.train(order, order.weights, dead._post.tempo, 10**6, {})
            place = dead._roster.place_of(0)
            assert place is not None
            dead._post.send([make(0, place)])
        with Depot(tmp_path / "new") as depot:
            closed.clear()
            assert fetching.wait(SECONDS)
            with closing(open_fleet(depot)) as fleet:
                reply = thread.submit(fleet.train, order, REDUCER).result(timeout=SECONDS)
        dead._post.close()
    assert failures(reply) == [None]
    assert np.all(REDUCER.finish(reply.state)[0] == 3.0)
    assert handler.heard.count("train") == 1


def test_a_link_error_that_is_not_the_depots_ends_a_job_that_nobody_asks_for(node, mail):
    old = received(100.0)

    def fail(_: Any) -> Any:
        raise LinkError("away")

    mail.reads = {old: fail}
    node._take(old)
    wait_until(lambda: not node._jobs.busy, SECONDS)
    assert mail.delivered == []
    assert node._jobs.state(NAME) == "unknown"
