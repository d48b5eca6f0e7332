"""SQLite: several processes at once, its file, its speed."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import event

from fedloom.errors import LinkError, OutputError
from fedloom.platform.store import Store, engine, failures, open_store
from fedloom.platform.store import database as database_module
from fedloom.platform.task import NewTask, TaskStatus

NewTaskMaker = Callable[..., NewTask]
Start = Callable[..., "subprocess.Popen[str]"]

API = """
import sys
from concurrent.futures import ThreadPoolExecutor
from fedloom.platform.store import open_store
from fedloom.platform.task import NewTask

store = open_store(sys.argv[1])
asked = NewTask(user_id="ada", use_case="iris", model_name="m", model_version=1,
                num_global_iterations=2, run_name="r", experiment_name="e")
print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(4) as threads:
    made = list(threads.map(lambda _: store.add_task(asked).id, range(120)))
    pages = list(threads.map(lambda _: store.list_tasks(limit=20).total, range(60)))
    list(threads.map(lambda _: store.mark_sent([m.id for m in store.take_outbox()]), range(30)))
store.close()
print(len(set(made)), flush=True)
"""

COORDINATOR = """
import sys, time
from fedloom.platform.store import open_store
from fedloom.platform.task import TaskStatus

store = open_store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
done, last = 0, time.monotonic()
while time.monotonic() < last + 5 and done < 120:
    task = store.claim_task(sys.argv[2], 30, lambda tasks: tasks[0].id)
    if task is None:
        time.sleep(0.01)
        continue
    last = time.monotonic()
    store.upsert_node(f"node{done % 3}", public_key="k", attributes={"n": done})
    for number in (1, 2):
        store.add_client_rows(task.id, [{"round": number, "client_id": "a"}], sys.argv[2])
        store.add_round(task.id, {"round": number}, sys.argv[2])
    store.add_log(task.id, "coordinator", "text")
    store.finish_task(task.id, sys.argv[2], TaskStatus.SUCCESS)
    done += 1
store.close()
print(done, flush=True)
"""


def test_api_and_coordinators_write_together(sqlite_url: str, start_python: Start) -> None:
    """Without immediate transactions this ends in 'database is locked' within a second."""
    processes = [
        start_python(API, sqlite_url),
        start_python(COORDINATOR, sqlite_url, "one"),
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=90) for process in processes]
    assert ends == [("120\n", ""), ("120\n", "")]
    with open_store(sqlite_url) as store:
        page = store.list_tasks(status=TaskStatus.SUCCESS, limit=1000)
        assert page.total == 120
        assert {task.rounds_done for task in page.tasks} == {2}
        assert len(store.nodes()) == 3


def test_300_tasks_a_second_are_added(sqlite_url: str, new_task: NewTaskMaker) -> None:
    """The best of three goes, because others share the machine."""
    asked = new_task()

    def add(store: Store) -> None:
        for _ in range(75):
            store.add_task(asked)

    rates = []
    with open_store(sqlite_url) as store:
        for _ in range(3):
            threads = [Thread(target=add, args=(store,)) for _ in range(4)]
            began = time.monotonic()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            rates.append(300 / (time.monotonic() - began))
        assert store.list_tasks().total == 900
    assert max(rates) >= 300, rates


def test_the_file_is_its_owners_alone(tmp_path: Path, new_task: NewTaskMaker) -> None:
    with open_store(f"sqlite:///{tmp_path}/new/folder/x.db") as store:
        store.add_task(new_task())
        files = list((tmp_path / "new" / "folder").iterdir())
        assert {file.name for file in files} == {"x.db", "x.db-wal", "x.db-shm"}
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot use the database sqlite:.*file/x\.db"):
        open_store(f"sqlite:///{tmp_path}/file/x.db")
    with pytest.raises(OutputError, match="directory"):
        open_store(f"sqlite:///{tmp_path}")


def test_a_wait_for_another_writer_ends_in_words(
    sqlite_url: str, tmp_path: Path, new_task: NewTaskMaker
) -> None:
    with open_store(sqlite_url) as store, closing(sqlite3.connect(tmp_path / "store.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with store._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout = 50")
        with pytest.raises(LinkError, match="is busy: somebody else has been writing"):
            store.add_task(new_task())
        assert store.list_tasks().total == 0, "readers do not wait for a writer"
        other.rollback()
        assert store.add_task(new_task()).id == 1


def test_a_wait_for_ones_own_writer_ends_in_words(
    sqlite_url: str, new_task: NewTaskMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "BUSY_S", 0.05)
    with open_store(sqlite_url) as store:
        with store._write(), pytest.raises(LinkError, match="this process has been writing"):
            store.add_task(new_task())
        assert store.add_task(new_task()).id == 1


def test_more_threads_than_connections_take_turns(sqlite_url: str, new_task: NewTaskMaker) -> None:
    errors: list[BaseException] = []

    def work(store: Store) -> None:
        try:
            for _ in range(3):
                store.add_task(new_task())
                store.list_tasks(limit=1)
        except BaseException as error:  # noqa: BLE001, shown below
            errors.append(error)

    with open_store(sqlite_url) as store:
        threads = [Thread(target=work, args=(store,)) for _ in range(60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert not errors, errors
        assert store.list_tasks().total == 180


def test_too_many_at_once_are_told_so(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engine._POOL, "pool_size", 1)
    monkeypatch.setitem(engine._POOL, "max_overflow", 0)
    monkeypatch.setitem(engine._POOL, "pool_timeout", 0.05)
    with open_store(sqlite_url) as store:
        with store._read(), pytest.raises(LinkError, match=r"all connections to sqlite.* in use"):
            store.list_tasks()
        assert store.list_tasks().total == 0


def test_a_full_disk_is_said_and_harms_nothing(sqlite_url: str, new_task: NewTaskMaker) -> None:
    with open_store(sqlite_url) as store:
        store.add_task(new_task())
        store._engine.dispose()

        def fill(store: Store) -> None:
            for _ in range(1000):
                store.add_task(new_task(run_name="x" * 200))

        def keep_small(connection: sqlite3.Connection, record: object) -> None:
            connection.execute("PRAGMA max_page_count = 40")

        event.listen(store._engine, "connect", keep_small)
        with pytest.raises(OutputError, match=r"cannot use the database .*full"):
            fill(store)
        before = store.list_tasks().total
        event.remove(store._engine, "connect", keep_small)
        store._engine.dispose()
        store.add_task(new_task())
        assert store.list_tasks().total == before + 1


def test_a_copy_of_the_file_is_a_store(
    sqlite_url: str, tmp_path: Path, new_task: NewTaskMaker
) -> None:
    """A backup that is taken by SQLite's own means while the store is in use."""
    with open_store(sqlite_url) as store:
        store.add_task(new_task())
        with (
            closing(sqlite3.connect(tmp_path / "store.db")) as source,
            closing(sqlite3.connect(tmp_path / "copy.db")) as target,
        ):
            source.backup(target)
        store.add_task(new_task())
    with open_store(f"sqlite:///{tmp_path}/copy.db") as copy:
        assert copy.list_tasks().total == 1
    shutil.rmtree(tmp_path)


def test_waits_are_bounded() -> None:
    assert 0 < failures.BUSY_S <= 60
