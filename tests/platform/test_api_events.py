"""The stream of events, over a real server: nothing missed, nothing twice, and it ends in time."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from fedloom.errors import LinkError
from fedloom.platform.api import make_app
from fedloom.platform.identity import Role
from fedloom.platform.service import Service

from .api_world import IRIS, ROOT, connect, make_secret, serve, served

LIMIT_S = 60.0


class Listener:
    """Reads a stream in a thread, until told to stop or the stream ends."""

    def __init__(self, client: httpx.Client, **asked: Any) -> None:
        self.events: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self.status = 0
        self._client, self._asked = client, asked
        self._left = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        with self._client.stream("GET", "/events", **self._asked) as answer:
            self.status, self.headers = answer.status_code, answer.headers
            for line in answer.iter_lines():
                self.lines.append(line)
                if line.startswith("data: "):
                    self.events.append(json.loads(line[6:]))
                if self._left:
                    return

    def leave(self) -> None:
        self._left = True
        self.thread.join(LIMIT_S)

    @property
    def kinds(self) -> list[str]:
        return [event.get("kind", "") for event in self.events]


def wait_for(what: Callable[[], bool]) -> None:
    give_up = time.monotonic() + LIMIT_S
    while not what():
        assert time.monotonic() < give_up
        time.sleep(0.02)


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with (
        serve(make_app(service, heartbeat_s=0.2)) as url,
        connect(url, make_secret(service.store, Role.VIEWER)) as made,
    ):
        yield made


def test_events_come_as_they_happen_from_now_on(client: httpx.Client, service: Service) -> None:
    service.create_task(ROOT, IRIS)
    listener = Listener(client)
    wait_for(lambda: listener.lines != [])
    task = service.create_task(ROOT, IRIS)
    wait_for(lambda: listener.events != [])
    (event,) = listener.events
    assert (event["kind"], event["task_id"]) == ("task_created", task.id)
    assert listener.headers["content-type"].startswith("text/event-stream")
    assert f"id: {event['id']}" in listener.lines
    assert "event: task_created" in listener.lines
    listener.leave()


def test_who_comes_again_misses_nothing_and_gets_nothing_twice(
    client: httpx.Client, service: Service
) -> None:
    tasks = [service.create_task(ROOT, IRIS).id for _ in range(3)]
    first = Listener(client, params={"after_id": 0})
    wait_for(lambda: len(first.events) == 3)
    first.leave()
    tasks += [service.create_task(ROOT, IRIS).id for _ in range(3)]
    last = first.events[1]["id"]
    again = Listener(client, params={"after_id": 0}, headers={"Last-Event-ID": str(last)})
    wait_for(lambda: len(again.events) >= 4)
    assert [event["task_id"] for event in again.events] == tasks[2:]
    again.leave()


def test_a_stream_of_one_task_holds_nothing_of_others(
    client: httpx.Client, service: Service
) -> None:
    mine = service.create_task(ROOT, IRIS).id
    listener = Listener(client, params={"after_id": 0, "task_id": mine})
    wait_for(lambda: listener.events != [])
    service.create_task(ROOT, IRIS)
    service.cancel_task(ROOT, mine)
    wait_for(lambda: len(listener.events) == 2)
    assert listener.kinds == ["task_created", "task_status"]
    listener.leave()


def test_more_events_than_one_look_holds_come_in_order(
    client: httpx.Client, service: Service
) -> None:
    task = service.create_task(ROOT, IRIS).id
    for number in range(450):
        service.store.add_log(task, "coordinator", str(number))
    listener = Listener(client, params={"after_id": 0, "timeout_s": 20})
    wait_for(lambda: len(listener.events) == 451)
    ids = [event["id"] for event in listener.events]
    assert ids == sorted(set(ids))
    listener.leave()


def test_a_quiet_stream_says_that_it_lives_and_ends_at_its_limit(client: httpx.Client) -> None:
    listener = Listener(client, params={"timeout_s": 1.0})
    listener.thread.join(LIMIT_S)
    assert not listener.thread.is_alive()
    assert listener.lines.count(": alive") >= 2


def test_a_revoked_token_hears_nothing_more(client: httpx.Client, service: Service) -> None:
    listener = Listener(client)
    wait_for(lambda: listener.lines != [])
    (token,) = service.tokens(ROOT)
    service.revoke_token(ROOT, token.id)
    listener.thread.join(LIMIT_S)
    assert not listener.thread.is_alive()
    assert "revoked" in listener.events[-1]["detail"]


def test_a_database_that_is_away_for_a_while_ends_no_stream(
    client: httpx.Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Listener(client, params={"after_id": 0})
    wait_for(lambda: listener.lines != [])

    def fail(*_: object, **__: object) -> None:
        raise LinkError("away")

    with monkeypatch.context() as patch:
        patch.setattr(type(service.store), "last_event_id", fail)
        patch.setattr(type(service.store), "events", fail)
        seen = len(listener.lines)
        wait_for(lambda: len(listener.lines) > seen + 2)
    task = service.create_task(ROOT, IRIS)
    wait_for(lambda: listener.events != [])
    assert listener.events[-1]["task_id"] == task.id
    listener.leave()


def test_rubbish_in_place_of_a_number_is_refused(client: httpx.Client) -> None:
    for headers in ({"Last-Event-ID": "x"}, {"Last-Event-ID": "9" * 30}):
        assert client.get("/events", headers=headers).status_code == 422
    far = client.get("/events", headers={"Last-Event-ID": "9" * 20}, params={"timeout_s": 0})
    assert far.status_code == 200


def test_one_listener_too_many_is_refused_and_room_is_made_again(
    client: httpx.Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fedloom.platform.api import feed

    monkeypatch.setattr(feed, "_MOST_STREAMS", 1)
    first = Listener(client)
    wait_for(lambda: first.lines != [])
    answer = client.get("/events", params={"timeout_s": 0})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    first.leave()
    wait_for(lambda: client.get("/events", params={"timeout_s": 0}).status_code == 200)


def test_a_server_ends_though_people_listen(service: Service) -> None:
    secret = make_secret(service.store, Role.VIEWER)
    with served(make_app(service), grace_s=60) as (url, server), connect(url, secret) as client:
        listeners = [Listener(client) for _ in range(5)]
        wait_for(lambda: all(listener.lines for listener in listeners))
        begun = time.monotonic()
        server.should_exit = True
        for listener in listeners:
            listener.thread.join(LIMIT_S)
        assert time.monotonic() - begun < 30
    assert all("" in listener.lines for listener in listeners)
