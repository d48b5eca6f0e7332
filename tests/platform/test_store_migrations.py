"""Tables are made and upgraded once, by whoever comes first, and others' are left alone."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.engine import Engine

from fedloom.errors import ConflictError, DataError
from fedloom.platform.store import open_store
from fedloom.platform.store.address import Address, read_address
from fedloom.platform.store.engine import make_engine
from fedloom.platform.store.migrate import HEAD, VERSION_TABLE, read_revision, upgrade_tables
from fedloom.platform.store.tables import Row
from fedloom.platform.task import NewTask

NewTaskMaker = Callable[..., NewTask]
Start = Callable[..., "subprocess.Popen[str]"]

SECOND = """
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "0002"


def upgrade():
    op.add_column("task", sa.Column("colour", sa.String(), nullable=True))
    if fails:
        raise RuntimeError("in the middle")


def downgrade():
    op.drop_column("task", "colour")
"""


def connect(url: str) -> tuple[Address, Engine]:
    address = read_address(url)
    return address, make_engine(address)


def columns(engine: Engine, table: str) -> set[str]:
    return {column["name"] for column in inspect(engine).get_columns(table)}


def test_the_newest_revision_is_the_last_step() -> None:
    from fedloom.platform.store import migrate

    assert ScriptDirectory(str(migrate._MIGRATIONS)).get_heads() == [HEAD]


def test_the_steps_make_the_tables_that_the_program_uses(bare_url: str) -> None:
    open_store(bare_url).close()
    _, engine = connect(bare_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_server_default": True}
        )
        assert compare_metadata(context, Row.metadata) == []
    assert read_revision(engine) == HEAD
    engine.dispose()


def test_the_first_ten_columns_of_a_task_are_the_originals(bare_url: str) -> None:
    open_store(bare_url).close()
    _, engine = connect(bare_url)
    assert [column["name"] for column in inspect(engine).get_columns("task")][:10] == [
        "id",
        "user_id",
        "use_case",
        "model_name",
        "model_version",
        "num_global_iterations",
        "run_name",
        "experiment_name",
        "status",
        "created_at",
    ]
    engine.dispose()


def test_status_labels_are_the_originals(store_url: str, new_task: NewTaskMaker) -> None:
    with open_store(store_url) as store:
        store.add_task(new_task())
        store.cancel_task(store.add_task(new_task()).id, "")
    _, engine = connect(store_url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT status FROM task ORDER BY id")).scalars().all()
    assert rows == ["PENDING", "CANCELLED"]
    engine.dispose()


@pytest.fixture
def second_step(tmp_path: Path) -> Path:
    folder = tmp_path / "later 100%"
    folder.mkdir()
    (folder / "r9999_colour.py").write_text("fails = False\n" + SECOND)
    return folder


def test_a_step_is_taken_from_the_newest_revision_and_keeps_what_is_there(
    bare_url: str, second_step: Path, new_task: NewTaskMaker
) -> None:
    with open_store(bare_url) as store:
        task = store.add_task(new_task())
    address, engine = connect(bare_url)
    upgrade_tables(address, engine)
    assert (read_revision(engine), "colour" in columns(engine, "task")) == ("0002", False)
    upgrade_tables(address, engine, "9999", [second_step])
    assert (read_revision(engine), "colour" in columns(engine, "task")) == ("9999", True)
    upgrade_tables(address, engine, "9999", [second_step])
    with engine.connect() as connection:
        query = text("SELECT user_id, colour FROM task")
        assert connection.execute(query).all() == [(task.user_id, None)]
    engine.dispose()


def test_all_steps_are_taken_from_an_empty_database(bare_url: str, second_step: Path) -> None:
    address, engine = connect(bare_url)
    upgrade_tables(address, engine, "9999", [second_step])
    assert "colour" in columns(engine, "task")
    engine.dispose()


def test_a_step_that_fails_changes_nothing(bare_url: str, second_step: Path) -> None:
    open_store(bare_url).close()
    (second_step / "r9999_colour.py").write_text("fails = True\n" + SECOND)
    address, engine = connect(bare_url)
    with pytest.raises(RuntimeError, match="in the middle"):
        upgrade_tables(address, engine, "9999", [second_step])
    assert (read_revision(engine), "colour" in columns(engine, "task")) == ("0002", False)
    engine.dispose()


def test_tables_of_a_newer_program_are_refused(bare_url: str, second_step: Path) -> None:
    open_store(bare_url).close()
    address, engine = connect(bare_url)
    upgrade_tables(address, engine, "9999", [second_step])
    engine.dispose()
    with pytest.raises(ConflictError, match=r"newer Fedloom .*9999.*0002.*: upgrade Fedloom"):
        open_store(bare_url)


def test_another_programs_tables_are_left_alone(bare_url: str) -> None:
    _, engine = connect(bare_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE task (id INTEGER)"))
    with pytest.raises(ConflictError, match="table 'task' of another program"):
        open_store(bare_url)
    assert inspect(engine).get_table_names() == ["task"]
    engine.dispose()


def test_mlflow_may_live_in_the_same_database(bare_url: str) -> None:
    _, engine = connect(bare_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('mlflows')"))
    open_store(bare_url).close()
    with engine.connect() as connection:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars()
        assert found.all() == ["mlflows"]
    engine.dispose()


OPEN = """
import sys
from fedloom.platform.store import open_store
print("ready", flush=True)
sys.stdin.readline()
open_store(sys.argv[1]).close()
print("done", flush=True)
"""


def test_processes_that_start_together_make_the_tables_once(
    bare_url: str, start_python: Start
) -> None:
    openers = [start_python(OPEN, bare_url) for _ in range(3)]
    for opener in openers:
        assert opener.stdout is not None
        assert opener.stdout.readline() == "ready\n"
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.write("\n")
        opener.stdin.flush()
    ends = [opener.communicate(timeout=60) for opener in openers]
    assert ends == [("done\n", "")] * 3


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"rubbish" * 1000)
    with pytest.raises(DataError, match="is no database of Fedloom"):
        open_store(f"sqlite:///{tmp_path}/x.db")
    assert (tmp_path / "x.db").read_bytes() == b"rubbish" * 1000


def test_a_damaged_database_is_refused_in_words(tmp_path: Path, new_task: NewTaskMaker) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    with open_store(url) as store:
        for _ in range(100):
            store.add_task(new_task())
    with closing(sqlite3.connect(tmp_path / "x.db")) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damaged = bytearray((tmp_path / "x.db").read_bytes())
    damaged[4096:] = b"\xff" * (len(damaged) - 4096)
    (tmp_path / "x.db").write_bytes(damaged)
    with pytest.raises(DataError, match="is no database of Fedloom"), open_store(url) as store:
        store.list_tasks()
