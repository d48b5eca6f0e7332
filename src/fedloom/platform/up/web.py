"""The HTTP server of API and page, in a thread of its own, on a port that was taken before."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing
from threading import Thread
from time import monotonic, sleep
from typing import TYPE_CHECKING

from fedloom.errors import LinkError
from fedloom.platform.config import PlatformConfig
from fedloom.platform.up.ports import check_exposure, listen

if TYPE_CHECKING:
    from fedloom.platform.api import ApiServer

__all__ = ["Web"]

_READY_SECONDS = 60.0
_STOP_SECONDS = 6.0
_LOOK_SECONDS = 0.02


class Web:
    """Listens from the beginning: whoever comes early waits instead of being refused.

    Args:
        config: says where, and with which certificate.

    Raises:
        ConflictError: the port is taken.
        InputError: there is no such address, or it would be open to others without TLS.
    """

    def __init__(self, config: PlatformConfig) -> None:
        check_exposure("the API", config.host, config)
        self._config = config
        self._listener: socket.socket = listen(config.host, config.port)
        self._server: ApiServer | None = None
        self._thread: Thread | None = None

    @property
    def alive(self) -> bool:
        """Whether it serves."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def address(self) -> str:
        """Where people reach it."""
        if self._config.public_url:
            return self._config.public_url.rstrip("/")
        host, port = self._listener.getsockname()[:2]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        scheme = "http" if self._config.tls_certificate is None else "https"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def start(self, make: Callable[[], ApiServer]) -> None:
        """Serve; return when it does.

        Args:
            make: makes the server.

        Raises:
            LinkError: it ended at once, or does not begin within a minute.
        """
        server = self._server = make()
        run = Thread(target=server.run, args=([self._listener],), name="web", daemon=True)
        self._thread = run
        run.start()
        until = monotonic() + _READY_SECONDS
        while not server.started:
            if not run.is_alive() or monotonic() > until:
                raise LinkError(f"the web server does not come up at {self.address}")
            sleep(_LOOK_SECONDS)

    def stop(self) -> None:
        """End; requests that are under way have a moment. May be called twice."""
        with closing(self._listener):
            if self._server is not None:
                self._server.should_exit = True
            if self._thread is not None:
                self._thread.join(_STOP_SECONDS)
