from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import psutil
import pytest

from fedloom.errors import OutputError, PackageError
from fedloom.package.run import Finished, run_entry_point, tree
from fedloom.package.run.output import HEAD_BYTES, LINE_BYTES, TAIL_BYTES, Output
from fedloom.package.run.tree import MARK

from .scripts import HERE, make_project

SLEEPER = "import time; time.sleep(120)"


def run(folder: Path, script: str, *arguments: str, **settings: object) -> Finished:
    command = str(settings.pop("command", "python train.py"))
    project = make_project(folder, script, command=command)
    settings.setdefault("timeout_s", 60)
    return run_entry_point(project, "train", arguments, environment=HERE, **settings)  # type: ignore[arg-type]


def wait_until_gone(pid: int) -> None:
    until = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until, f"process {pid} still runs"
        time.sleep(0.02)


@pytest.fixture
def pids(tmp_path: Path) -> Iterator[Path]:
    """A folder where scripts leave their process ids; what still runs at the end is killed."""
    folder = tmp_path / "pids"
    folder.mkdir()
    yield folder
    for file in folder.iterdir():
        if file.name.isdigit() and psutil.pid_exists(int(file.name)):
            os.kill(int(file.name), signal.SIGKILL)


# What the script sees


def test_arguments_folder_input_and_python_are_as_the_contract_says(tmp_path: Path) -> None:
    script = """
        import os, sys
        print(sys.argv, os.getcwd(), repr(sys.stdin.read()), sys.executable, sys.path[0], sep="|")
    """
    folder = tmp_path / "my client"
    ended = run(folder, script, "in model.npz", "out$x.npz")
    assert ended.exit_code == 0
    argv, cwd, stdin, python, first = ended.tail[0].split("|")
    assert argv == "['train.py', 'in model.npz', 'out$x.npz']"
    assert (cwd, stdin, python, first) == (str(folder), "''", sys.executable, str(folder))


def test_quoted_blanks_in_the_command_hold(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "c d.py").write_text("import sys; print(sys.argv)")
    ended = run(tmp_path, "", "x y", command="python 'a b/c d.py' --rate '0 1'")
    assert ended.tail == ("['a b/c d.py', '--rate', '0 1', 'x y']",)


def test_variables_pass_and_are_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_OUTSIDE", "ä")
    script = "import os; print(os.environ['FROM_OUTSIDE'], os.environ['FEDLOOM_CLIENT_INDEX'])"
    ended = run(tmp_path, script, variables={"FEDLOOM_CLIENT_INDEX": "3"})
    assert ended.tail == ("ä 3",)


def test_shell_syntax_is_given_to_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE", "0.1")
    command = 'echo "$RATE" && WHO=me python train.py --rate $RATE'
    script = "import os, sys; print(sys.argv[1:], os.environ['WHO'], sys.executable)"
    ended = run(tmp_path, script, "a b", command=command)
    assert ended.tail == ("0.1", f"['--rate', '0.1', 'a b'] me {sys.executable}")


def test_a_working_folder_of_its_own(tmp_path: Path) -> None:
    mine = tmp_path / "client 1"
    mine.mkdir()
    script = "import os, helper; print(os.getcwd(), helper.__file__)"
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "helper.py").touch()
    for command in ("python train.py", "python -m train"):
        ended = run(tmp_path / "package", script, working_folder=mine, command=command)
        assert ended.tail == (f"{mine} {tmp_path}/package/helper.py",)
    with pytest.raises(PackageError, match=r"working folder .*client 2 of entry point 'train'"):
        run(tmp_path / "package", script, working_folder=tmp_path / "client 2")


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ('python "train.py', "cannot be split into words: no closing quotation"),
        ('"" x', "is empty"),
    ],
)
def test_commands_that_cannot_be_read(tmp_path: Path, command: str, fault: str) -> None:
    with pytest.raises(PackageError, match=f"entry point 'train' {fault}"):
        run(tmp_path, "", command=command)


# Ends


def test_a_script_that_raises(tmp_path: Path) -> None:
    ended = run(tmp_path, "print('begun')\nraise ValueError('no data')")
    assert ended.exit_code == 1
    assert ended.tail[0] == "begun"
    assert ended.explain() == "train ended with exit code 1: ValueError: no data"
    assert not ended.succeeded


def test_a_script_that_does_nothing(tmp_path: Path) -> None:
    ended = run(tmp_path, "")
    assert (ended.exit_code, ended.tail, ended.succeeded) == (0, (), True)
    assert ended.explain().startswith("train ended well after ")


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    ended = run(tmp_path, "", command="no-such-program --fast")
    assert ended.exit_code == 127
    assert "command not found (exit code 127): no-such-program: No such file" in ended.explain()


def test_a_file_that_cannot_be_executed(tmp_path: Path) -> None:
    ended = run(tmp_path, "", command="./train.py")
    assert ended.exit_code == 126
    assert "could not be started (exit code 126): ./train.py: Permission denied" in ended.explain()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("import os; os.kill(os.getpid(), 9)", "was ended by SIGKILL (by another process, or by"),
        ("import os; os.kill(os.getpid(), 11)", "was ended by SIGSEGV (a crash)"),
        ("raise SystemExit(137)", "was ended by SIGKILL (by another process, or by the system"),
        ("raise MemoryError", "ended with exit code 1 (it ran out of memory): MemoryError"),
        ("raise OSError(28, 'No space left on device')", "exit code 1 (the disk is full): OSErr"),
        ("import sys; sys.exit('no data here')", "ended with exit code 1: no data here"),
    ],
)
def test_ends_are_explained(tmp_path: Path, script: str, words: str) -> None:
    assert words in run(tmp_path, script).explain()


# Output


def test_lines_are_streamed_as_they_come(tmp_path: Path) -> None:
    script = """
        import sys, time
        print("one")
        sys.stderr.write("two\\n")
        time.sleep(0.5)
        sys.stdout.buffer.write(b"\\xff\\rthree\\r\\nfour")
    """
    seen: list[tuple[str, float]] = []
    log = tmp_path / "logs" / "train.txt"
    begun = time.monotonic()

    def take(line: str) -> None:
        seen.append((line, time.monotonic() - begun))

    ended = run(tmp_path / "p", script, on_output=take, log=log)
    assert [line for line, _ in seen] == ["one", "two", "�", "three", "four"]
    assert seen[2][1] - seen[1][1] > 0.4
    assert log.read_text() == "one\ntwo\n�\nthree\nfour\n"
    assert ended.tail == ("one", "two", "�", "three", "four")


def test_a_hundred_megabytes_fill_neither_memory_nor_disk(tmp_path: Path) -> None:
    script = """
        import sys
        block = b"".join(b"%07d " % i + b"x" * 91 + b"\\n" for i in range(10_000))
        for i in range(100):
            sys.stdout.buffer.write(block)
        print("done")
    """
    log = tmp_path / "log"
    before = psutil.Process().memory_info().rss
    ended = run(tmp_path, script, log=log)
    assert psutil.Process().memory_info().rss - before < 50_000_000
    assert ended.tail[-1] == "done"
    text = log.read_bytes()
    assert len(text) < HEAD_BYTES + TAIL_BYTES + 100
    assert text.startswith(b"0000000 x")
    assert text.endswith(b"done\n")
    assert b"\n[fedloom: 95000" in text


def test_a_line_without_end_is_cut(tmp_path: Path) -> None:
    ended = run(tmp_path, "for _ in range(100): print('y' * 100_000, end='')")
    left_out = 100 * 100_000 - LINE_BYTES
    assert ended.tail == ("y" * LINE_BYTES + f" … [{left_out} bytes of this line left out]",)


def test_a_line_end_in_two_pieces_is_one() -> None:
    lines: list[str] = []
    with Output(None, lines.append) as output:
        for piece in (b"a\r", b"\nb\n", b"\r", b"c"):
            output.feed(piece)
    assert lines == ["a", "b", "", "c"]


def test_a_log_on_a_full_disk_is_an_error_and_ends_the_script(tmp_path: Path, pids: Path) -> None:
    script = f"""
        import os, time
        open(os.path.join({str(pids)!r}, str(os.getpid())), "w").close()
        print("here", flush=True)
        time.sleep(120)
    """
    with pytest.raises(OutputError, match="cannot write /dev/full"):
        run(tmp_path, script, log=Path("/dev/full"))
    wait_until_gone(int(next(pids.iterdir()).name))


def test_an_error_of_the_listener_ends_the_script(tmp_path: Path) -> None:
    def refuse(line: str) -> None:
        raise BrokenPipeError(line)

    begun = time.monotonic()
    with pytest.raises(BrokenPipeError, match="here"):
        run(tmp_path, f"print('here')\n{SLEEPER}", on_output=refuse)
    assert time.monotonic() - begun < 20


# Stopping

FAMILY = """
    import os, subprocess, sys, time
    def tell(): open(os.path.join({pids!r}, str(os.getpid())), "w").close()
    tell()
    if os.fork() == 0:
        tell()
        if {away}:
            os.setsid()
            if os.fork():
                os._exit(0)
            tell()
        if {deaf}:
            import signal
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen([sys.executable, "-c",
            "import os, time; open(os.path.join({pids!r}, str(os.getpid())), 'w').close();"
            "open(os.path.join({pids!r}, 'ready'), 'w').close(); time.sleep(120)"])
    time.sleep(120)
"""


def family_script(pids: Path, *, away: bool = False, deaf: bool = False) -> str:
    return FAMILY.format(pids=str(pids), away=away, deaf=deaf)


def wait_for(file: Path) -> None:
    until = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < until, f"{file} did not come"
        time.sleep(0.02)


@pytest.mark.parametrize("away", [False, True])
def test_a_time_limit_ends_the_whole_tree(tmp_path: Path, pids: Path, away: bool) -> None:
    ended = run(tmp_path, family_script(pids, away=away), timeout_s=4)
    assert ended.timed_out
    assert "train was stopped at its time limit, after 4" in ended.explain()
    family = [int(file.name) for file in pids.iterdir() if file.name.isdigit()]
    assert len(family) >= 3
    for pid in family:
        wait_until_gone(pid)


def test_who_ignores_the_request_to_end_is_killed(
    tmp_path: Path, pids: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel = Event()
    Thread(target=lambda: (wait_for(pids / "ready"), cancel.set()), daemon=True).start()
    ended = run(tmp_path, family_script(pids, deaf=True), cancel=cancel)
    assert (ended.cancelled, ended.timed_out) == (True, False)
    assert "train was stopped on request" in ended.explain()
    for file in pids.iterdir():
        if file.name.isdigit():
            wait_until_gone(int(file.name))


def test_an_interrupt_ends_the_tree(tmp_path: Path, pids: Path) -> None:
    def interrupt() -> None:
        wait_for(pids / "ready")
        os.kill(os.getpid(), signal.SIGINT)

    Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, family_script(pids))
    for file in pids.iterdir():
        if file.name.isdigit():
            wait_until_gone(int(file.name))


def test_what_a_failed_script_leaves_behind_is_ended(tmp_path: Path, pids: Path) -> None:
    script = f"""
        import subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", {SLEEPER!r}])
        open({str(pids)!r} + f"/{{child.pid}}", "w").close()
        sys.exit(3)
    """
    ended = run(tmp_path, script)
    assert ended.exit_code == 3
    wait_until_gone(int(next(pids.iterdir()).name))


def test_nobody_waits_for_a_pipe_that_an_orphan_holds(tmp_path: Path, pids: Path) -> None:
    script = f"""
        import subprocess, sys
        child = subprocess.Popen([sys.executable, "-c",
            "import time\\nwhile True: print('still here', flush=True); time.sleep(0.01)"])
        open({str(pids)!r} + f"/{{child.pid}}", "w").close()
        print("done")
    """
    begun, lines = time.monotonic(), list[str]()
    ended = run(tmp_path, script, on_output=lines.append)
    assert ended.exit_code == 0
    assert "done" in lines
    assert time.monotonic() - begun < 30


def test_processes_of_others_are_left_alone(tmp_path: Path) -> None:
    assert tree.find_processes(2**22 + 1, "a mark that nobody has") == []
    assert MARK not in os.environ
