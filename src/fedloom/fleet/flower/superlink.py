"""A Flower SuperLink as a child process: start, wait until it answers, end with its whole tree.

It listens on loopback, keeps its state in a database file, runs nobody's code and installs
nothing. What it needs to go on after a restart (database, port, secret) lies in one folder.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from socket import AF_INET, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, socket
from time import monotonic, sleep
from types import TracebackType
from typing import NoReturn

import psutil

from fedloom.errors import LinkError, OutputError
from fedloom.files import output_errors
from fedloom.fleet.flower.endpoint import Endpoint

__all__ = ["LOOPBACK", "Certificates", "SuperLink"]

LOOPBACK = "127.0.0.1"

_READY_SECONDS = 60.0
_END_SECONDS = 10.0
_LOOK_SECONDS = 0.05
_SERVE = "from fedloom.fleet.flower.superlink_child import serve; serve()"
_QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    # Its access log is a line per request, and nodes look all the time.
    "FLWR_LOG_LEVEL": "WARNING",
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True)
class Certificates:
    """TLS files of a server, PEM: the authority's certificate, its own, and its private key."""

    authority: Path
    certificate: Path
    key: Path


class SuperLink:
    """One SuperLink.

    Args:
        folder: of its state; made if missing. Nobody else may use it meanwhile.
        port: where it listens; None takes the port of the last time, or a free one.
        host: the address it listens on. Control and Runtime share the port with Fleet and need
            no login, so anything but loopback lets strangers in.
        certificates: for TLS; None for plain HTTP.
        known_nodes_only: accept only nodes whose key was registered before; needs TLS.
        secret: file of the secret; None makes one in the folder.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        host: str = LOOPBACK,
        certificates: Certificates | None = None,
        known_nodes_only: bool = False,
        secret: Path | None = None,
    ) -> None:
        if known_nodes_only and certificates is None:
            raise LinkError("a SuperLink that accepts known nodes only needs TLS certificates")
        self._folder, self._host = folder, host
        self._certificates, self._known_nodes_only = certificates, known_nodes_only
        self._secret = secret or folder / "superexec.key"
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._port = port or _recall_port(folder, host) or _find_port(host)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> Endpoint:
        """Where nodes and coordinators on this machine reach it."""
        authority = None if self._certificates is None else self._certificates.authority
        return Endpoint(f"{self._host}:{self._port}", authority, insecure=authority is None)

    @property
    def secret(self) -> bytes:
        """What a coordinator proves itself with when it claims a run."""
        if not self._secret.exists():
            _write_secret(self._secret, secrets.token_bytes(32))
        return self._secret.read_bytes()

    @property
    def log(self) -> Path:
        """What it prints; each start appends."""
        return self._folder / "superlink.log"

    @property
    def pid(self) -> int | None:
        """Its process, if it was started here."""
        return None if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self, *, within_s: float = _READY_SECONDS) -> SuperLink:
        """Start it and wait until it answers.

        Args:
            within_s: seconds that it may take.

        Raises:
            LinkError: it ended at once, or did not answer in time.
        """
        if self.alive:
            return self
        until = monotonic() + within_s
        with output_errors(self.log), self.log.open("ab") as output:
            self._process = self._spawn(output.fileno())
        (self._folder / "port").write_text(str(self._port))
        while not self.endpoint.answers():
            if not self.alive:
                self.stop()
                self._fail("ended at once")
            if monotonic() >= until:
                self.stop()
                self._fail(f"did not answer within {within_s:g} s")
            sleep(_LOOK_SECONDS)
        return self

    def become(self) -> NoReturn:
        """Turn this process into it, so that signals reach Flower's own command; never returns.

        Raises:
            OutputError: the folder cannot be written.
        """
        _ = self.secret
        command = [sys.executable, "-c", _SERVE, *self._arguments()]
        own = {**_QUIET, "FLWR_HOME": str(self._folder / "flwr")}
        os.execve(sys.executable, command, {**os.environ, **own})

    def stop(self) -> None:
        """End it with all it has started; may be called twice."""
        process, self._process = self._process, None
        if process is None:
            return
        family = _find_family(process.pid)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_END_SECONDS)
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        process.wait(timeout=_END_SECONDS)
        if process.stdin is not None:
            process.stdin.close()

    def kill(self) -> None:
        """End it as a power cut would, without a chance to tidy up."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=_END_SECONDS)
            self.stop()

    def __enter__(self) -> SuperLink:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _spawn(self, output: int) -> subprocess.Popen[bytes]:
        _ = self.secret
        return subprocess.Popen(
            [sys.executable, "-m", "fedloom.fleet.flower.superlink_child", *self._arguments()],
            stdin=subprocess.PIPE,  # never written to: its end tells the child that we are gone
            stdout=output,
            stderr=output,
            env={**os.environ, **_QUIET, "FLWR_HOME": str(self._folder / "flwr")},
            start_new_session=True,
        )

    def _arguments(self) -> list[str]:
        common = ["--host", self._host, "--port", str(self._port), "--isolation", "process"]
        common += ["--database", str(self._folder / "superlink.db")]
        common += ["--superexec-auth-secret-file", str(self._secret)]
        common += ["--disable-runtime-dependency-installation"]
        if self._known_nodes_only:
            common += ["--enable-supernode-auth"]
        if self._certificates is None:
            return [*common, "--insecure"]
        files = self._certificates
        common += ["--ssl-ca-certfile", str(files.authority)]
        return [*common, "--ssl-certfile", str(files.certificate), "--ssl-keyfile", str(files.key)]

    def _fail(self, how: str) -> None:
        lines = self.log.read_text("utf-8", errors="replace").strip().splitlines()
        last = lines[-1].strip() if lines else "it printed nothing"
        raise LinkError(f"the SuperLink on {self._host}:{self._port} {how}: {last}; see {self.log}")


def _find_family(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []


def _recall_port(folder: Path, host: str) -> int | None:
    """Return the port of the last time, so that nodes find the SuperLink again, if it is free."""
    with suppress(OSError, ValueError):
        port = int((folder / "port").read_text())
        if _is_free(host, port):
            return port
    return None


def _is_free(host: str, port: int) -> bool:
    with socket(AF_INET, SOCK_STREAM) as probe:
        probe.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _find_port(host: str) -> int:
    with socket(AF_INET, SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port


def _write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    beside = path.with_suffix(".part")
    with output_errors(path):
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        beside.replace(path)
    if path.stat().st_mode & 0o077:
        raise OutputError(f"{path} can be read by others; its file system keeps no permissions")
