"""PostgreSQL: lost and stuck connections, and events in the order in which they can be read."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Event, Thread, Timer

import psycopg
import pytest
from sqlalchemy.engine import make_url

from fedloom.errors import LinkError
from fedloom.platform.store import EventKind, Store, engine, open_store
from fedloom.platform.store.limited import LimitedConnection
from fedloom.platform.task import NewTask

NewTaskMaker = Callable[..., NewTask]


def test_a_reader_of_the_stream_misses_no_event(
    postgresql_url: str, new_task: NewTaskMaker
) -> None:
    """A slow writer must not get a smaller number than one that can already be read."""
    with open_store(postgresql_url) as store:
        slow_has_number, quick_is_done = Event(), Event()

        def write_slowly() -> None:
            with store._write() as transaction:
                transaction.add_event(EventKind.NODE, name="slow")
                transaction.write_events()
                transaction._events.clear()
                slow_has_number.set()
                quick_is_done.wait(timeout=0.5)

        def write_quickly() -> None:
            slow_has_number.wait(timeout=10)
            store.upsert_node("quick", public_key="k")
            quick_is_done.set()

        threads = [Thread(target=write_slowly), Thread(target=write_quickly)]
        for thread in threads:
            thread.start()
        read: list[str] = []
        last, give_up = 0, time.monotonic() + 10
        while len(read) < 2:
            assert time.monotonic() < give_up, f"only {read} came"
            for event in store.events(last):
                read.append(event.data["name"])
                last = event.id
        for thread in threads:
            thread.join()
        assert read == ["slow", "quick"]


class Proxy:
    """Stands between a store and its database; hangs up, or falls silent, when told to."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.pairs: list[tuple[socket.socket, socket.socket]] = []
        self.up, self.silent, self.closed = True, False, False
        self.cuts = 0
        self.thread = Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while not self.closed:
            ends = {a: b for pair in self.pairs for a, b in (pair, pair[::-1])}
            ready, _, _ = select.select([self.socket, *ends], [], [], 0.02)
            if not self.up:
                self._hang_up()
                self.cuts += 1
                continue
            for end in ready:
                if end is self.socket:
                    client = self.socket.accept()[0]
                    self.pairs.append((client, socket.create_connection(self.target)))
                elif not self.silent:
                    self._pass_on(end, ends[end])

    def cut(self) -> None:
        """Hang up, and return when that is done."""
        before, give_up = self.cuts, time.monotonic() + 60
        self.up = False
        while self.cuts == before:
            assert time.monotonic() < give_up
            time.sleep(0.01)

    def _pass_on(self, end: socket.socket, other: socket.socket) -> None:
        data = b""
        with suppress(OSError):
            data = end.recv(65536)
        if data:
            with suppress(OSError):
                other.sendall(data)
            return
        for pair in [pair for pair in self.pairs if end in pair]:
            self.pairs.remove(pair)
            for one in pair:
                one.close()

    def _hang_up(self) -> None:
        for pair in self.pairs:
            for one in pair:
                one.close()
        self.pairs.clear()
        while select.select([self.socket], [], [], 0)[0]:
            self.socket.accept()[0].close()

    def close(self) -> None:
        self.closed = True
        self.thread.join(timeout=60)
        self._hang_up()
        self.socket.close()


@pytest.fixture
def proxy(postgresql_url: str) -> Iterator[Proxy]:
    url = make_url(postgresql_url)
    opened = Proxy(url.host or "127.0.0.1", url.port or 5432)
    yield opened
    opened.close()


@pytest.fixture
def store_behind(
    postgresql_url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    monkeypatch.setattr(engine, "_CONNECT_S", 2)
    url = make_url(postgresql_url).set(host="127.0.0.1", port=proxy.port, password="geheim")
    with open_store(url.render_as_string(hide_password=False)) as store:
        yield store


def test_a_database_that_was_away_is_found_again(
    store_behind: Store, proxy: Proxy, new_task: NewTaskMaker
) -> None:
    assert store_behind.add_task(new_task()).id == 1
    proxy.cut()
    with pytest.raises(LinkError, match="cannot reach the database postgresql://") as caught:
        store_behind.add_task(new_task())
    assert "geheim" not in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(LinkError):
        store_behind.check()
    proxy.up = True
    assert store_behind.list_tasks().total == 1
    store_behind.add_task(new_task())
    assert store_behind.list_tasks().total == 2


def test_a_database_that_falls_silent_is_not_waited_for_long(
    store_behind: Store, proxy: Proxy, new_task: NewTaskMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LimitedConnection, "answer_s", 0.3)
    store_behind.add_task(new_task())
    proxy.silent = True
    began = time.monotonic()
    with pytest.raises(LinkError, match=r"no answer for 0.3 s|timeout"):
        store_behind.add_task(new_task())
    assert time.monotonic() - began < 60
    proxy.cut()
    proxy.silent, proxy.up = False, True
    assert store_behind.list_tasks().total == 1


def test_a_session_that_the_server_ends_is_replaced(
    postgresql_url: str, new_task: NewTaskMaker
) -> None:
    with open_store(postgresql_url) as store:
        store.add_task(new_task())
        with psycopg.connect(postgresql_url, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert store.list_tasks().total == 1


def test_a_session_that_ends_within_a_change_undoes_it(
    postgresql_url: str, new_task: NewTaskMaker
) -> None:
    def change_and_be_cut_off(store: Store) -> None:
        with store._write() as transaction:
            transaction.add_event(EventKind.NODE, name="lost")
            transaction.write_events()
            number = transaction.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            with psycopg.connect(postgresql_url, autocommit=True) as admin:
                admin.execute("SELECT pg_terminate_backend(%s)", [number])

    with open_store(postgresql_url) as store:
        with pytest.raises(LinkError, match="cannot reach the database"):
            change_and_be_cut_off(store)
        assert store.events() == []


def test_a_server_that_is_not_there_is_said_to_be_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(LinkError, match="cannot reach the database postgresql://me:") as caught:
        open_store(f"postgresql://me:geheim@127.0.0.1:{port}/x")
    assert "geheim" not in str(caught.value)


def test_a_database_that_is_not_there_is_named(postgresql_server: str) -> None:
    with pytest.raises(LinkError, match='database "fedloom_nowhere" does not exist'):
        open_store(f"{postgresql_server}/fedloom_nowhere")


def test_a_database_that_comes_up_late_is_waited_for(postgresql_url: str, proxy: Proxy) -> None:
    url = make_url(postgresql_url).set(host="127.0.0.1", port=proxy.port)
    address = url.render_as_string(hide_password=False)
    proxy.up = False
    began = time.monotonic()
    with pytest.raises(LinkError):
        open_store(address, wait_s=0.6)
    assert time.monotonic() - began >= 0.5
    timer = Timer(0.7, setattr, (proxy, "up", True))
    timer.start()
    with open_store(address, wait_s=20) as store:
        assert store.list_tasks().total == 0
    timer.join()


def test_a_wait_for_a_locked_row_ends_in_words(
    postgresql_url: str, new_task: NewTaskMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_BUSY_MS", 100)
    with open_store(postgresql_url) as store, psycopg.connect(postgresql_url) as other:
        store.add_task(new_task())
        other.execute("SELECT * FROM task FOR UPDATE")
        with pytest.raises(LinkError, match="is busy: somebody else has been writing"):
            store.cancel_task(1, "")
        claimed = store.claim_task("me", 10, lambda tasks: tasks[0].id)
        assert claimed is None, "a claimer passes over what another holds"
        other.rollback()
        assert store.cancel_task(1, "").status == "cancelled"


def test_an_old_spelling_of_the_address_is_taken(postgresql_url: str) -> None:
    with open_store(postgresql_url.replace("postgresql://", "postgres://")) as store:
        assert store.list_tasks().total == 0
