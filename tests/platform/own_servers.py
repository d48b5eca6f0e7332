"""Servers that tests start for themselves, and may kill: PostgreSQL and RabbitMQ."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic, sleep

import psutil
import psycopg

__all__ = ["OwnPostgresql", "OwnRabbitmq", "find_free_port"]

_START_S = 90.0
_POSTGRESQL = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
_RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def find_free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Server(ABC):
    """A process with a folder of its own; `kill` is a power cut, `start` brings it back."""

    def __init__(self, name: str) -> None:
        self.folder = Path(mkdtemp(prefix=f"fedloom-{name}-"))
        self.folder.chmod(0o755)
        self.port = find_free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = self._spawn()
        until = monotonic() + _START_S
        while not self.answers():
            if self._process.poll() is not None or monotonic() > until:
                self.close()
                raise RuntimeError(f"{type(self).__name__} did not start: {self._read_log()}")
            sleep(0.1)

    def kill(self) -> None:
        """End it, and all it has started, as a power cut would."""
        if self._process is None:
            return
        with suppress(psutil.NoSuchProcess):
            family = psutil.Process(self._process.pid).children(recursive=True)
            self._process.kill()
            for member in family:
                with suppress(psutil.NoSuchProcess):
                    member.kill()
            psutil.wait_procs(family, timeout=10)
        self._process.wait(timeout=10)
        self._process = None

    def freeze(self) -> None:
        """Let it answer nobody, without closing a connection."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @abstractmethod
    def answers(self) -> bool:
        """Say whether it can be used."""

    @abstractmethod
    def _spawn(self) -> subprocess.Popen[bytes]:
        """Start its process."""

    def _signal(self, number: int) -> None:
        assert self._process is not None
        process = psutil.Process(self._process.pid)
        for member in (process, *process.children(recursive=True)):
            member.send_signal(number)

    def _read_log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace")[-500:] if path.exists() else "it said nothing"


class OwnPostgresql(_Server):
    """A PostgreSQL server; its superuser is ``postgres``, without a password, on loopback."""

    programs = _POSTGRESQL

    def __init__(self) -> None:
        super().__init__("postgresql")
        self._user = _find_user("postgres") if os.getuid() == 0 else None
        self._data = self.folder / "data"
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        program = str(_POSTGRESQL[-1].with_name("initdb"))
        choices = ["-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"]
        self._run([program, "-D", str(self._data), *choices])

    @property
    def url(self) -> str:
        """Its address, without a database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}"

    def answers(self) -> bool:
        try:
            psycopg.connect(f"{self.url}/postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(
            command, user=self._user, capture_output=True, cwd="/", timeout=_START_S, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr.decode(errors="replace")[-500:])

    def _spawn(self) -> subprocess.Popen[bytes]:
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        command = [str(_POSTGRESQL[-1]), "-D", str(self._data), "-p", str(self.port)]
        command += [
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            f"unix_socket_directories={self.folder}",
        ]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, user=self._user, stdout=log, stderr=log, cwd="/")


class OwnRabbitmq(_Server):
    """A RabbitMQ node with an Erlang port mapper of its own; its user is ``guest``."""

    programs = [_RABBITMQ] if _RABBITMQ.exists() else []

    def __init__(self) -> None:
        super().__init__("rabbitmq")
        self._mapper_port, self._peer_port = find_free_port(), find_free_port()
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\n")

    @property
    def url(self) -> str:
        """Its address."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 2) as probe:
            probe.sendall(b"AMQP\x00\x00\x09\x01")
            probe.settimeout(5)
            return bool(probe.recv(1))
        return False

    def close(self) -> None:
        self.kill()
        mapper = shutil.which("epmd")
        if mapper is not None:
            command = [mapper, "-port", str(self._mapper_port), "-kill"]
            subprocess.run(command, capture_output=True, timeout=10, check=False)
        super().close()

    def _spawn(self) -> subprocess.Popen[bytes]:
        own = {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"fedloom{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._peer_port),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_LOGS": "-",
        }
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [str(_RABBITMQ)], env={**os.environ, **own}, stdout=log, stderr=log, cwd=self.folder
            )


def _find_user(name: str) -> int:
    """Return the number of a user, or of nobody: PostgreSQL does not start as root."""
    with suppress(KeyError):
        return pwd.getpwnam(name).pw_uid
    return pwd.getpwnam("nobody").pw_uid
