"""An HTTP server with a thread for each connection, and no more connections than it can bear.

From the standard library: what stands behind depot and gateway is files and sockets, and a
framework between them would cost more than all the rest.
"""

from __future__ import annotations

import logging
from http.server import ThreadingHTTPServer
from threading import BoundedSemaphore
from typing import Any

__all__ = ["BoundedServer"]

_LOGGER = logging.getLogger(__name__)


class BoundedServer(ThreadingHTTPServer):
    """Serves each connection in a thread; one that is too many is cut.

    Args:
        address: host and port to listen on.
        handler: of requests.
        most_connections: at one time.

    Raises:
        OSError: the port is taken.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(
        self, address: tuple[str, int], handler: type[Any], *, most_connections: int
    ) -> None:
        self._most = most_connections
        self._room = BoundedSemaphore(most_connections)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread; hang up where there are too many."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            _LOGGER.warning("more than %d connections; one was cut", self._most)
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve, and give the place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Let no connection print a traceback: most ends are the other side's."""
        _LOGGER.debug("a connection of %s ended", client_address, exc_info=True)
