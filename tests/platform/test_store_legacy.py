"""The tasks of the system that Fedloom replaces are taken over."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from fedloom.errors import ConflictError, DataError
from fedloom.platform.store import Store
from fedloom.platform.task import NewTask, TaskStatus

NewTaskMaker = Callable[..., NewTask]

COLUMNS = """
    user_id VARCHAR NOT NULL, use_case VARCHAR NOT NULL, model_name VARCHAR NOT NULL,
    model_version INTEGER NOT NULL, num_global_iterations INTEGER NOT NULL,
    run_name VARCHAR NOT NULL, experiment_name VARCHAR NOT NULL
"""
ROWS = [
    ("1", "iris", "iris_model", 1, 3, "r", "Default", 1, "SUCCESS", "2024-11-05 10:20:30.123456"),
    ("1", "", "iris_model", 0, -5, "", "Default", 2, "PENDING", "2024-11-05 10:21:30"),
    ("2", "iris", "m", 1, 3, "r", "e", 5, "RUNNING", "2024-11-05 10:22:30"),
    ("2", "iris", "m", 1, 3, "r", "e", 7, "CANCELLED", "2024-11-05 10:23:30"),
]
LABELS = "'PENDING', 'RUNNING', 'SUCCESS', 'FAILED', 'CANCELLED'"


def write_sqlite(file: Path) -> str:
    with closing(sqlite3.connect(file)) as old:
        old.execute(
            f"CREATE TABLE task ({COLUMNS}, id INTEGER NOT NULL PRIMARY KEY,"
            " status VARCHAR(9) NOT NULL, created_at DATETIME NOT NULL)"
        )
        old.executemany(f"INSERT INTO task VALUES ({','.join('?' * 10)})", ROWS)
        old.commit()
    return f"sqlite:///{file}"


def write_postgresql(url: str) -> str:
    with psycopg.connect(url) as old:
        old.execute(f"CREATE TYPE taskstatus AS ENUM ({LABELS})")
        old.execute(
            f"CREATE TABLE task ({COLUMNS}, id SERIAL PRIMARY KEY, status taskstatus NOT NULL,"
            " created_at TIMESTAMP WITHOUT TIME ZONE NOT NULL)"
        )
        for row in ROWS:
            old.execute(f"INSERT INTO task VALUES ({','.join(['%s'] * 10)})", row)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def old_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return write_sqlite(tmp_path / "test.db")
    return write_postgresql(request.getfixturevalue("bare_postgresql_url"))


def test_old_tasks_keep_their_numbers_and_names(
    store: Store, old_url: str, new_task: NewTaskMaker
) -> None:
    assert store.import_legacy(old_url) == 4
    tasks = {task.id: task for task in store.list_tasks().tasks}
    assert list(tasks) == [7, 5, 2, 1]
    first = tasks[1]
    assert (first.user_id, first.model_name, first.status) == ("1", "iris_model", "success")
    assert first.created_at == datetime(2024, 11, 5, 10, 20, 30, 123456, tzinfo=UTC)
    assert tasks[2].num_global_iterations == -5, "what the old system took can be read"
    assert (tasks[2].status, tasks[2].reason) == ("failed", "it was pending when it was taken over")
    assert tasks[5].status is TaskStatus.FAILED
    assert tasks[7].status is TaskStatus.CANCELLED
    assert store.claimable_tasks() == []
    assert store.add_task(new_task()).id == 8


def test_they_go_into_an_empty_store_only(
    store: Store, old_url: str, new_task: NewTaskMaker
) -> None:
    store.add_task(new_task())
    with pytest.raises(ConflictError, match="empty store"):
        store.import_legacy(old_url)
    assert store.list_tasks().total == 1


def test_the_old_file_is_only_read(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "old #"
    folder.mkdir()
    url = write_sqlite(folder / "test.db")
    before = (folder / "test.db").read_bytes()
    (folder / "test.db").chmod(0o400)
    assert store.import_legacy(url) == 4
    assert (folder / "test.db").read_bytes() == before
    assert [file.name for file in folder.iterdir()] == ["test.db"]


def test_what_is_no_old_database_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        store.import_legacy(f"sqlite:///{tmp_path}/nowhere.db")
    assert not (tmp_path / "nowhere.db").exists()
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE something (id INTEGER)")
    with pytest.raises(DataError, match="no table of tasks"):
        store.import_legacy(f"sqlite:///{tmp_path}/other.db")
    url = write_sqlite(tmp_path / "odd.db")
    with closing(sqlite3.connect(tmp_path / "odd.db")) as odd:
        odd.execute("UPDATE task SET status = 'WEIRD' WHERE id = 5")
        odd.commit()
    with pytest.raises(DataError, match=r"task 5 .* unknown status 'WEIRD'"):
        store.import_legacy(url)
    assert store.list_tasks().total == 0
