"""Bodies of messages and addresses of brokers: what is right is read, all else is refused."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedloom.errors import InputError, LinkError
from fedloom.platform.broker import (
    Dispatch,
    GarbledMessageError,
    StatusChange,
    open_broker,
    read_message,
)
from fedloom.platform.broker.confirms import Confirms
from fedloom.platform.broker.pause import Pause
from fedloom.platform.task import Queue, Task, TaskStatus, write_dispatch, write_status

TASK = Task(
    id=1,
    user_id="1",
    use_case="iris",
    model_name="iris_model",
    model_version=1,
    num_global_iterations=3,
    run_name="r",
    experiment_name="Default",
    status=TaskStatus.PENDING,
    created_at=datetime(2030, 1, 1, tzinfo=UTC),
    priority=7,
)


def test_a_dispatch_is_what_the_original_sent() -> None:
    assert json.loads(write_dispatch(TASK)) == {
        "user_id": "1",
        "use_case": "iris",
        "model_name": "iris_model",
        "model_version": 1,
        "num_global_iterations": 3,
        "run_name": "r",
        "experiment_name": "Default",
        "id": 1,
        "status": "pending",
        "created_at": "2030-01-01T00:00:00Z",
    }


def test_what_is_written_is_read_again() -> None:
    message = read_message(Queue.DISPATCH, write_dispatch(TASK).encode())
    assert isinstance(message, Dispatch)
    assert message.task_id == 1
    assert message.task["use_case"] == "iris"


@given(st.integers(0, 10**18 - 1), st.sampled_from(TaskStatus))
def test_a_status_is_read_again(task_id: int, status: TaskStatus) -> None:
    body = write_status(task_id, status).encode()
    assert read_message(Queue.STATUS, body) == StatusChange(task_id, status)


def test_the_originals_status_is_read() -> None:
    assert read_message(Queue.STATUS, b"Task 3 success") == StatusChange(3, TaskStatus.SUCCESS)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Task",
        b"Task x success",
        b"Task 1 done",
        b"Task -1 failed",
        b"\xff\xfe",
        b"task 1 failed",
    ],
)
def test_a_status_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(GarbledMessageError):
        read_message(Queue.STATUS, body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"7",
        b'{"id": "1"}',
        b'{"id": true}',
        b'{"id": 0}',
        b'{"id": 1.5}',
        b"{",
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_a_dispatch_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(GarbledMessageError) as caught:
        read_message(Queue.DISPATCH, body)
    assert len(str(caught.value)) < 500


@given(st.sampled_from(Queue), st.binary())
def test_nothing_else_is_raised_for_any_bytes(queue: Queue, body: bytes) -> None:
    try:
        read_message(queue, body)
    except GarbledMessageError:
        return


# Addresses


@pytest.mark.parametrize(
    "url",
    [
        "amqp://ada:sesam-1@rabbit.example:5672/fl",
        "amqps://ada:sesam-1@rabbit.example/fl",
        "amqp://ada:sesam%2D1@rabbit.example",
    ],
)
def test_an_address_is_shown_without_its_password(url: str) -> None:
    address = open_broker(url).address
    for shown in (address.shown, repr(address), repr(open_broker(url)), address.hide(url)):
        assert "sesam" not in shown
        assert "ada" in shown or shown == "***"
    assert address.url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost",
        "http://sesam@host",
        "redis://:sesam@host",
        "amqp://",
        "amqp://u:sesam@h:port",
    ],
)
def test_a_wrong_address_is_one_line_that_says_what_is_right(url: str) -> None:
    with pytest.raises(InputError, match="amqp://USER:PASSWORD") as caught:
        open_broker(url)
    assert "\n" not in str(caught.value)
    assert "sesam" not in str(caught.value)


@pytest.mark.parametrize("prefix", ["a b", "ä", "x" * 101, "a/b"])
def test_a_prefix_is_checked(prefix: str) -> None:
    with pytest.raises(InputError, match="prefix"):
        open_broker("memory://", prefix=prefix)


def test_a_heartbeat_below_a_second_is_refused() -> None:
    with pytest.raises(InputError, match="heartbeat"):
        open_broker("memory://", heartbeat_s=0.5)


# Confirmations


class SilentBroker:
    """Stands for a connection and its channel; says what it was told to say."""

    def __init__(self) -> None:
        self.events: dict[str, set[Callable[[int, bool], None]]] = {
            "basic_ack": set(),
            "basic_nack": set(),
        }
        self.answers: list[tuple[str, int, bool]] = []

    def confirm_select(self) -> None:
        pass

    def drain_events(self, timeout: float) -> None:
        if not self.answers:
            time.sleep(timeout)
            raise TimeoutError
        kind, tag, multiple = self.answers.pop(0)
        for callback in self.events[kind]:
            callback(tag, multiple)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([("basic_ack", 3, True)], None),
        ([("basic_ack", 2, False), ("basic_ack", 3, False), ("basic_ack", 1, False)], None),
        ([("basic_ack", 2, True)], "did not confirm 1 messages within 0.2 s"),
        ([("basic_nack", 2, False), ("basic_ack", 3, True)], "refused 1 messages"),
        ([("basic_nack", 3, True)], "refused 3 messages"),
    ],
)
def test_only_what_the_broker_confirmed_counts(
    answers: list[tuple[str, int, bool]], said: str | None
) -> None:
    broker = SilentBroker()
    confirms = Confirms(broker, broker, in_memory=False)  # type: ignore[arg-type]
    for _ in range(3):
        confirms.count()
    broker.answers = answers
    if said is None:
        confirms.wait(0.2)
        return
    with pytest.raises(LinkError, match=said):
        confirms.wait(0.2)


# Pauses


def test_pauses_grow_up_to_a_bound_and_begin_again() -> None:
    pause = Pause(Event(), first_s=1.0, most_s=8.0)
    waits = [pause.next_s() for _ in range(50)]
    for wait, longest in zip(waits, [1, 2, 4, *[8] * 47], strict=True):
        assert longest / 2 <= wait <= longest
    pause.reset()
    assert pause.next_s() <= 1.0


def test_a_pause_ends_when_a_stop_is_asked_for() -> None:
    stop = Event()
    stop.set()
    Pause(stop, first_s=60.0, most_s=60.0).wait()
