"""The owner's log: whole after every end, and no line of it changed unseen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedloom.errors import NotFoundError, OutputError
from fedloom.platform.client.audit import FIRST, AuditLog, hash_line, list_audit_files
from fedloom.platform.client.audit_check import verify_audit


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_are_chained(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path, clock=lambda: datetime(2030, 1, 1, tzinfo=UTC))
    log.append("started", task="t", bytes_in=4, reason=None)
    head = log.append("finished", task="t", outcome="done")
    first, second = lines(path)
    assert first["prev"] == FIRST
    assert second["prev"] == first["hash"]
    assert head == log.head == second["hash"] == hash_line(second)
    assert first["at"] == "2030-01-01T00:00:00.000+00:00"
    assert {k: first[k] for k in ("n", "event", "task", "bytes_in")} == {
        **{"n": 1, "event": "started", "task": "t", "bytes_in": 4}
    }
    assert "reason" not in first
    report = verify_audit(path, seen=str(first["hash"]))
    assert (report.intact, report.entries, report.complete, report.head) == (True, 2, True, head)
    assert path.stat().st_mode & 0o077 == 0


def test_a_log_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for number in range(3):
        AuditLog(path).append("event", number=number)
    assert [line["n"] for line in lines(path)] == [1, 2, 3]
    assert verify_audit(path).intact


@pytest.mark.parametrize(
    "change", ["edit", "remove", "swap", "insert", "replace_first", "renumber"]
)
def test_a_change_shows(tmp_path: Path, change: str) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path)
    for number in range(6):
        log.append("event", number=number)
    held = path.read_text().splitlines()
    if change == "edit":
        held[2] = held[2].replace('"number": 2', '"number": 7')
    elif change == "remove":
        del held[3]
    elif change == "swap":
        held[1], held[2] = held[2], held[1]
    elif change == "insert":
        held.insert(2, held[2])
    elif change == "replace_first":
        entry = json.loads(held[0]) | {"number": 9}
        held[0] = json.dumps(entry | {"hash": hash_line(entry)})
    else:
        entry = json.loads(held[5]) | {"n": 9}
        held[5] = json.dumps(entry | {"hash": hash_line(entry)})
    path.write_text("\n".join(held) + "\n")
    report = verify_audit(path)
    assert not report.intact
    assert "audit.jsonl line" in report.fault


def test_lines_cut_off_at_the_end_show_to_who_saw_them(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path)
    heads = [log.append("event", number=number) for number in range(4)]
    path.write_text("".join(line + "\n" for line in path.read_text().splitlines()[:2]))
    assert verify_audit(path).intact
    assert verify_audit(path, seen=heads[1]).intact
    assert "is missing" in verify_audit(path, seen=heads[3]).fault


@given(st.integers(min_value=1), st.data())
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_torn_last_line_is_cut(tmp_path: Path, seed: int, data: st.DataObject) -> None:
    path = tmp_path / f"audit{seed}.jsonl"
    path.unlink(missing_ok=True)
    log = AuditLog(path)
    for number in range(3):
        log.append("event", number=number)
    whole = path.read_bytes()
    cut = data.draw(st.integers(1, len(whole.splitlines()[-1]) + 1))
    path.write_bytes(whole[:-cut])
    AuditLog(path).append("after")
    report = verify_audit(path)
    assert report.intact, report.fault
    assert report.entries == 3
    assert lines(path)[-1]["event"] == "after"


def test_files_are_rotated_and_stay_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path, largest_bytes=1000)
    for number in range(30):
        log.append("event", number=number)
    files = list_audit_files(path)
    assert len(files) > 3
    assert all(file.stat().st_size < 1400 for file in files)
    report = verify_audit(path)
    assert (report.intact, report.entries, report.complete) == (True, 30, True)
    assert [line["n"] for file in files for line in lines(file)] == list(range(1, 31))
    files[1].unlink()
    assert not verify_audit(path).intact


def test_the_oldest_files_go(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path, largest_bytes=500, kept_files=2)
    for number in range(30):
        log.append("event", number=number)
    assert len(list_audit_files(path)) == 3
    report = verify_audit(path)
    assert (report.intact, report.complete) == (True, False)
    assert AuditLog(path).append("event")
    assert verify_audit(path).intact


def test_a_log_goes_on_after_a_rotation_that_was_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    AuditLog(path).append("event", number=0)
    path.rename(tmp_path / "audit.000001.jsonl")
    AuditLog(path).append("event", number=1)
    report = verify_audit(path)
    assert (report.intact, report.entries) == (True, 2)


def test_texts_of_others_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    AuditLog(path).append("refused", name="x" * 10**6, task="\ud800\n\x00")
    assert path.stat().st_size < 2000
    assert verify_audit(path).intact


WRITER = """
import sys
from pathlib import Path
from fedloom.platform.client.audit import AuditLog
log = AuditLog(Path(sys.argv[1]), largest_bytes=4000)
print("ready", flush=True)
for number in range(int(sys.argv[2])):
    log.append("event", writer=sys.argv[3], number=number, filler="x" * 200)
"""


def start_writer(path: Path, count: int, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), str(count), name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_writer_that_is_killed_leaves_a_whole_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for attempt in range(5):
        process = start_writer(path, 10**6, str(attempt))
        time.sleep(0.05 + 0.03 * attempt)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
        assert process.stdout is not None
        process.stdout.close()
        AuditLog(path, largest_bytes=4000).append("found")
    report = verify_audit(path)
    assert report.intact, report.fault
    assert report.entries > 10


def test_two_writers_make_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    writers = [start_writer(path, 40, name) for name in "ab"]
    for writer in writers:
        assert writer.wait(timeout=60) == 0
        assert writer.stdout is not None
        writer.stdout.close()
    report = verify_audit(path)
    assert (report.intact, report.entries) == (True, 80)


def test_a_full_disk_is_an_error_and_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path)
    log.append("event", number=0)
    before = path.read_bytes()

    def write_half(file: object, line: bytes, at: int) -> None:
        with path.open("ab") as half:
            half.write(line[:20])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("fedloom.platform.client.audit._write_whole", write_half)
        with pytest.raises(OutputError, match="No space left"):
            log.append("event", number=1)
    assert path.read_bytes() == before
    log.append("event", number=2)
    assert verify_audit(path).entries == 2


def test_there_must_be_a_log(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        verify_audit(tmp_path / "audit.jsonl")
