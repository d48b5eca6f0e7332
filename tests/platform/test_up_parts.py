"""What the processes of the platform are made of: folder, signals, children, keepers, ports."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep

import psutil
import pytest

from fedloom.errors import ConflictError, InputError, LinkError
from fedloom.platform.config import load_config
from fedloom.platform.connection.address import find_access
from fedloom.platform.identity.token import hash_secret
from fedloom.platform.store import Store, open_store
from fedloom.platform.up.child import Child
from fedloom.platform.up.console import Console
from fedloom.platform.up.keeper import Keeper
from fedloom.platform.up.ports import check_exposure, is_loopback, listen
from fedloom.platform.up.state_folder import StateFolder, read_token
from fedloom.platform.up.stop_signals import StopSignals

LIMIT_S = 60.0


def wait_for(what: Callable[[], object]) -> None:
    until = monotonic() + LIMIT_S
    while not what():
        assert monotonic() < until, "it did not happen"
        sleep(0.02)


# The folder


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'fedloom.db'}") as opened:
        yield opened


def test_a_folder_is_for_one_process_and_the_other_is_told_which(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    script = (
        "import sys; from pathlib import Path; from fedloom.errors import ConflictError\n"
        "from fedloom.platform.up.state_folder import StateFolder\n"
        "try:\n"
        "    with StateFolder(Path(sys.argv[1])).hold(*sys.argv[2:]): print('held')\n"
        "except ConflictError as error: print(error)\n"
    )

    def attempt(*roles: str) -> str:
        command = [sys.executable, "-c", script, str(folder.path), *roles]
        return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S).stdout

    with folder.hold("api", "server"):
        assert f"process {os.getpid()} works in {folder.path}" in attempt("server")
        assert attempt("other") == "held\n"
    assert attempt("api", "server") == "held\n"


def test_the_token_is_made_once_opens_and_is_nobody_elses(tmp_path: Path, store: Store) -> None:
    folder = StateFolder(tmp_path / "state")
    secret = folder.open_doors(store)
    assert stat.S_IMODE(folder.token.stat().st_mode) == 0o600
    assert folder.open_doors(store) == secret == read_token(folder.token)
    found = store.find_token(hash_secret(secret))
    assert found is not None
    assert (found.user_id, found.role) == ("admin", "admin")
    assert len(store.tokens()) == 1


def test_a_token_that_was_written_just_before_a_crash_opens(tmp_path: Path, store: Store) -> None:
    folder = StateFolder(tmp_path / "state")
    secret = folder.open_doors(store)
    with open_store(f"sqlite:///{tmp_path / 'other.db'}") as fresh:
        assert folder.open_doors(fresh) == secret
        assert [token.role for token in fresh.tokens()] == ["admin"]


def test_a_token_that_was_revoked_or_emptied_says_what_to_do(tmp_path: Path, store: Store) -> None:
    folder = StateFolder(tmp_path / "state")
    folder.open_doors(store)
    store.revoke_token(store.tokens()[0].id)
    with pytest.raises(InputError, match="remove the file to get a new one"):
        folder.open_doors(store)
    folder.token.write_text(" \n")
    with pytest.raises(InputError, match="is empty"):
        folder.open_doors(store)


def test_commands_are_not_led_away_from_a_platform_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FEDLOOM_DIR", raising=False)
    first, second = StateFolder(tmp_path / "first"), StateFolder(tmp_path / "second")
    with first.hold("api"):
        assert first.tell_address("http://127.0.0.1:1", None)
        assert not second.tell_address("http://127.0.0.1:2", None)
        assert first.tell_address("http://127.0.0.1:1", None), "its own start again"
        assert find_access(environment={}).url == "http://127.0.0.1:1"
        named = find_access(environment={"FEDLOOM_DIR": str(second.path)})
        assert named.url == "http://127.0.0.1:2"
    assert second.tell_address("http://127.0.0.1:2", None)
    assert find_access(environment={}).url == "http://127.0.0.1:2"


# Signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_waiting_and_handlers_come_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopSignals() as signals:
        assert not signals.wait(0.0)
        os.kill(os.getpid(), number)
        assert signals.wait(LIMIT_S)
        assert signals.wait(0.0)
    assert signal.getsignal(number) is before


def test_it_can_be_asked_from_inside() -> None:
    with StopSignals() as signals:
        Thread(target=signals.ask).start()
        assert signals.wait(LIMIT_S)


def test_a_hang_up_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not signals.wait(0.05)
    finally:
        signal.signal(signal.SIGHUP, before)


# Children


def child(tmp_path: Path, code: str) -> Child:
    return Child("worker", [sys.executable, "-c", code], tmp_path / "worker.log")


def test_a_child_that_ignores_a_request_is_killed_with_what_it_started(tmp_path: Path) -> None:
    code = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(p.pid, flush=True); time.sleep(600)\n"
    )
    worker = child(tmp_path, code)
    worker.start()
    wait_for(worker.last_line)
    grandchild = psutil.Process(int(worker.last_line()))
    worker.stop(within_s=0.3)
    assert not worker.alive
    wait_for(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)
    worker.stop()


def test_a_child_learns_that_its_starter_was_killed(tmp_path: Path) -> None:
    outer = (
        "import sys, time; from pathlib import Path; from fedloom.platform.up.child import Child\n"
        "code = 'import os; os.read(0, 1)'\n"
        f"c = Child('c', [sys.executable, '-c', code], Path({str(tmp_path / 'c.log')!r}))\n"
        "c.start(); print(c.pid, flush=True); time.sleep(600)\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", outer], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    inner = psutil.Process(int(starter.stdout.readline()))
    starter.kill()
    starter.wait(LIMIT_S)
    starter.stdout.close()
    wait_for(lambda: not inner.is_running())


def test_a_part_that_ends_is_started_again_and_it_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    starts: list[int] = []
    worker = child(tmp_path, "import time; print('bad day', flush=True); time.sleep(600)")
    keeper = Keeper(
        "worker", worker, said.append, started=lambda: starts.append(1), why=worker.last_line
    )
    keeper.start()
    wait_for(worker.last_line)
    first = worker.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: len(starts) == 2)
    assert worker.pid != first
    assert said == ["worker ended: bad day; it is started again in 1 s"]
    keeper.stop()
    assert not worker.alive
    assert len(said) == 1


class Reluctant:
    """A part that cannot be started, as a SuperLink whose port is taken."""

    alive = False

    def __init__(self) -> None:
        self.stopped = Event()

    def start(self) -> None:
        if self.stopped.wait(0.05):
            raise AssertionError("started after it was stopped")
        raise LinkError("no port")

    def stop(self) -> None:
        pass


def test_a_part_that_cannot_start_is_tried_again_until_it_is_stopped() -> None:
    said: list[str] = []
    part = Reluctant()
    keeper = Keeper("part", part, said.append)
    keeper.start()
    wait_for(lambda: len(said) >= 2)
    assert said[0] == "part ended: no port; it is started again in 1 s"
    assert "again in 2 s" in said[1]
    keeper.stop()
    count = len(said)
    sleep(0.1)
    assert len(said) == count


# Ports


def test_a_taken_port_is_named_with_the_way_out() -> None:
    with closing(listen("127.0.0.1", 0)) as first:
        port = first.getsockname()[1]
        with pytest.raises(ConflictError, match=f"port {port} on 127.0.0.1 is taken.*--port"):
            listen("127.0.0.1", port)
    with pytest.raises(InputError, match="is no address of this machine"):
        listen("no.such.host.invalid", 0)
    with pytest.raises(InputError, match=r"cannot listen on 192\.0\.2\.1"):
        listen("192.0.2.1", 0)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("127.9.9.9", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.org", False),
    ],
)
def test_only_loopback_goes_without_tls_unless_asked_by_name(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
    plain = load_config(None, {}, {})
    if loopback:
        check_exposure("the API", host, plain)
        return
    with pytest.raises(InputError, match="insecure by name"):
        check_exposure("the API", host, plain)
    check_exposure("the API", host, load_config(None, {"insecure": "true"}, {}))
    secured = {"tls_certificate": "a.pem", "tls_key": "a.key"}
    check_exposure("the API", host, load_config(None, secured, {}))


def test_lines_for_people_carry_seconds_and_secrets_stay_out_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines: list[str] = []
    console = Console(lines.append)
    with caplog.at_level("INFO"):
        console.say("page ready")
        console.show("token abc")
    assert lines[0].endswith("s  page ready")
    assert lines[1] == "token abc"
    assert "page ready" in caplog.text
    assert "abc" not in caplog.text
