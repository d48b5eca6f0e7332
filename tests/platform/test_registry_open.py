"""Opening a registry: in the background, by many at once, or a line that says why not."""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from fedloom.errors import (
    AccessError,
    ConflictError,
    FedloomError,
    InputError,
    LinkError,
    NotFoundError,
    OutputError,
)
from fedloom.platform.registry import list_models, open_registry
from fedloom.platform.registry.address import read_registry_address
from fedloom.platform.registry.cache import FileCache, digest_of
from fedloom.platform.registry.failures import registry_errors
from fedloom.platform.registry.lock import hold_registry

PACKAGE = "fedloom.platform.registry"


def test_opening_blocks_nobody(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with hold_registry(tmp_path / "new" / ".mlflow.db.lock", limit_s=1.0):
        # Nobody can open it now, and yet this returns.
        registry = open_registry(f"sqlite:///{tmp_path}/new/mlflow.db", cache=tmp_path / "cache")
        assert not registry.is_ready
    registry.check()
    assert registry.is_ready
    assert list_models(registry).items == []
    assert (tmp_path / "new" / "mlflow.db").is_file()


def test_importing_the_registry_imports_no_mlflow() -> None:
    code = f"import sys, {PACKAGE}; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_processes_that_make_one_registry_at_once_agree(tmp_path: Path) -> None:
    code = f"""
import sys
from {PACKAGE} import open_registry
registry = open_registry(sys.argv[1])
print(registry.client().get_experiment_by_name("Default").experiment_id)
"""
    url = f"sqlite:///{tmp_path}/mlflow.db"
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in started:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out) == (0, "0\n"), err[-2000:]


def test_tables_of_an_older_mlflow_are_upgraded_and_copied_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config
    from mlflow.store.tracking.dbmodels.initial_models import Base
    from sqlalchemy import create_engine

    file = tmp_path / "mlflow.db"
    engine = create_engine(f"sqlite:///{file}")
    Base.metadata.create_all(engine)
    engine.dispose()
    config = _get_alembic_config(f"sqlite:///{file}")
    script = ScriptDirectory.from_config(config)
    [head] = script.get_heads()
    older = script.get_revision(head).down_revision
    command.upgrade(config, older)
    with caplog.at_level(logging.WARNING):
        registry = open_registry(f"sqlite:///{file}", cache=tmp_path / "cache")
        registry.check()
    assert "upgrading the registry" in caplog.text
    assert version_of(file) == head
    assert version_of(tmp_path / "mlflow.db.before-upgrade") == older


def version_of(file: Path) -> str:
    with closing(sqlite3.connect(file)) as connection:
        [(found,)] = connection.execute("SELECT version_num FROM alembic_version")
    return str(found)


# What cannot be opened


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mlflow.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///a?b",
        "postgresql://u:sesam@h/d",
        "http://",
        "http://u:sesam@h:port",
        "databricks",
        "file:///tmp",
    ],
)
def test_a_wrong_address_is_one_line_that_says_what_is_right(url: str) -> None:
    with pytest.raises(InputError, match=r"sqlite:///FILE|in its path") as caught:
        open_registry(url)
    assert "\n" not in str(caught.value)
    assert "sesam" not in str(caught.value)


def test_an_address_is_shown_without_its_password() -> None:
    address = read_registry_address("https://ada:sesam@mlflow.example:5000/base")
    assert address.shown == "https://ada:***@mlflow.example:5000/base"
    assert "sesam" not in repr(address) + address.hide(f"cannot reach {address.url}")


def test_artifacts_are_the_servers_own_affair() -> None:
    with pytest.raises(InputError, match="leave artifacts out"):
        open_registry("http://127.0.0.1:1", artifacts="/tmp/a")


def test_a_folder_that_cannot_be_made_is_named_and_tried_again(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.touch()
    registry = open_registry(f"sqlite:///{blocked}/mlflow.db", cache=tmp_path / "cache")
    with pytest.raises(OutputError, match="blocked") as caught:
        registry.client()
    assert "\n" not in str(caught.value)
    assert not registry.is_ready
    blocked.unlink()
    registry.check()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database, and long enough to be seen as none")
    registry = open_registry(f"sqlite:///{tmp_path}/mlflow.db", cache=tmp_path / "cache")
    with pytest.raises(LinkError, match="not a database") as caught:
        registry.check()
    assert "\n" not in str(caught.value)
    assert (tmp_path / "mlflow.db").read_text().startswith("this is no database")


def test_a_server_that_is_not_there_is_named_after_a_bounded_wait(
    tmp_path: Path, unused_port: int
) -> None:
    registry = open_registry(f"http://ada:sesam@127.0.0.1:{unused_port}", cache=tmp_path)
    registry.client()
    begun = time.monotonic()
    with pytest.raises(LinkError, match=f"127.0.0.1:{unused_port}.*given up after") as caught:
        registry.check()
    assert time.monotonic() - begun < 50
    assert "sesam" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("RESOURCE_DOES_NOT_EXIST", NotFoundError),
        ("RESOURCE_ALREADY_EXISTS", ConflictError),
        ("INVALID_PARAMETER_VALUE", InputError),
        ("PERMISSION_DENIED", AccessError),
        ("UNAUTHENTICATED", AccessError),
        ("INTERNAL_ERROR", LinkError),
        ("TEMPORARILY_UNAVAILABLE", LinkError),
    ],
)
def test_each_fault_of_mlflow_has_its_kind(code: str, kind: type[FedloomError]) -> None:
    from mlflow.exceptions import RestException

    address = read_registry_address("http://ada:sesam@h")
    fault = RestException({"error_code": code, "message": "first sesam\nsecond\nthird"})
    with pytest.raises(kind, match=r"first \*\*\*") as caught, registry_errors(address, "do it"):
        raise fault
    assert "\n" not in str(caught.value)


# The lock


def test_only_one_holds_the_registry_and_waiting_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / ".lock"
    with hold_registry(file, limit_s=1.0):
        begun = time.monotonic()
        with (
            pytest.raises(LinkError, match=f"held by process {os.getpid()}: waited 0.2 s"),
            hold_registry(file, limit_s=0.2),
        ):
            pass
        assert 0.2 <= time.monotonic() - begun < 30
    with hold_registry(file, limit_s=0.2):
        pass


def test_the_lock_is_handed_on(tmp_path: Path) -> None:
    file, inside, most = tmp_path / ".lock", 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with hold_registry(file, limit_s=30.0):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert most == 1


# The cache


def test_the_cache_drops_what_was_not_asked_for_longest(tmp_path: Path) -> None:
    cache = FileCache(tmp_path / "cache", limit_bytes=2500)

    def put(content: bytes) -> Path:
        def fetch(folder: Path) -> Path:
            (folder / "file").write_bytes(content)
            return folder / "file"

        source = tmp_path / "source"
        source.write_bytes(content)
        return cache.get(digest_of(source), "a file", fetch)

    first, second = put(b"1" * 1000), put(b"2" * 1000)
    left = tmp_path / "cache" / ".working-killed"
    left.mkdir()
    for age, path in ((9000, first), (5000, second), (90_000, left)):
        os.utime(path, (time.time() - age,) * 2)
    put(b"1" * 1000)  # asked for again, so it is younger now
    third = put(b"3" * 1000)
    assert [path.exists() for path in (first, second, third, left)] == [True, False, True, False]
    fourth = put(b"4" * 1000)
    assert third.exists(), "somebody may be about to open it"
    assert fourth.exists()
