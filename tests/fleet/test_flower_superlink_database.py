"""A SuperLink's database: killed while it is made, it is made anew."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep

import pytest

from fedloom.fleet.flower.superlink import SuperLink
from fedloom.fleet.flower.superlink_database import make_database

LIMIT_S = 60.0


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {name for (name,) in found}


def test_a_kill_between_two_tables_leaves_no_database_and_the_next_start_makes_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "superlink.db"
    code = (
        "import sys; from pathlib import Path\n"
        "from fedloom.fleet.flower.superlink_database import make_database\n"
        "make_database(Path(sys.argv[1]))\n"
    )
    beside = tmp_path / ".superlink.db.new"
    maker = subprocess.Popen([sys.executable, "-c", code, str(path)])
    until = monotonic() + LIMIT_S
    while not (beside.exists() and "node" in tables(beside)):
        assert monotonic() < until
        assert maker.poll() is None, "it was made before it could be killed"
        sleep(0.001)
    maker.send_signal(signal.SIGKILL)
    maker.wait(LIMIT_S)
    assert not path.exists()
    with SuperLink(tmp_path).start() as link:
        assert link.endpoint.answers()
    assert {"node", "run", "objects"} <= tables(path)
    assert not beside.exists()


@pytest.mark.filterwarnings("ignore:No path_separator:DeprecationWarning")  # within Flower
def test_what_is_there_stays_and_pages_are_large(tmp_path: Path) -> None:
    path = tmp_path / "superlink.db"
    make_database(path)
    content = path.read_bytes()
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA page_size").fetchone() == (65536,)
    make_database(path)
    assert path.read_bytes() == content
