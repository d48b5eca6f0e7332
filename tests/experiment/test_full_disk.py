"""A disk that fills up during a run: one line, finished rounds intact, and --resume ends it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fedloom

from .tiny_runs import TINY, assert_same_run, flags_of, run_tiny

ROUNDS = 6


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = hasattr(os, "geteuid") and os.geteuid() == 0 and mount(place, "size=512k")
    if not mounted:
        pytest.skip("needs the right to mount a small file system")
    yield place
    subprocess.run(["umount", str(place)], check=True, timeout=30)


def mount(place: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(place)]
    return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0


@pytest.mark.parametrize("free", [0, 4, 8, 16, 24, 28, 32, 36, 60, 100, 120, 132, 140, 144])
def test_a_full_disk_at_any_point(
    free: int, small_disk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """`free`: KiB left when the run begins."""
    from fedloom.cli import main

    options = TINY | {"rounds": ROUNDS, "output": "x", "output_dir": str(small_disk)}
    fill = small_disk / "fill"
    fill.write_bytes(bytes((512 - free) * 1024))
    assert main(["generate", *flags_of(options)]) == 2
    captured = capfd.readouterr()
    *rounds, last = captured.err.splitlines()
    assert captured.out == ""
    assert last.startswith(f"fedloom: error: cannot write {small_disk}")
    assert "No space left on device" in last
    assert all(line.startswith(f"round {n}/") for n, line in enumerate(rounds, start=1))
    table = small_disk / "x.csv"
    rows = table.read_text().splitlines()[1:] if table.exists() else []
    # A round counts with its checkpoint; the log, and the line on stderr, come after that.
    assert len(rows) in (3 * len(rounds), 3 * len(rounds) + 3)
    fill.unlink()
    run = fedloom.simulate(**options, resume=True)
    assert run.rounds.height == ROUNDS
    whole = run_tiny(rounds=ROUNDS, output="whole")
    assert_same_run(run.path, whole.path)


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """The same by a limit on the size of files, which any user can have."""

    options = TINY | {"rounds": 20, "weights": "none", "output": "x"}
    command = shlex.join([sys.executable, "-m", "fedloom", "generate", *flags_of(options)])
    ended = subprocess.run(
        ["bash", "-c", f"ulimit -f 6; exec {command}"],  # KiB
        env={k: v for k, v in os.environ.items() if not k.startswith("JAX_")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    *rounds, last = ended.stderr.splitlines()
    assert ended.returncode == 2
    assert "fedloom: error: cannot write " in last
    assert "File too large" in last
    assert 1 <= len(rounds) < 20
    assert fedloom.open_run("outputs/runs/x").rounds.height >= len(rounds)
    assert fedloom.simulate(**options, resume=True).rounds.height == 20
