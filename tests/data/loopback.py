"""A web server on loopback that can misbehave."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Mirror:
    """A web server on loopback.

    `files` maps a path to its content; `promised` to a Content-Length that is not the content's;
    for a path in `stalls` it sends the content and then neither more nor an end.
    """

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    promised: dict[str, int] = field(default_factory=dict)
    stalls: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serve() -> Iterator[Mirror]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        mirror = Mirror(f"http://127.0.0.1:{server.server_port}/")
        server.mirror = mirror  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield mirror
        finally:
            mirror.stop.set()
            server.shutdown()
            thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        mirror: Mirror = self.server.mirror  # type: ignore[attr-defined]
        mirror.asked.append(self.path)
        if (content := mirror.files.get(self.path)) is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(mirror.promised.get(self.path, len(content))))
        self.end_headers()
        self.wfile.write(content)
        if self.path in mirror.stalls:
            self.wfile.flush()
            mirror.stop.wait(10)

    def log_message(self, *args: object) -> None:
        """Stay silent."""
