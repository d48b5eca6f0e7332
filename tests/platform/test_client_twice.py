"""A node runs once: two with one key would take each other's messages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fedloom.errors import ConflictError
from fedloom.platform.client.file_lock import KeyLock, StateLock

HOLD = """
import sys
from pathlib import Path
from fedloom.errors import ConflictError
from fedloom.platform.client.client import ClientNode
from fedloom.platform.client.config import NodeConfig

folder = Path(sys.argv[1])
config = NodeConfig(state=folder / sys.argv[2], key=folder / "shared" / "node.key")
try:
    node = ClientNode(config, lambda settings, target: None)
except ConflictError as error:
    print(error, flush=True)
    sys.exit(3)
print("open", flush=True)
sys.stdin.read()
"""


def start(folder: Path, state: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), state],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=60)


def test_a_second_process_with_the_same_key_is_told_who_has_it(tmp_path: Path) -> None:
    first = start(tmp_path, "one")
    try:
        assert first_line(first) == "open"
        for state in ("two", "one"):
            second = start(tmp_path, state)
            said = first_line(second)
            assert f"(process {first.pid})" in said
            assert ("the key" in said) == (state == "two")
            second.communicate(timeout=60)
            assert second.returncode == 3
    finally:
        end(first)
    # A kill gives it free at once.
    third = start(tmp_path, "two")
    try:
        assert first_line(third) == "open"
    finally:
        end(third)


def test_locks_end_with_close_and_name_their_process(tmp_path: Path) -> None:
    key = tmp_path / "{odd} name.key"
    lock = KeyLock(key)
    with pytest.raises(ConflictError, match=rf"the key .*odd.* \(process {os.getpid()}\)"):
        KeyLock(key)
    lock.close()
    lock.close()
    KeyLock(key).close()
    assert not key.exists(), "the lock is beside the key, which is made later"
    state = StateLock(tmp_path / "state")
    with pytest.raises(ConflictError, match="give each one a state of its own"):
        StateLock(tmp_path / "state")
    state.close()
