from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread, Timer

import psutil
import pytest

from fedloom.package.project import Project
from fedloom.package.run import Finished, run_entry_point
from fedloom.package.warm import WarmRunner, line, runner
from fedloom.package.warm.parent import Parent

from .scripts import HERE, make_project


@pytest.fixture
def notices() -> list[str]:
    return []


@pytest.fixture
def warm(notices: list[str]) -> Iterator[WarmRunner]:
    with WarmRunner(on_notice=notices.append) as running:
        yield running


def call(warm: WarmRunner, project: Project, *arguments: str, **settings: object) -> Finished:
    settings.setdefault("timeout_s", 60)
    return warm.run_entry_point(project, "train", arguments, environment=HERE, **settings)  # type: ignore[arg-type]


def parent_of(warm: WarmRunner) -> Parent:
    (only,) = warm._lines.values()
    assert only._parent is not None
    return only._parent


def prepare(warm: WarmRunner, project: Project) -> None:
    """Make the first, cold call."""
    assert not call(warm, project).warm


# Warm and cold are the same

SAME = {
    "arguments, folder, environment": """
        import os, sys
        print(sys.argv, sys.orig_argv[1:], os.getcwd(), sys.path, __file__, __name__)
        print({k: v for k, v in sorted(os.environ.items()) if k != "FEDLOOM_CALL"})
    """,
    "globals": """
        import sys
        x: int = 3
        print(sorted(globals()), __doc__, __spec__, __package__, type(__loader__), __annotations__)
        print(sys.modules["__main__"].__dict__ is globals(), type(__builtins__))
    """,
    "guard": """
        if __name__ == "__main__":
            import helper
            print("main", helper.__name__, helper.__file__)
    """,
    "stdin, stdout": """
        import sys
        print(repr(sys.stdin.read()), sys.stdout.encoding, sys.stdout.isatty(), sys.stdout.fileno())
        sys.stderr.write("to stderr\\n")
        print("no line end", end="")
    """,
    "exception": """
        def inner(x):
            return 1 / x
        try:
            inner(0)
        except ZeroDivisionError as error:
            raise ValueError("text") from error
    """,
    "exception in helper": "import helper\nhelper.fail()",
    "syntax error": "x = (1,\n",
    "exit 3": "raise SystemExit(3)",
    "exit none": "import sys; sys.exit()",
    "exit text": "import sys; sys.exit('a text')",
    "exit 256": "import sys; sys.exit(256)",
    "os exit": "import os; print('x', flush=True); os._exit(7)",
    "interrupt": "raise KeyboardInterrupt",
    "interrupt by signal": "import os, signal, time; os.kill(os.getpid(), 2); time.sleep(9)",
    "terminated": "import os; os.kill(os.getpid(), 15)",
    "killed": "import os; os.kill(os.getpid(), 9)",
    "session": "import os; print(os.getpid() == os.getpgrp() == os.getsid(0))",
    "exit functions": """
        import atexit, threading, time
        atexit.register(print, "last")
        class Told:
            def __del__(self): print("deleted")
        told = Told()
        file = open("left open.txt", "w"); file.write("kept")
        threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
        print("main ends")
    """,
    "file that was left open": "print(open('left open.txt').read())",
    "daemon thread": """
        import atexit, threading, time
        atexit.register(print, "last")
        def work():
            while True: time.sleep(0.01)
        threading.Thread(target=work, daemon=True).start()
        print("ends")
    """,
    "C output": "import ctypes; ctypes.CDLL(None).printf(b'from C\\n')",
    "child process": """
        import subprocess, sys
        subprocess.run([sys.executable, "-c", "print('child')"], check=True)
        print(subprocess.run(["false"]).returncode)
    """,
    "signals": """
        import signal
        print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGCHLD))
        print(signal.getsignal(signal.SIGPIPE), signal.set_wakeup_fd(-1))
    """,
    "processes": """
        import multiprocessing as mp
        def square(x): return x * x
        if __name__ == "__main__":
            for how in ("fork", "spawn"):
                with mp.get_context(how).Pool(2) as pool:
                    print(how, pool.map(square, [1, 2, 3]))
    """,
    "pickle": """
        import pickle
        class Kept:
            pass
        print(type(pickle.loads(pickle.dumps(Kept()))) is Kept)
    """,
}
# Leaves of a cold call's traceback that name the interpreter's own files differ between versions.


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WarmRunner, Path]]:
    """A runner whose warm process serves one script after another: it reads each anew."""
    folder = tmp_path_factory.mktemp("a package")
    (folder / "helper.py").write_text("def fail():\n    raise RuntimeError('in helper')\n")
    make_project(folder, "import subprocess, multiprocessing.pool, threading, ctypes, pickle")
    with WarmRunner() as running:
        yield running, folder


@pytest.mark.parametrize("name", SAME)
def test_a_warm_call_is_as_a_cold_one(
    name: str, shared: tuple[WarmRunner, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # it differs, and so the warm process would
    running, folder = shared
    prepared = make_project(folder, SAME["guard"])
    if not running._lines:
        assert not call(running, prepared).warm
    project = make_project(folder, SAME[name])
    given = ["in model", "--x=$y"]
    cold = run_entry_point(project, "train", given, environment=HERE, timeout_s=60)
    ended = call(running, project, *given)
    assert ended.warm
    assert ended.tail == cold.tail
    assert ended.exit_code == cold.exit_code


@pytest.mark.parametrize("options", ["-u", "-W ignore -X utf8", "-B -O"])
def test_options_of_python_hold(warm: WarmRunner, tmp_path: Path, options: str) -> None:
    script = "import sys; print(sys.flags, sys.warnoptions, sys._xoptions, __debug__)"
    project = make_project(tmp_path, script, command=f"python {options} train.py")
    cold = run_entry_point(project, "train", ["a"], environment=HERE)
    prepare(warm, project)
    ended = call(warm, project, "a")
    assert (ended.warm, ended.tail) == (True, cold.tail)


def test_modules_with_relative_imports(warm: WarmRunner, tmp_path: Path) -> None:
    project = make_project(tmp_path, "", command="python -m inner.train --fast")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "__init__.py").touch()
    (tmp_path / "inner" / "model.py").write_text("size = 3")
    (tmp_path / "inner" / "train.py").write_text(
        "import sys; from .model import size\n"
        "print(size, sys.argv, sys.path[0], __name__, __package__, __spec__.name)\n"
        "raise ValueError('as it is')"
    )
    cold = run_entry_point(project, "train", ["a"], environment=HERE)
    first, second = call(warm, project, "a"), call(warm, project, "a")
    assert (first.warm, second.warm) == (False, True)
    assert cold.tail == first.tail == second.tail
    assert "ValueError: as it is" in cold.tail


def test_a_missing_script_is_told_as_python_tells_it(warm: WarmRunner, tmp_path: Path) -> None:
    project = make_project(tmp_path, "")
    prepare(warm, project)
    (tmp_path / "train.py").unlink()
    cold = run_entry_point(project, "train", [], environment=HERE)
    ended = call(warm, project)
    assert (ended.warm, ended.exit_code, ended.tail) == (True, 2, cold.tail)


def test_each_call_has_its_own_folder_and_variables(
    warm: WarmRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)  # a relative path in it ties to one folder
    script = "import os; print(os.getcwd(), os.environ['FEDLOOM_CLIENT_INDEX'])"
    project = make_project(tmp_path / "package", script)
    for index in range(3):
        mine = tmp_path / f"client {index}"
        mine.mkdir()
        variables = {"FEDLOOM_CLIENT_INDEX": str(index)}
        ended = call(warm, project, variables=variables, working_folder=mine)
        assert ended.tail == (f"{mine} {index}",)
        assert ended.warm == (index > 0)
    assert len(warm._lines) == 1


# What is loaded, and what is not


def test_libraries_are_loaded_once_and_own_code_in_every_call(
    warm: WarmRunner, tmp_path: Path
) -> None:
    script = "import sys; print('decimal' in sys.modules, 'model' in sys.modules)\nimport model"
    project = make_project(tmp_path, script)
    (tmp_path / "model.py").write_text("import decimal; print('first')")
    assert call(warm, project).tail == ("False False", "first")
    assert call(warm, project).tail == ("True False", "first")
    (tmp_path / "model.py").write_text("print('second, changed')")
    assert call(warm, project).tail == ("True False", "second, changed")


def test_what_a_later_call_imports_is_loaded_for_the_next(warm: WarmRunner, tmp_path: Path) -> None:
    script = """
        import sys
        print("wave" in sys.modules)
        if len(sys.argv) > 1: import wave
    """
    project = make_project(tmp_path, script)
    found = [call(warm, project, *given).tail for given in ([], [], ["x"], [])]
    assert found == [("False",), ("False",), ("False",), ("True",)]


def test_random_states_differ_as_between_cold_calls(warm: WarmRunner, tmp_path: Path) -> None:
    script = """
        import random, multiprocessing
        import numpy as np
        print(random.random(), np.random.rand(), np.random.default_rng().random())
        print(multiprocessing.current_process().authkey.hex())
    """
    project = make_project(tmp_path, script)
    prepare(warm, project)
    first, second = call(warm, project), call(warm, project)
    assert first.warm
    assert second.warm
    drawn = [number for ended in (first, second) for line in ended.tail for number in line.split()]
    assert len(set(drawn)) == 8


def test_a_seeded_script_draws_the_same(warm: WarmRunner, tmp_path: Path) -> None:
    script = """
        import random, numpy as np
        random.seed(3); np.random.seed(3); print(random.random(), np.random.rand())
    """
    project = make_project(tmp_path, script)
    assert call(warm, project).tail == call(warm, project).tail


# What cannot be warm


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("bash -c true", "not `python` with a script or a module"),
        ("python -c pass", "its command has the option '-c'"),
        ("python -I train.py", "its command has the option '-I'"),
        ("python .", "'.' is not a file that ends in .py"),
    ],
)
def test_other_commands_run_cold_and_say_so_once(
    warm: WarmRunner, notices: list[str], tmp_path: Path, command: str, reason: str
) -> None:
    project = make_project(tmp_path, "", command=command)
    (tmp_path / "__main__.py").touch()
    for _ in range(3):
        ended = call(warm, project)
        assert (ended.exit_code, ended.warm) == (0, False)
    (notice,) = notices
    assert notice.startswith("train starts Python anew in every call: ")
    assert reason in notice


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that counts as one of installed packages."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    text = (line.LAUNCHER).read_text("utf-8")
    changed = text.replace(
        "folders = {paths[key]", f"folders = {{{str(folder)!r}}} | {{paths[key]", 1
    )
    assert changed != text
    launcher = tmp_path / "launcher.py"
    launcher.write_text(changed, "utf-8")
    for module in ("line", "parent"):
        monkeypatch.setattr(f"fedloom.package.warm.{module}.LAUNCHER", launcher)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            "import threading, time\n"
            "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
            "a library starts threads as it is imported",
        ),
        ("import os; os._exit(3) if 'serve' in sys.argv else 0", "the warm process ended 3 times"),
    ],
)
def test_libraries_that_do_not_bear_a_fork(
    warm: WarmRunner,
    notices: list[str],
    tmp_path: Path,
    library: Path,
    content: str,
    reason: str,
) -> None:
    (library / "framework.py").write_text(f"import sys\n{content}")
    project = make_project(tmp_path / "p", "import framework; print('fine')")
    for _ in range(4):
        ended = call(warm, project)
        assert (ended.exit_code, ended.warm, ended.tail[-1]) == (0, False, "fine")
    (notice,) = notices
    assert reason in notice


def test_libraries_known_to_hang_in_a_fork(
    warm: WarmRunner, notices: list[str], tmp_path: Path, library: Path
) -> None:
    (library / "jax.py").touch()
    project = make_project(tmp_path / "p", "import jax")
    for _ in range(3):
        assert not call(warm, project).warm
    assert notices == [
        "train starts Python anew in every call: jax does not work in a forked process"
    ]


def test_a_module_of_the_package_is_preferred_to_a_loaded_one(
    warm: WarmRunner, notices: list[str], tmp_path: Path
) -> None:
    project = make_project(tmp_path, "import wave; print(wave.__file__)")
    prepare(warm, project)
    assert call(warm, project).warm
    (tmp_path / "wave.py").touch()
    for _ in range(2):
        ended = call(warm, project)
        assert (ended.warm, ended.tail) == (False, (f"{tmp_path}/wave.py",))
    assert "its module 'wave' has the name of an installed one" in notices[0]


def test_a_script_that_never_tells_its_modules(
    warm: WarmRunner, notices: list[str], tmp_path: Path
) -> None:
    project = make_project(tmp_path, "import os; os._exit(4)")
    assert [call(warm, project).exit_code for _ in range(4)] == [4] * 4
    (notice,) = notices
    assert "it always ends before Python can list what it imported" in notice


def test_something_installed_means_a_new_start(
    warm: WarmRunner, tmp_path: Path, library: Path
) -> None:
    (library / "framework.py").write_text("version = 1")
    project = make_project(tmp_path / "p", "import framework; print(framework.version)")
    assert call(warm, project).tail == call(warm, project).tail == ("1",)
    (library / "framework.py").write_text("version = 2222")
    (library / "framework-2.dist-info").mkdir()
    ended = [call(warm, project) for _ in range(2)]
    assert [(end.warm, end.tail) for end in ended] == [(False, ("2222",)), (True, ("2222",))]


def test_other_variables_mean_another_process(warm: WarmRunner, tmp_path: Path) -> None:
    project = make_project(tmp_path, "")
    for name in ("OMP_NUM_THREADS", "KERAS_BACKEND", "OMP_NUM_THREADS"):
        call(warm, project, variables={name: "1"})
    assert len(warm._lines) == 2


def test_there_is_a_limit_to_warm_processes(
    warm: WarmRunner, notices: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_MOST_LINES", 1)
    project = make_project(tmp_path, "")
    for index in (0, 1, 1):
        call(warm, project, variables={"X": str(index)})
    assert notices == ["train starts Python anew in every call: there are 1 warm processes already"]


def test_a_slow_start_is_not_waited_for_long(
    notices: list[str], tmp_path: Path, library: Path
) -> None:
    (library / "framework.py").write_text("import sys, time\nif 'serve' in sys.argv: time.sleep(6)")
    project = make_project(tmp_path / "p", "import framework")
    begun = time.monotonic()
    with WarmRunner(on_notice=notices.append, start_timeout_s=0.3) as hasty:
        assert [call(hasty, project).warm for _ in range(2)] == [False, False]
    assert "its libraries were not loaded within 0.3 s" in notices[0]
    assert time.monotonic() - begun < 30


# Faults and stopping


def test_a_time_limit_ends_the_call_and_not_the_warm_process(
    warm: WarmRunner, tmp_path: Path
) -> None:
    project = make_project(tmp_path, "import sys, time; time.sleep(float(sys.argv[1]))")
    call(warm, project, "0")
    late = call(warm, project, "60", timeout_s=1)
    assert (late.warm, late.timed_out) == (True, True)
    process = parent_of(warm)._process.pid
    assert call(warm, project, "0").warm
    assert parent_of(warm)._process.pid == process


def test_processes_that_a_warm_call_forks_are_ended_with_it(
    warm: WarmRunner, tmp_path: Path
) -> None:
    script = """
        import os, sys, time
        if len(sys.argv) > 1:
            if os.fork() == 0:
                os.fork()
            os.write(1, b"%d\\n" % os.getpid())
            time.sleep(60)
    """
    project = make_project(tmp_path, script)
    prepare(warm, project)
    ended = call(warm, project, "x", timeout_s=2)
    assert (ended.warm, len(ended.tail)) == (True, 3)
    assert not [pid for pid in ended.tail if alive(int(pid))]


def test_a_killed_warm_process_is_replaced(warm: WarmRunner, tmp_path: Path) -> None:
    project = make_project(tmp_path, "")
    prepare(warm, project)
    for _ in range(5):
        assert call(warm, project).warm
        parent_of(warm)._process.kill()
        parent_of(warm)._process.wait()
    assert call(warm, project).warm


def test_a_warm_process_outlives_the_call_that_started_it(warm: WarmRunner, tmp_path: Path) -> None:
    project = make_project(tmp_path, "import sys, time; time.sleep(60 if sys.argv[1:] else 0)")
    prepare(warm, project)
    parent_of(warm)._process.kill()
    parent_of(warm)._process.wait()
    ended = call(warm, project, "x", timeout_s=1)
    assert (ended.warm, ended.timed_out) == (True, True)
    process = parent_of(warm)._process
    assert call(warm, project).warm
    assert parent_of(warm)._process is process


def test_who_is_cancelled_does_not_wait_for_a_warm_process(
    warm: WarmRunner, tmp_path: Path, library: Path
) -> None:
    (library / "framework.py").write_text(
        "import sys, time\nif 'serve' in sys.argv: time.sleep(60)"
    )
    script = "import framework, sys, time; time.sleep(60 if sys.argv[1:] else 0)"
    project = make_project(tmp_path / "p", script)
    prepare(warm, project)
    cancel, begun = Event(), time.monotonic()
    cancel.set()
    assert call(warm, project, "x", cancel=cancel).cancelled
    assert time.monotonic() - begun < 8


def test_a_call_whose_warm_process_is_killed_starts_again(warm: WarmRunner, tmp_path: Path) -> None:
    script = """
        import os, sys, time
        from pathlib import Path
        seen = Path("seen")
        if len(sys.argv) > 1 and not seen.exists():
            seen.touch()
            print(os.getpid(), flush=True)
            time.sleep(60)
        print("done")
    """
    project = make_project(tmp_path, script)
    prepare(warm, project)
    victim = parent_of(warm)._process

    def kill() -> None:
        until = time.monotonic() + 20
        while not (tmp_path / "seen").exists() and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.2)
        victim.kill()

    Thread(target=kill, daemon=True).start()
    ended = call(warm, project, "wait")
    assert (ended.exit_code, ended.warm, ended.tail[-1]) == (0, False, "done")
    assert "the warm process was ended; this call starts again without it" in ended.tail[-2]
    assert not alive(int(ended.tail[0]))
    assert call(warm, project).warm


def test_calls_at_once(warm: WarmRunner, tmp_path: Path) -> None:
    script = "import sys, time; print(sys.argv[1:]); time.sleep(2 if sys.argv[1:] else 0)"
    project = make_project(tmp_path, script)
    prepare(warm, project)
    call(warm, project)
    begun = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(lambda i: call(warm, project, str(i)), range(4)))
    assert [end.tail for end in ended] == [(f"['{i}']",) for i in range(4)]
    assert all(end.warm for end in ended)
    assert time.monotonic() - begun < 7, "one after another they take 8 s"


def test_cancel(warm: WarmRunner, tmp_path: Path) -> None:
    project = make_project(tmp_path, "import sys, time; time.sleep(60 if sys.argv[1:] else 0)")
    prepare(warm, project)
    call(warm, project)
    cancel = Event()
    Timer(0.5, cancel.set).start()
    ended = call(warm, project, "x", cancel=cancel)
    assert (ended.warm, ended.cancelled) == (True, True)


def test_closing_ends_the_calls_at_work(tmp_path: Path) -> None:
    project = make_project(tmp_path, "import sys, time; time.sleep(60 if sys.argv[1:] else 0)")
    with WarmRunner() as running, ThreadPoolExecutor(1) as pool:
        prepare(running, project)
        call(running, project)
        waiting = pool.submit(call, running, project, "x")
        time.sleep(0.5)
        process = parent_of(running)._process
        running.close()
        assert waiting.result(timeout=20).cancelled
        assert process.poll() is not None
    assert not call(running, project).warm


def test_warm_processes_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    make_project(tmp_path, "import os, sys, time; time.sleep(60 if sys.argv[1:] else 0)")
    program = f"""
import os, sys
from pathlib import Path
from threading import Thread
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.package.scripts import HERE
from fedloom.package.project import read_project
from fedloom.package.warm import WarmRunner
warm, project = WarmRunner(), read_project(Path({str(tmp_path)!r}))
def call(*arguments): warm.run_entry_point(project, "train", arguments, environment=HERE)
call(); call()
Thread(target=call, args=("x",), daemon=True).start()
import time; time.sleep(1)
import psutil
print(*[p.pid for p in psutil.Process().children(recursive=True)], flush=True)
os.kill(os.getpid(), 9)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        env={**os.environ, "TMPDIR": str(tmp_path)},  # what it leaves goes with the test
    )
    assert ended.returncode == -signal.SIGKILL
    left = [int(pid) for pid in ended.stdout.split()]
    assert len(left) == 2
    until = time.monotonic() + 10
    while any(alive(pid) for pid in left):
        assert time.monotonic() < until, f"still there: {left}"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_nothing_is_left_open(tmp_path: Path) -> None:
    project = make_project(tmp_path, "")
    before = list_open()
    with WarmRunner() as running:
        for _ in range(4):
            call(running, project)
    assert list_open() == before


def list_open() -> tuple[int, int]:
    return len(list(Path("/proc/self/fd").iterdir())), len(psutil.Process().children())
