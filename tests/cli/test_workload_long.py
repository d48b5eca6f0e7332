"""Work that takes long: bars on a terminal, signals in the middle of it, disks that fill up."""

from __future__ import annotations

import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from fedloom.cli import main

FEDLOOM = [sys.executable, "-m", "fedloom"]
GENERATE = "workload generate --config minimal.json --num-requests {count} --format {formats}"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def everything(folder: Path = Path()) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*") if path.is_file())


# A terminal


def on_terminal(*arguments: str) -> tuple[int, str, str]:
    """Run a command whose standard error is a terminal; return code, output and what it showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*FEDLOOM, *arguments],
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    out, _ = process.communicate(timeout=60)
    os.close(ours)
    return process.returncode, out, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


def test_a_terminal_shows_a_bar_and_how_much_is_left() -> None:
    flags = GENERATE.format(count=700_000, formats="yaml").split()
    code, out, shown = on_terminal(*flags)
    assert code == 0
    assert re.search(r"generating .*━.* \d+/700000 (\d|-):", shown)
    assert out.startswith("Workflow Request Generation Complete!\nTotal requests generated: 700000")


@pytest.mark.parametrize("flag", ["--json", "--quiet"])
def test_programs_see_no_bar(flag: str) -> None:
    flags = GENERATE.format(count=400_000, formats="jsonl").split()
    code, out, shown = on_terminal(*flags, flag)
    assert (code, shown) == (0, "")
    assert bool(out) == (flag == "--json")


# Signals


def interrupt(
    number: signal.Signals, when: Callable[[], bool], *arguments: str, **options: object
) -> tuple[int, str]:
    """Send a signal to a running command; return its exit code and its last line."""
    process = subprocess.Popen(
        [*FEDLOOM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )
    until = time.monotonic() + 60
    while not when():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert out == ""
    assert not [child for child in children if child.is_running()]
    return process.returncode, err.splitlines()[-1]


def writes(megabytes: int) -> Callable[[], bool]:
    """Tell whether a hidden file in `out` has grown so large."""

    def look() -> bool:
        hidden = [path for path in Path("out").rglob(".*") if path.is_file()]
        hidden += [path for folder in Path("out").glob(".*/") for path in folder.iterdir()]
        return any(path.stat().st_size > megabytes * 1_000_000 for path in hidden)

    return look


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name
)
def test_a_signal_leaves_the_old_files_and_nothing_else(number: signal.Signals) -> None:
    Path("out").mkdir()
    Path("out/generated_requests.json").write_text("old")
    flags = GENERATE.format(count=50_000_000, formats="json,parquet").split()
    code, line = interrupt(number, writes(4), *flags, "-o", "out/generated")
    assert (code, line) == (130, "fedloom: interrupted")
    assert everything() == ["out/generated_requests.json"]
    assert Path("out/generated_requests.json").read_text() == "old"


def test_nohup_is_respected() -> None:
    flags = GENERATE.format(count=300_000, formats="jsonl").split()
    process = subprocess.Popen(
        ["nohup", *FEDLOOM, *flags, "-o", "out/x", "-q"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    until = time.monotonic() + 60
    while process.poll() is None and not writes(1)():
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert Path("out/x_stats.json").is_file()


@pytest.mark.parametrize("policy", ["fifo", "sjf"])
def test_a_signal_in_a_simulation_leaves_nothing(policy: str) -> None:
    flags = GENERATE.format(count=60_000, formats="jsonl").split()
    assert main([*flags, "-q", "-o", "in", "--duration", "10"]) == 0
    began = time.monotonic()
    flags = f"schedule -c minimal.json -r in_requests.jsonl --gpus 4 -o out/x -p {policy}".split()
    flags += ["-p", "backfill", "-p", "random"]
    code, line = interrupt(signal.SIGINT, lambda: time.monotonic() > began + 4, *flags)
    assert (code, line) == (130, "fedloom: interrupted")
    assert everything(Path("out")) == []


# Disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    if not (hasattr(os, "geteuid") and os.geteuid() == 0 and mount(place, "size=512k")):
        pytest.skip("needs the right to mount a small file system")
    yield place
    subprocess.run(["umount", str(place)], check=True, timeout=30)


def mount(place: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(place)]
    return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0


@pytest.mark.parametrize("formats", ["json", "yaml", "jsonl", "csv", "parquet", "both"])
def test_a_full_disk_is_one_line(
    formats: str, small_disk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (small_disk / "old_requests.json").write_text("old")
    flags = GENERATE.format(count=20_000, formats=formats).split()
    assert main([*flags, "-o", str(small_disk / "old")]) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"fedloom: error: cannot write {small_disk}/old_requests.")
    assert "No space left on device" in captured.err
    assert captured.err.count("\n") == 1
    assert everything(small_disk) == [f"{small_disk}/old_requests.json"]
    assert (small_disk / "old_requests.json").read_text() == "old"


@pytest.mark.parametrize("command", ["import", "export", "stats", "schedule"])
def test_a_full_disk_at_other_commands(
    command: str, small_disk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    flags = GENERATE.format(count=6_000, formats="jsonl").split()
    assert main([*flags, "-q", "-o", "in"]) == 0
    rows = [f"{i},100,20" for i in range(9_000)]
    Path("trace.csv").write_text(
        "\n".join(["arrived_at,num_prefill_tokens,num_decode_tokens", *rows])
    )
    line = {
        "import": f"workload import vidur trace.csv -o {small_disk}/x",
        "export": f"workload export yaml in_requests.jsonl -o {small_disk}/x.yaml",
        "stats": f"workload stats in_requests.jsonl --output {small_disk}/x.html",
        "schedule": f"schedule -c minimal.json -r in_requests.jsonl --gpus 4 -o {small_disk}/x",
    }[command]
    assert main(line.split()) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"fedloom: error: cannot write {small_disk}/x")
    assert captured.err.count("\n") == 1
    assert everything(small_disk) == []


def test_a_disk_that_may_only_be_read(small_disk: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert mount(small_disk, "remount,ro")
    flags = GENERATE.format(count=5, formats="json").split()
    assert main([*flags, "-o", str(small_disk / "new/x")]) == 2
    words = capfd.readouterr().err
    assert words.startswith(f"fedloom: error: cannot write {small_disk}/new/x")
    assert words.count("\n") == 1


def test_a_file_that_may_not_grow() -> None:
    """The same by a limit on the size of files, which any user can have."""
    flags = GENERATE.format(count=20_000, formats="jsonl").split()
    command = shlex.join([*FEDLOOM, *flags])
    ended = subprocess.run(
        ["bash", "-c", f"ulimit -f 60; exec {command}"],  # KiB
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith(
        "fedloom: error: cannot write generated_requests.jsonl: File too"
    )
    assert everything() == []
