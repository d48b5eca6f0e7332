"""A gateway as a child process: start, wait until it listens, end with whoever started it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector
from time import monotonic
from types import TracebackType
from typing import IO, TYPE_CHECKING

from fedloom.errors import LinkError

if TYPE_CHECKING:
    from fedloom.fleet.flower.endpoint import Endpoint
    from fedloom.fleet.flower.superlink import Certificates

__all__ = ["Gateway"]

_READY_SECONDS = 60.0
_END_SECONDS = 10.0


class Gateway:
    """Lets nodes reach a SuperLink's Fleet API and a depot at one address.

    Args:
        superlink: where it is; one with an authority is spoken to over TLS, as one that accepts
            known nodes only needs it.
        depot_url: where the depot listens; None lets nobody fetch or bring.
        host: where it listens.
        port: None takes a free one, and keeps it when it is started again.
        certificates: for TLS; None speaks plain HTTP.
    """

    def __init__(
        self,
        superlink: Endpoint,
        depot_url: str | None = None,
        host: str = "127.0.0.1",
        port: int | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        self._superlink, self._depot_url = superlink, depot_url
        self._host, self._port, self._certificates = host, port or 0, certificates
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where nodes reach it, as far as this machine knows.

        Raises:
            LinkError: it was not started.
        """
        if not self._port:
            raise LinkError("the gateway was not started")
        return f"{'http' if self._certificates is None else 'https'}://{self._host}:{self._port}"

    @property
    def pid(self) -> int | None:
        """Its process, if it was started here."""
        return None if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self, *, within_s: float = _READY_SECONDS) -> Gateway:
        """Start it and wait until it listens; one that has ended is started again.

        Raises:
            LinkError: it ended at once, or did not listen in time; what it says of that it says
                where this process prints its errors.
        """
        if self.alive:
            return self
        self.stop()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fedloom.fleet.flower.gateway", *self._arguments()],
            stdin=subprocess.PIPE,  # never written to: its end tells the child that we are gone
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        said = _read_line(self._process, monotonic() + within_s)
        port = said.rpartition(":")[2]
        if not port.isdecimal():
            self.stop()
            raise LinkError(f"the gateway on {self._host}:{self._port} does not start")
        self._port = int(port)
        return self

    def stop(self) -> None:
        """End it; may be called twice."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_END_SECONDS)
        if process.poll() is None:
            process.kill()
            process.wait(timeout=_END_SECONDS)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Gateway:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _arguments(self) -> list[str]:
        given = ["--superlink", str(self._superlink), "--listen", f"{self._host}:{self._port}"]
        given += ["--end-with-parent"]
        if self._superlink.authority is not None:
            given += ["--superlink-authority", str(self._superlink.authority)]
        if self._depot_url is not None:
            given += ["--depot", self._depot_url]
        if self._certificates is not None:
            given += ["--certificate", str(self._certificates.certificate)]
            given += ["--key", str(self._certificates.key)]
        return given


def _read_line(process: subprocess.Popen[bytes], until: float) -> str:
    """Return the first line that a process prints, empty if it ends or prints nothing in time."""
    pipe: IO[bytes] | None = process.stdout
    if pipe is None:
        return ""
    with DefaultSelector() as selector:
        selector.register(pipe, EVENT_READ)
        if not selector.select(max(0.0, until - monotonic())):
            return ""
    return pipe.readline().decode(errors="replace").strip()
