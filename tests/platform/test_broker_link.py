"""Publisher and listener over a real RabbitMQ, and over the broker inside of a process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest

from fedloom.errors import AccessError, LinkError
from fedloom.platform.broker import Broker, Publisher, StatusChange, listen, open_broker
from fedloom.platform.broker.pause import Pause
from fedloom.platform.store import open_store
from fedloom.platform.task import NewTask, Queue, TaskStatus

from .broker_world import Listening, MemoryOutbox, Proxy, listening, wait_until


def remove(broker: Broker) -> None:
    with suppress(LinkError), broker.connect() as connection:
        for queue in Queue:
            broker.queue(queue)(connection.default_channel).delete()
        broker.exchange()(connection.default_channel).delete()


@pytest.fixture
def rabbit(amqp_url: str) -> Iterator[Broker]:
    """A broker with names of its own on RabbitMQ."""
    broker = open_broker(amqp_url, prefix=f"fedloom-test-{uuid4().hex[:12]}.")
    yield broker
    remove(broker)


@pytest.fixture(params=["memory", "rabbit"])
def broker(request: pytest.FixtureRequest) -> Broker:
    if request.param == "memory":
        return open_broker("memory://", prefix=f"{uuid4().hex[:12]}.")
    found: Broker = request.getfixturevalue("rabbit")
    return found


@pytest.fixture
def proxy(amqp_url: str) -> Iterator[Proxy]:
    opened = Proxy(urlsplit(amqp_url).port or 5672)
    yield opened
    opened.close()


@pytest.fixture
def proxied(amqp_url: str, proxy: Proxy, rabbit: Broker) -> Broker:
    """The same broker, through the proxy, with a short heartbeat."""
    parts = urlsplit(amqp_url)
    user = f"{parts.username}:{parts.password}@" if parts.username else ""
    place = f"{user}127.0.0.1:{proxy.port}"
    url = urlunsplit((parts.scheme, place, parts.path, "", ""))
    return open_broker(
        url, prefix=rabbit.prefix, heartbeat_s=1.0, connect_timeout_s=2.0, confirm_timeout_s=1.0
    )


@pytest.fixture
def publishing() -> Iterator[Callable[[Broker, Any], Publisher]]:
    """Return a function that starts a publisher; all are stopped at the end."""
    started: list[Publisher] = []

    def start(broker: Broker, outbox: Any) -> Publisher:
        publisher = Publisher(broker, outbox, poll_s=0.05)
        publisher.start()
        started.append(publisher)
        return publisher

    yield start
    for publisher in started:
        assert publisher.stop(60)


Publishing = Callable[[Broker, Any], Publisher]


# What goes through


def test_messages_go_from_the_outbox_to_the_listener_in_order(
    broker: Broker, publishing: Publishing
) -> None:
    outbox = MemoryOutbox()
    wanted = [StatusChange(number, TaskStatus.RUNNING) for number in range(1, 251)]
    with listening(broker, Queue.STATUS) as listener:
        publisher = publishing(broker, outbox)
        ids = [outbox.put("status", f"Task {change.task_id} running") for change in wanted]
        publisher.wake()
        wait_until("all came", lambda: len(listener.got) == 250)
        assert listener.got == wanted
        wait_until("all are marked", lambda: outbox.sent == ids)
        assert publisher.state.connected
        assert publisher.state.sent == 250
        assert listener.end() < 10


def test_queues_are_apart(broker: Broker, publishing: Publishing) -> None:
    outbox = MemoryOutbox()
    with (
        listening(broker, Queue.STATUS) as status,
        listening(broker, Queue.DISPATCH) as dispatch,
    ):
        outbox.put("dispatch", '{"id": 4}')
        outbox.put("status", "Task 5 failed")
        publishing(broker, outbox)
        wait_until("both came", lambda: status.got and dispatch.got)
    assert [message.task_id for message in dispatch.got] == [4]
    assert status.got == [StatusChange(5, TaskStatus.FAILED)]


def test_messages_wait_for_a_listener(broker: Broker, publishing: Publishing) -> None:
    outbox = MemoryOutbox()
    outbox.put("status", "Task 1 running")
    publishing(broker, outbox)
    wait_until("it is sent", lambda: outbox.sent)
    with listening(broker, Queue.STATUS) as listener:
        wait_until("it came", lambda: listener.got)


def test_prefixes_keep_federations_apart(rabbit: Broker, publishing: Publishing) -> None:
    other = open_broker(rabbit.address.url, prefix=f"{rabbit.prefix}other.")
    outbox = MemoryOutbox()
    try:
        with listening(other, Queue.STATUS) as theirs, listening(rabbit, Queue.STATUS) as ours:
            outbox.put("status", "Task 1 running")
            publishing(rabbit, outbox)
            wait_until("it came", lambda: ours.got)
            time.sleep(0.1)
            assert not theirs.got
    finally:
        remove(other)


def test_garbled_messages_and_failing_handlers_do_not_end_the_listener(
    broker: Broker, publishing: Publishing, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = MemoryOutbox()
    bad = StatusChange(1, TaskStatus.FAILED)
    with listening(broker, Queue.STATUS) as listener, caplog.at_level(logging.WARNING):
        listener.fail_on = bad
        for body in ("Task 99999 nonsense", "\x00", "Task 1 failed", "Task 2 success"):
            outbox.put("status", body)
        publishing(broker, outbox)
        wait_until("the good one came", lambda: len(listener.got) == 2)
        assert listener.links == [True]
    assert listener.got == [bad, StatusChange(2, TaskStatus.SUCCESS)]
    assert caplog.text.count("was dropped") == 2
    assert "a handler's fault" in caplog.text


def test_a_message_is_off_the_queue_before_it_is_worked_on(
    rabbit: Broker, publishing: Publishing
) -> None:
    """So a handler that kills its process is not given the same message again."""
    outbox = MemoryOutbox()
    with listening(rabbit, Queue.STATUS) as listener:
        listener.fail_on = StatusChange(1, TaskStatus.FAILED)
        outbox.put("status", "Task 1 failed")
        publishing(rabbit, outbox)
        wait_until("it came", lambda: listener.got)
    with rabbit.connect() as connection:
        bound = rabbit.queue(Queue.STATUS)(connection.default_channel)
        assert bound.queue_declare(passive=True).message_count == 0


def test_messages_are_persistent_and_bounded_in_time(
    rabbit: Broker, publishing: Publishing
) -> None:
    outbox = MemoryOutbox()
    outbox.put("dispatch", '{"id": 1}')
    publishing(rabbit, outbox)
    wait_until("it is sent", lambda: outbox.sent)
    with rabbit.connect() as connection:
        message = rabbit.queue(Queue.DISPATCH)(connection.default_channel).get(no_ack=True)
    assert message.properties["delivery_mode"] == 2
    assert message.properties["expiration"] == "3600000"
    assert message.content_type == "application/json"


def test_a_message_for_no_queue_does_not_stop_the_others(
    broker: Broker, publishing: Publishing
) -> None:
    outbox = MemoryOutbox()
    ids = [outbox.put("elsewhere", "x"), outbox.put("status", "Task 1 running")]
    with listening(broker, Queue.STATUS) as listener:
        publishing(broker, outbox)
        wait_until("the good one came", lambda: listener.got)
        wait_until("both are gone", lambda: outbox.sent == ids)


def test_a_task_that_is_asked_for_wakes_a_coordinator(
    broker: Broker, sqlite_url: str, new_task: Callable[..., NewTask], publishing: Publishing
) -> None:
    with open_store(sqlite_url) as store, listening(broker, Queue.DISPATCH) as listener:
        publisher = publishing(broker, store)
        task = store.add_task(new_task())
        publisher.wake()
        wait_until("it came", lambda: listener.got)
        assert listener.got[0].task_id == task.id
        assert listener.got[0].task["model_name"] == task.model_name
        wait_until("the outbox is empty", lambda: not store.take_outbox(lease_s=0.0))
        publisher.stop()


# When the broker is not there


def test_a_listener_stays_linked_while_nothing_comes(proxied: Broker, proxy: Proxy) -> None:
    """The heartbeat is a second; without it RabbitMQ hangs up after two or three."""
    with listening(proxied, Queue.STATUS) as listener:
        time.sleep(4.5)
        assert listener.links == [True]
    assert proxy.connections == 1


def test_a_publisher_stays_linked_while_nothing_goes(
    proxied: Broker, proxy: Proxy, publishing: Publishing
) -> None:
    outbox = MemoryOutbox()
    publisher = publishing(proxied, outbox)
    wait_until("it is connected", lambda: publisher.state.connected)
    time.sleep(4.5)
    outbox.put("status", "Task 1 running")
    wait_until("it is sent", lambda: outbox.sent)
    assert proxy.connections == 1
    assert publisher.state.failures == 0


def test_both_come_back_after_a_broker_that_restarts(
    proxied: Broker, proxy: Proxy, publishing: Publishing
) -> None:
    outbox = MemoryOutbox()
    with listening(proxied, Queue.STATUS) as listener:
        publisher = publishing(proxied, outbox)
        outbox.put("status", "Task 1 running")
        wait_until("the first came", lambda: len(listener.got) == 1 and outbox.sent)
        proxy.refuse()
        proxy.cut()
        wait_until("both noticed", lambda: listener.links[-1] is False and publisher.state.failures)
        outbox.put("status", "Task 2 running")
        begun = time.monotonic()
        publisher.wake()
        assert time.monotonic() - begun < 5, "whoever posts a task must not wait"
        time.sleep(0.5)
        assert outbox.sent == [1]
        proxy.open()
        wait_until("the second came", lambda: len(listener.got) == 2)
    assert listener.links == [True, False, True, False]
    assert [change.task_id for change in listener.got] == [1, 2]
    assert "cannot be used" in str(publisher.state.last_error)
    assert "guest:guest" not in str(publisher.state.last_error)


def test_a_pulled_cable_is_noticed_by_both(
    proxied: Broker, proxy: Proxy, publishing: Publishing
) -> None:
    outbox = MemoryOutbox()
    with listening(proxied, Queue.STATUS) as listener:
        publisher = publishing(proxied, outbox)
        outbox.put("status", "Task 1 running")
        wait_until("the first came", lambda: listener.got and outbox.sent)
        proxy.hold(True)
        outbox.put("status", "Task 2 running")
        wait_until("the publisher gave up waiting", lambda: publisher.state.failures)
        wait_until("the listener noticed", lambda: False in listener.links)
        assert outbox.sent == [1], "nobody confirmed the second"
        proxy.cut()
        proxy.hold(False)
        wait_until("the second came", lambda: len(listener.got) > 1)
        wait_until("it is marked", lambda: outbox.sent == [1, 2])
    # At least once: the one that was on its way may have come too.
    assert set(listener.got[1:]) == {StatusChange(2, TaskStatus.RUNNING)}


def test_a_broker_that_is_down_at_the_start_stops_nobody(
    proxied: Broker, proxy: Proxy, publishing: Publishing
) -> None:
    proxy.refuse()
    outbox = MemoryOutbox()
    outbox.put("status", "Task 1 running")
    begun = time.monotonic()
    publisher = publishing(proxied, outbox)
    assert time.monotonic() - begun < 5
    listener = Listening(proxied, Queue.STATUS)
    try:
        wait_until("it tried", lambda: publisher.state.failures)
        assert not publisher.state.connected
        proxy.open()
        wait_until("it came", lambda: listener.got)
    finally:
        assert listener.end() < 10


def test_a_store_that_is_down_is_waited_for(broker: Broker, publishing: Publishing) -> None:
    outbox = MemoryOutbox()
    outbox.down = True
    outbox.put("status", "Task 1 running")
    publisher = publishing(broker, outbox)
    wait_until("it failed", lambda: publisher.state.failures)
    assert "database" in str(publisher.state.last_error)
    outbox.down = False
    wait_until("it is sent", lambda: outbox.sent == [1])


def test_a_fault_that_nobody_foresaw_does_not_end_the_publisher(
    broker: Broker, publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = MemoryOutbox()
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "take_outbox", lambda **_: 1 / 0)
        publisher = publishing(broker, outbox)
        wait_until("it failed", lambda: publisher.state.failures)
    outbox.put("status", "Task 1 running")
    wait_until("it is sent", lambda: outbox.sent == [1])


def test_stopping_while_the_broker_is_down_is_quick(
    proxied: Broker, proxy: Proxy, publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.refuse()
    monkeypatch.setattr(Pause, "next_s", lambda _: 600.0)
    publisher = publishing(proxied, MemoryOutbox())
    wait_until("it has failed, and pauses", lambda: publisher.state.failures >= 1)
    assert publisher.stop(60)


def test_a_check_says_what_is_wrong_in_one_line(proxied: Broker, proxy: Proxy) -> None:
    proxied.check()
    proxy.refuse()
    with pytest.raises(LinkError, match=r"127\.0\.0\.1:\d+.* cannot be used.*refused") as caught:
        proxied.check()
    assert "\n" not in str(caught.value)


def test_a_wrong_password_is_refused_without_being_shown(amqp_url: str) -> None:
    parts = urlsplit(amqp_url)
    url = urlunsplit(
        (parts.scheme, f"guest:sesam@{parts.hostname}:{parts.port}", parts.path, "", "")
    )
    with pytest.raises(AccessError, match="refuses us") as caught:
        open_broker(url).check()
    assert "sesam" not in str(caught.value)


def test_a_queue_of_another_kind_is_named(rabbit: Broker) -> None:
    from kombu import Queue as KombuQueue

    with rabbit.connect() as connection:
        name = rabbit.name_queue(Queue.STATUS)
        KombuQueue(name, durable=False, channel=connection.default_channel).declare()
        with pytest.raises(LinkError, match=f"inequivalent arg 'durable' for queue '{name}'"):
            rabbit.check()


def test_listening_ends_at_once_if_it_is_not_to_begin(rabbit: Broker) -> None:
    from threading import Event

    stop = Event()
    stop.set()
    listen(rabbit, Queue.STATUS, print, stop)
