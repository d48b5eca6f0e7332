"""Real children in the sandbox: what they cannot do, and that nothing of them stays.

Every test of what is forbidden has its counterpart: without the sandbox the same script succeeds.
"""

from __future__ import annotations

import os
import socket
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Timer
from time import monotonic, sleep

import psutil
import pytest

from fedloom.package.environment import PackageEnvironment
from fedloom.package.project import Project, read_project
from fedloom.package.run import EntryPointRunner, Finished, run_entry_point
from fedloom.package.warm.runner import WarmRunner
from fedloom.platform.client.sandbox import (
    Bounds,
    Isolation,
    SandboxedRunner,
    SandboxGuard,
    View,
    find_isolation,
)
from fedloom.platform.client.sandbox.leftovers import end_confined, find_confined

if not sys.platform.startswith("linux"):
    pytest.skip("the sandbox is Linux's", allow_module_level=True)

FOUND = find_isolation()
NAMESPACES = replace(FOUND, landlock=False, seccomp=False)
SUBSTITUTES = replace(FOUND, namespaces=False)

needs_namespaces = pytest.mark.skipif(
    not FOUND.namespaces, reason=f"no user namespaces here: {dict(FOUND.lacking)}"
)
needs_substitutes = pytest.mark.skipif(
    not (FOUND.landlock and FOUND.seccomp), reason=f"lacking here: {dict(FOUND.lacking)}"
)
WAYS = [
    pytest.param(FOUND, id="all", marks=needs_namespaces),
    pytest.param(NAMESPACES, id="namespaces", marks=needs_namespaces),
    pytest.param(SUBSTITUTES, id="substitutes", marks=needs_substitutes),
]
MEBI = 1024**2


@dataclass
class Box:
    """A folder with what a node has, and a package of one script."""

    folder: Path
    isolation: Isolation
    bounds: Bounds = field(default_factory=Bounds)
    network: bool = False
    inner: EntryPointRunner = run_entry_point

    def __post_init__(self) -> None:
        self.state, self.work = self.folder / "state", self.folder / "state" / "work"
        for place in (self.work / "client", self.work / "exchange", self.work / "imports"):
            place.mkdir(parents=True, exist_ok=True)
        (self.state / "secret").write_text("the node's key")
        (self.folder / "other.csv").write_text("another use case")
        (self.state / "data.csv").write_text("own data")

    @property
    def guard(self) -> SandboxGuard:
        hidden = (self.state, self.folder / "other.csv")
        view = View(self.work, hidden, (self.state / "data.csv",), self.state / "note")
        return SandboxGuard(self.isolation, self.bounds, view, self.network)

    def project(self, script: str) -> Project:
        client = self.work / "client"
        (client / "fedloom.yaml").write_text("entry_points:\n  train: python train.py\n")
        (client / "train.py").write_text(textwrap.dedent(script))
        return read_project(client)

    def run(
        self,
        script: str,
        timeout_s: float = 30.0,
        cancel: Event | None = None,
        confined: bool = True,
    ) -> Finished:
        runner: EntryPointRunner = SandboxedRunner(
            self.inner, {"train": self.guard}, {"FOLDER": str(self.folder)}
        )
        more = {} if confined else {"variables": {"FOLDER": str(self.folder)}}
        return (runner if confined else run_entry_point)(
            self.project(script),
            "train",
            [self.work / "exchange" / "in.npz"],
            environment=PackageEnvironment(Path(sys.executable), None, created=False),
            timeout_s=timeout_s,
            cancel=cancel,
            **more,  # type: ignore[arg-type]
        )


@pytest.fixture
def make_box(tmp_path: Path) -> Iterator[Callable[..., Box]]:
    folder = tmp_path.resolve() / "with blank\n"
    folder.mkdir()
    yield lambda isolation, **more: Box(folder, isolation, **more)
    assert find_confined(folder) == []


def said(finished: Finished) -> str:
    return "\n".join(finished.tail)


def test_what_is_lacking_is_said_plainly() -> None:
    lacking = Isolation(lacking=(("namespaces", "Operation not permitted"),))
    warnings = list(lacking.warnings())
    assert len(warnings) == 3
    assert all("cannot be kept from" in w and "Operation not permitted" in w for w in warnings)
    assert list(Isolation(namespaces=True).warnings()) == []
    assert len(list(Isolation(landlock=True, seccomp=True).warnings())) == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_script_works_as_ever(make_box: Callable[..., Box], way: Isolation) -> None:
    box = make_box(way)
    ended = box.run(
        """
        import os, subprocess, sys, tempfile, multiprocessing
        from multiprocessing import shared_memory
        open("kept.txt", "w").write("x")
        open(sys.argv[1], "wb").write(b"result")
        open("/dev/null", "w").write("x")
        print(open(os.path.join(os.environ["FOLDER"], "state", "data.csv")).read())
        shared = shared_memory.SharedMemory(create=True, size=1000)
        shared.close(); shared.unlink()
        print(subprocess.run(["echo", "child"], capture_output=True, text=True).stdout.strip())
        """
    )
    assert ended.succeeded, said(ended)
    assert ended.tail == ("own data", "child")
    assert (box.work / "exchange" / "in.npz").read_bytes() == b"result"
    assert (box.work / "client" / "kept.txt").exists()


@pytest.fixture
def server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


CONNECT = "import socket; socket.create_connection(('127.0.0.1', {}), 3); print('connected')"
DATAGRAM = (
    "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
    "s.sendto(b'x', ('10.9.8.7', 9)); print('sent')"
)


@pytest.mark.parametrize("way", WAYS)
def test_no_network(make_box: Callable[..., Box], way: Isolation, server: int) -> None:
    box = make_box(way)
    assert "connected" not in box.run(CONNECT.format(server)).tail
    assert "sent" not in box.run(DATAGRAM).tail
    assert "connected" in box.run(CONNECT.format(server), confined=False).tail
    allowed = make_box(way, network=True)
    assert "connected" in allowed.run(CONNECT.format(server)).tail


@needs_namespaces
def test_a_loopback_of_its_own(make_box: Callable[..., Box]) -> None:
    script = """
        import socket
        with socket.create_server(("127.0.0.1", 0)) as here:
            socket.create_connection(here.getsockname(), 3).close()
        print("talked")
    """
    assert said(make_box(FOUND).run(script)) == "talked"


WRITES = {
    "up": "open('../../up.txt', 'w')",
    "absolute": "open(os.environ['FOLDER'] + '/abs.txt', 'w')",
    "append": "open(os.environ['FOLDER'] + '/state/data.csv', 'a').write('x')",
    "remove": "os.remove(os.environ['FOLDER'] + '/state/data.csv')",
    "rename": "os.rename('train.py', os.environ['FOLDER'] + '/train.py')",
    "link": "os.link(os.environ['FOLDER'] + '/state/data.csv', 'linked')",
    "through_link": "os.symlink('../..', 'out'); open('out/through.txt', 'w')",
    "tmp": "open('/tmp/fedloom-sandbox-test', 'w')",
    "folder": "os.mkdir(os.environ['FOLDER'] + '/dir')",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", WRITES)
def test_no_writing_outside(make_box: Callable[..., Box], way: Isolation, name: str) -> None:
    box = make_box(way)
    ended = box.run(f"import os\n{WRITES[name]}\nprint('did it')")
    assert not ended.succeeded
    assert "did it" not in ended.tail
    assert sorted(p.name for p in box.folder.iterdir()) == ["other.csv", "state"]
    assert (box.state / "data.csv").read_text() == "own data"
    assert not Path("/tmp/fedloom-sandbox-test").exists()


def test_the_same_writing_works_without_the_sandbox(make_box: Callable[..., Box]) -> None:
    box = make_box(FOUND)
    for name in ("up", "absolute", "append", "through_link"):
        script = f"import os\n{WRITES[name]}\nprint('did it')"
        assert "did it" in box.run(script, confined=False).tail


@needs_namespaces
@pytest.mark.parametrize(
    "read",
    [
        "open(os.environ['FOLDER'] + '/state/secret')",
        "open(os.environ['FOLDER'] + '/state/note')",
        "open('../../secret')",
        "open(f'/proc/{os.getppid()}/environ')",
        "open(f'/proc/{os.getppid()}/root' + os.environ['FOLDER'] + '/state/secret')",
    ],
)
def test_the_nodes_own_files_are_not_there(make_box: Callable[..., Box], read: str) -> None:
    ended = make_box(FOUND).run(f"import os\n{read}.read()\nprint('read it')")
    assert "read it" not in ended.tail
    assert "Error" in said(ended)


@needs_namespaces
def test_what_is_hidden_is_empty(make_box: Callable[..., Box]) -> None:
    ended = make_box(FOUND).run(
        """
        import os
        folder = os.environ["FOLDER"]
        print(sorted(os.listdir(folder + "/state")), repr(open(folder + "/other.csv").read()))
        """
    )
    assert said(ended) == "['data.csv', 'work'] ''"


@needs_namespaces
@pytest.mark.parametrize(
    "attempt",
    [
        "os.unshare(os.CLONE_NEWUSER)" if hasattr(os, "unshare") else "run('unshare -U true')",
        "run('mount -o remount,rw /')",
        "run('umount ' + repr(os.environ['FOLDER'] + '/state'))",
        "run('mount -t tmpfs none .')",
        "os.chown('train.py', 12345, 12345)",
    ],
)
@pytest.mark.parametrize("way", [FOUND, NAMESPACES], ids=["all", "namespaces"])
def test_no_way_back(make_box: Callable[..., Box], way: Isolation, attempt: str) -> None:
    script = f"""
        import os, subprocess
        def run(command):
            subprocess.run(command, shell=True, check=True)
        {attempt}
        print("did it")
    """
    assert "did it" not in make_box(way).run(script).tail


@pytest.mark.parametrize("way", [WAYS[0], WAYS[2]])
def test_no_signals_to_the_node(make_box: Callable[..., Box], way: Isolation) -> None:
    script = f"import os; os.kill({os.getpid()}, 0); print('could')"
    assert "could" not in make_box(way).run(script).tail


def test_the_nodes_variables_stay_with_it(
    make_box: Callable[..., Box], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("FEDLOOM_CLIENT_TOKEN", "s3cret")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    script = "import os; print('s3cret' in str(os.environ), os.environ['OMP_NUM_THREADS'])"
    assert said(make_box(FOUND).run(script)) == "False 1"


@pytest.mark.parametrize("way", WAYS)
def test_memory(make_box: Callable[..., Box], way: Isolation) -> None:
    box = make_box(way, bounds=Bounds(memory_bytes=200 * MEBI))
    assert box.run("bytearray(50 << 20); print('fits')").tail == ("fits",)
    ended = box.run("bytearray(400 << 20); print('fits')")
    assert not ended.succeeded
    assert "it ran out of memory" in ended.explain()


@pytest.mark.parametrize("way", WAYS)
def test_memory_of_all_processes_together(make_box: Callable[..., Box], way: Isolation) -> None:
    script = """
        import os, time
        for _ in range(6):
            if os.fork() == 0:
                held = bytearray(os.urandom(1 << 20) * 80)
                time.sleep(60)
                os._exit(0)
        time.sleep(60)
    """
    begun = monotonic()
    ended = make_box(way, bounds=Bounds(memory_bytes=200 * MEBI)).run(script)
    assert "of memory, where 210 MB are the most" in ended.stopped
    assert not ended.succeeded
    assert ended.stopped in ended.explain()
    assert monotonic() - begun < 50


@pytest.mark.parametrize("way", WAYS)
def test_a_large_file(make_box: Callable[..., Box], way: Isolation) -> None:
    box = make_box(way, bounds=Bounds(file_bytes=MEBI))
    ended = box.run("open('big', 'wb').write(bytes(3 << 20))")
    assert not ended.succeeded
    assert "File too large" in said(ended)
    assert (box.work / "client" / "big").stat().st_size <= MEBI
    assert box.run("open('big', 'wb').write(bytes(1 << 19))").succeeded


def test_many_files(make_box: Callable[..., Box]) -> None:
    script = """
        import time
        for number in range(20):
            open(f"part{number}", "wb").write(bytes(1 << 20))
        time.sleep(30)
    """
    ended = make_box(FOUND, bounds=Bounds(folder_bytes=10 * MEBI)).run(script)
    assert "in its folder, where 10 MB are the most" in ended.stopped


@pytest.mark.parametrize("way", WAYS)
def test_a_fork_bomb(make_box: Callable[..., Box], way: Isolation) -> None:
    """Bounded by itself, should the sandbox fail: 300 processes that end after a minute."""
    script = """
        import os, time
        until = time.monotonic() + 60
        os.setsid() if os.fork() == 0 else None
        for _ in range(150):
            if os.fork() == 0:
                time.sleep(max(0, until - time.monotonic()))
                os._exit(0)
        time.sleep(max(0, until - time.monotonic()))
    """
    begun, before = monotonic(), len(psutil.pids())
    ended = make_box(way, bounds=Bounds(processes=40)).run(script)
    assert not ended.succeeded
    if os.getuid() == 0:
        assert "processes, where 40 are the most" in ended.stopped
    assert monotonic() - begun < 50
    until = monotonic() + 60
    while len(psutil.pids()) > before + 50 and monotonic() < until:
        sleep(0.05)
    assert len(psutil.pids()) < before + 50


@pytest.mark.parametrize("way", WAYS)
def test_a_hang_ends_at_its_time_limit(make_box: Callable[..., Box], way: Isolation) -> None:
    script = """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("hanging", flush=True)
        time.sleep(60)
    """
    ended = make_box(way).run(script, timeout_s=1.0)
    assert ended.timed_out
    assert ended.seconds < 50


def test_cancelling(make_box: Callable[..., Box]) -> None:
    cancel = Event()
    timer = Timer(0.7, cancel.set)
    timer.start()
    ended = make_box(FOUND).run("import time; time.sleep(60)", cancel=cancel)
    timer.join()
    assert ended.cancelled
    assert ended.seconds < 50


@needs_namespaces
def test_what_escapes_its_session_and_its_environment_is_ended(
    make_box: Callable[..., Box],
) -> None:
    script = """
        import os, sys
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                null = os.open("/dev/null", os.O_RDWR)
                for standard in (0, 1, 2):
                    os.dup2(null, standard)
                os.execve("/bin/sleep", ["sleep", "61"], {})
            os._exit(0)
        os.wait()
        print("left it")
    """
    box = make_box(FOUND)
    ended = box.run(script)
    assert ended.succeeded
    assert said(ended) == "left it"
    assert find_confined(box.work) == []


@pytest.mark.parametrize(
    "trap",
    [
        "os.symlink(os.environ['FOLDER'] + '/state/secret', '../exchange/update.npz')",
        "os.symlink('/etc', '../exchange/sub')",
        "os.mkfifo('../exchange/update.npz')",
        "open('x', 'w'); os.link('x', '../exchange/update.npz')",
        "os.rmdir('../exchange'); os.symlink('/etc', '../exchange')",
        "os.rmdir('../exchange')",
    ],
)
def test_a_trap_among_the_results_is_seen(make_box: Callable[..., Box], trap: str) -> None:
    ended = make_box(FOUND).run(f"import os\n{trap}\nprint('laid')")
    assert said(ended) == "laid"
    assert not ended.succeeded
    assert "no plain file" in ended.stopped or "in the place of the folder" in ended.stopped


def test_other_entry_points_do_not_run(make_box: Callable[..., Box]) -> None:
    box = make_box(FOUND)
    runner = SandboxedRunner(run_entry_point, {}, {})
    environment = PackageEnvironment(Path(sys.executable), None, created=False)
    ended = runner(box.project("open('ran', 'w')"), "train", [], environment=environment)
    assert not ended.succeeded
    assert "does not allow this entry point" in ended.explain()
    assert not (box.work / "client" / "ran").exists()


def test_nothing_runs_less_confined_than_asked(make_box: Callable[..., Box]) -> None:
    box = make_box(FOUND)
    view = replace(box.guard.view, shown=(box.folder / "missing",))
    guard = replace(box.guard, view=view)
    environment = PackageEnvironment(Path(sys.executable), None, created=False)
    runner = SandboxedRunner(run_entry_point, {"train": guard}, {})
    ended = runner(box.project("open('ran', 'w')"), "train", [], environment=environment)
    if FOUND.namespaces:
        assert "this call cannot be confined" in ended.explain()
        assert not (box.work / "client" / "ran").exists()


def test_a_command_that_is_missing(make_box: Callable[..., Box]) -> None:
    box = make_box(FOUND)
    project = box.project("")
    (project.folder / "fedloom.yaml").write_text("entry_points:\n  train: no-such-program\n")
    runner = SandboxedRunner(run_entry_point, {"train": box.guard}, {})
    environment = PackageEnvironment(Path(sys.executable), None, created=False)
    ended = runner(read_project(project.folder), "train", [], environment=environment)
    assert "command not found" in ended.explain()


def test_warm_starts_are_as_confined(make_box: Callable[..., Box], server: int) -> None:
    script = f"""
        import json, os, socket, sys
        found = []
        for act in (lambda: socket.create_connection(("127.0.0.1", {server}), 3),
                    lambda: open(os.environ["FOLDER"] + "/outside", "w"),
                    lambda: bytearray(900 << 20)):
            try:
                act(); found.append("could")
            except (OSError, MemoryError) as error:
                found.append(type(error).__name__)
        print(found)
    """
    box = make_box(FOUND, bounds=Bounds(memory_bytes=800 * MEBI))
    with WarmRunner(records=box.work / "imports") as warm:
        box.inner = warm.run_entry_point
        ended = [box.run(script) for _ in range(3)]
    assert [one.warm for one in ended] == [False, True, True], said(ended[1])
    assert len({one.tail for one in ended}) == 1
    assert "could" not in said(ended[0])
    assert end_confined(box.work) == 0


@needs_namespaces
def test_a_warm_process_stays_and_what_a_call_leaves_does_not(make_box: Callable[..., Box]) -> None:
    script = """
        import json, os
        if os.fork() == 0:
            os.setsid()
            os.closerange(0, 10)
            os.execve("/bin/sleep", ["sleep", "62"], {})
        print(os.getppid())
    """
    box = make_box(FOUND)
    with WarmRunner(records=box.work / "imports") as warm:
        box.inner = warm.run_entry_point
        ended = [box.run(script) for _ in range(4)]
        assert [one.warm for one in ended] == [False, True, True, True], said(ended[1])
        assert ended[1].tail == ended[2].tail == ended[3].tail
        left = [psutil.Process(pid).cmdline()[0] for pid in find_confined(box.work)]
        assert "sleep" not in left


def test_calls_with_other_bounds_share_no_warm_process(make_box: Callable[..., Box]) -> None:
    box = make_box(FOUND)
    with WarmRunner(records=box.work / "imports") as warm:
        box.inner = warm.run_entry_point
        assert [box.run("import json").warm for _ in range(2)] == [False, True]
        box.bounds = Bounds(memory_bytes=300 * MEBI)
        assert [box.run("import json").warm for _ in range(2)] == [False, True]
