"""Files that replace others in one step."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from fedloom.errors import OutputError
from fedloom.files import open_replacing, write_text


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), open_replacing(path) as file:
        file.write(b"%d" % (1 // len(b"")))
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]
    write_text(path, "new")
    assert path.read_text() == "new"


def test_a_device_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="is there and is no file"):
        write_text(tmp_path / "pipe", "x")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    with pytest.raises(OutputError, match="is there and is no file"):
        write_text(tmp_path, "x")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
