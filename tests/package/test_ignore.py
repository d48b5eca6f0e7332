"""Ignore files: a file that either reading of a line excludes stays out."""

from __future__ import annotations

import shutil
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedloom.errors import PackageError
from fedloom.package.content import list_content
from fedloom.package.ignore import IGNORE_FILES, IgnoreLines, read_ignore_lines


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    return folder


def packed(folder: Path) -> list[str]:
    return [file.name for file in list_content(folder).files]


@pytest.mark.parametrize(
    ("line", "stay_out"),
    [
        ("data/", {"data/a.csv", "data/sub/b.csv"}),  # git alone
        ("data", {"data/a.csv", "data/sub/b.csv"}),  # git alone
        ("/train.csv", {"train.csv"}),  # git alone
        ("data/*.csv", {"data/a.csv", "data/sub/b.csv"}),  # in fnmatch a star crosses the slash
        ("sub/b.csv", set()),  # anchored in git, and not the whole path in fnmatch
        ("**/b.csv", {"data/sub/b.csv"}),
        ("*.csv", {"data/a.csv", "data/sub/b.csv", "train.csv"}),
        ("b.csv", {"data/sub/b.csv"}),
        ("  train.csv  ", {"train.csv"}),  # fnmatch alone: git keeps leading blanks
        ("TRAIN.csv", set()),
        ("# train.csv", set()),
        ("", set()),
        ("!train.csv", set()),
        ("[t]rain.csv", {"train.csv"}),
        ("train.csv\r", {"train.csv"}),
        ("\\", set()),  # no pattern for git, which passes over it
        ("!", set()),
        ("[z-a]", set()),  # no range: neither reading matches it
        ("[[]", set()),
    ],
)
def test_one_line(tmp_path: Path, line: str, stay_out: set[str]) -> None:
    everything = {"train.py", "train.csv", "data/a.csv", "data/sub/b.csv"}
    fill(tmp_path, *everything)
    (tmp_path / ".ignore").write_bytes(line.encode())
    assert set(packed(tmp_path)) == everything - stay_out | {".ignore"}


@pytest.mark.parametrize("name", IGNORE_FILES)
def test_each_ignore_file_counts(tmp_path: Path, name: str) -> None:
    fill(tmp_path, "train.py", "secret.csv")
    (tmp_path / name).write_text("*.csv\n")
    assert packed(tmp_path) == [name, "train.py"]


def test_all_ignore_files_of_a_folder_count_together(tmp_path: Path) -> None:
    fill(tmp_path, "a", "b", "c", "d")
    for name, line in zip(IGNORE_FILES, "abc", strict=True):
        (tmp_path / name).write_text(line)
    assert packed(tmp_path) == sorted([*IGNORE_FILES, "d"])


def test_an_ignore_file_below_holds_for_its_folder(tmp_path: Path) -> None:
    fill(tmp_path, "a.csv", "sub/a.csv", "sub/b.py")
    (tmp_path / "sub" / ".ignore").write_text("/a.csv")
    assert packed(tmp_path) == ["a.csv", "sub/.ignore", "sub/b.py"]


def test_a_negated_line_brings_nothing_back_that_the_other_reading_excludes(
    tmp_path: Path,
) -> None:
    fill(tmp_path, "seed.npz", "data/keep.txt", "data/drop.txt", "model/a", "model/b")
    (tmp_path / ".ignore").write_text(
        "*.npz\n!seed.npz\ndata/\n!data/keep.txt\n/model/*\n!/model/b\n"
    )
    content = list_content(tmp_path)
    assert [file.name for file in content.files] == [".ignore", "model/b"]
    assert content.negated == ["!seed.npz", "!data/keep.txt", "!/model/b"]


def test_caches_and_environments_stay_out_without_a_line(tmp_path: Path) -> None:
    fill(
        tmp_path,
        *("train.py", "a.pyc", ".DS_Store", "sub/.DS_Store", ".git/config", ".venv/x", "sub/.git"),
        *("__pycache__/a.py", ".scaleout/venvs/x", "my_env/pyvenv.cfg", "my_env/bin/python"),
    )
    assert packed(tmp_path) == ["train.py"]
    assert "my_env/" in list_content(tmp_path).left_out


def test_a_link_that_is_ignored_is_passed_over(tmp_path: Path) -> None:
    fill(tmp_path, "train.py")
    (tmp_path / "data").symlink_to("/")
    (tmp_path / ".ignore").write_text("data/")
    assert packed(tmp_path) == [".ignore", "train.py"]


def test_an_ignore_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".ignore").write_bytes(b"\xff")
    with pytest.raises(PackageError, match=r"\.ignore is no UTF-8 text"):
        read_ignore_lines(tmp_path)
    assert read_ignore_lines(fill(tmp_path / "none", "x")) is None


PARTS = st.text(alphabet="ab.", min_size=1, max_size=3).filter(lambda part: part not in (".", ".."))
LINES = st.lists(st.text(alphabet="ab.*?[]!/#\\ ", max_size=6), max_size=5)


@given(LINES, st.lists(PARTS, min_size=1, max_size=3))
def test_what_fnmatch_excludes_stays_out_whatever_the_other_lines_say(
    lines: list[str], parts: list[str]
) -> None:
    path = "/".join(parts)
    patterns = [line.strip() for line in lines]
    excluded = any(
        fnmatchcase(path, pattern) or fnmatchcase(parts[-1], pattern)
        for pattern in patterns
        if pattern and not pattern.startswith("#")
    )
    if excluded:
        assert IgnoreLines.parse(lines).exclude_file(path)


@pytest.mark.skipif(shutil.which("git") is None, reason="git tells what git ignores")
def test_what_git_ignores_stays_out(tmp_path: Path) -> None:
    lines = ["a*", "!ab", "/b/", "b/**/c", "**/d", "e/*", "!e/f", "*.[xy]", "g\\ ", "\\!h", "i?/"]
    folders = ("", "a/", "b/", "e/", "ii/", "n/b/", "b/n/", "n/")
    names = ("ab", "aa", "bb", "c", "d", "f", "k.x", "k.z", "g ", "!h", "plain")
    paths = [folder + name for folder in folders for name in names]
    fill(tmp_path, *paths)
    (tmp_path / ".gitignore").write_text("\n".join(lines))
    (tmp_path / ".ignore").write_text("\n".join(lines))
    subprocess.run(["git", "init", "-q", tmp_path], check=True, timeout=30)
    listed = subprocess.run(
        ["git", "-C", tmp_path, "ls-files", "-z", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout.split("\0")
    assert set(packed(tmp_path)) <= set(listed)
    assert {"plain", "n/plain"} <= set(packed(tmp_path))
