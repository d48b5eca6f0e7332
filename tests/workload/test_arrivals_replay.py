"""Replaying the times of a file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from fedloom.errors import InputError
from fedloom.workload.arrivals.replay import replay_times
from fedloom.workload.request import Request

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(text: str | bytes, name: str = "times.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write_file


def replayed(path: Path) -> list[int]:
    chunks = list(replay_times(path))
    assert all(chunk.dtype == np.int64 and 0 < len(chunk) <= 16_384 for chunk in chunks)
    return np.concatenate(chunks).tolist()


def test_one_number_per_line(write: Write) -> None:
    assert replayed(write("0\n0.5\n0.5\n2.25\n")) == [0, 500_000, 500_000, 2_250_000]


def test_times_count_from_the_first(write: Write) -> None:
    path = write("\ufeff# seconds since 1970\n\n1700000000.000001\r\n1700000000.000004\r\n\r\n")
    assert replayed(path) == [0, 3]
    assert replayed(write("-5\n-3.5")) == [0, 1_500_000]


def test_iso_times_without_a_header(write: Write) -> None:
    path = write("2024-05-10 00:00:00.0099300\n2024-05-10T00:00:01.009931+00:00\n")
    assert replayed(path) == [0, 1_000_001]


@pytest.mark.parametrize("name", ["timestamp", "TIMESTAMP", "time", "arrived_at", "Arrival_Time"])
def test_a_table_with_a_column_of_times(write: Write, name: str) -> None:
    path = write(f'id,note, {name} \n1,"a, b",10\n2,"c\nd",10.5\n\n3,,12\n', "trace.csv")
    assert replayed(path) == [0, 500_000, 2_000_000]


def test_a_table_with_iso_times(write: Write) -> None:
    path = write(
        "TIMESTAMP,ContextTokens\n2023-11-16 18:17:03.9799600,374\n2023-11-16 18:17:04.0319600,9\n"
    )
    assert replayed(path) == [0, 52_000]


def test_the_first_known_name_wins(write: Write) -> None:
    assert replayed(write("time,timestamp\n1,7\n2,9\n")) == [0, 2_000_000]


def test_a_file_of_requests(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only that the reader's requests are taken; the reader has its own tests."""
    path = write("{}", "requests.JSONL")
    given = [Request("a", 5_000_000, "w"), Request("b", 7_000_000, "w")]

    def read_requests(asked: Path) -> SimpleNamespace:
        assert asked == path
        return SimpleNamespace(requests=iter(given))

    reader = ModuleType("fedloom.workload.formats.read")
    reader.read_requests = read_requests  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fedloom.workload.formats.read", reader)
    assert replayed(path) == [0, 2_000_000]
    given.append(Request("c", 6_000_000, "w"))
    with pytest.raises(InputError, match=r"request c is 1\.000000 s earlier .*; sort the file"):
        replayed(path)


def test_a_long_file_comes_in_chunks(write: Write) -> None:
    path = write("\n".join(f"{i * 0.001:.3f}" for i in range(40_000)))
    assert [len(chunk) for chunk in replay_times(path)] == [16_384, 16_384, 7_232]
    assert replayed(path) == list(range(0, 40_000_000, 1_000))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no arrival in it"),
        ("\n# nothing\n\n", "no arrival in it"),
        ("time\n", "no arrival in it"),
        ("1\n2\n1.5\n", r"arrival in line 3 is 0\.500000 s earlier .*; sort the file by time"),
        ("1\nx\n", "line 2: 'x'; give a number of seconds"),
        ("1\n2,3\n", "line 2: '2,3'; give a number of seconds"),
        ("1\nnan\n", "line 2: 'nan'; give"),
        ("1\n1e300\n", "line 2: '1e300'; give"),
        ("1\ninf\n", "line 2: 'inf'; give"),
        ("2024-01-01\nyesterday\n", "line 2: 'yesterday'; give an ISO time"),
        ("a,b\n1,2\n", "line 1: no column is named timestamp or time .* there are 'a,b'|'a, b'"),
        ("# x\n\na,b\n1,2\n", "line 3: no column"),
        ("a,time\n1,2\n3\n", "line 3: ''; give a number of seconds"),
        ("a,time\n1,2\n3,soon\n", "line 3: 'soon'; give a number"),
        ('a,time\n"x\ny",2\n3,soon\n', "line 4: 'soon'; give a number"),
        ("time\nsoon\n", "line 2: 'soon'; give a number"),
        ('time,a\n1,"' + "x" * 200_000 + '"\n', r"line 2: .*field limit .*; give a CSV file"),
    ],
)
def test_what_cannot_be_replayed_is_refused(write: Write, text: str, says: str) -> None:
    path = write(text)
    with pytest.raises(InputError, match=says) as error:
        replayed(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_text_is_refused(write: Write) -> None:
    with pytest.raises(InputError, match="not a text in UTF-8"):
        replayed(write(b"1\n2\n\xff\xfe\x00"))
    with pytest.raises(InputError, match="line 1: no column"):
        replayed(write(b"1\x002\n3\n"))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*No such file"):
        replayed(tmp_path / "none.txt")
    with pytest.raises(InputError, match=r"cannot read .*directory"):
        replayed(tmp_path)
