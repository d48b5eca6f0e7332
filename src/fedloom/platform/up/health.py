"""How a coordinator is, over HTTP: for probes and Prometheus, which hold no token."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from fedloom.errors import ConflictError, InputError

if TYPE_CHECKING:
    from fedloom.platform.coordinator import CoordinatorState

__all__ = ["HealthServer"]

State = Callable[[], "CoordinatorState | None"]

_REQUEST_SECONDS = 10.0
_STOP_SECONDS = 3.0
_LOOK_SECONDS = 0.5


class HealthServer:
    """Answers ``/health`` while the process lives, ``/ready``, and ``/metrics``; all else is 404.

    Args:
        host: where it listens.
        port: 0 takes a free one.
        state: says how the coordinator is; None before it is there.

    Raises:
        ConflictError: the port is taken.
        InputError: there is no such address on this machine.
    """

    def __init__(self, host: str, port: int, state: State) -> None:
        kind = type("_Bound", (_Answerer,), {"state": staticmethod(state)})
        try:
            self._server = ThreadingHTTPServer((host, port), kind)
        except OSError as error:
            why = error.strerror or str(error)
            wrong = f"health_port {port} on {host}: {why}; choose another with --health-port"
            raise (ConflictError if "in use" in why else InputError)(wrong) from None
        self._server.daemon_threads = True
        self._thread = Thread(
            target=self._server.serve_forever, args=(_LOOK_SECONDS,), name="health", daemon=True
        )

    @property
    def url(self) -> str:
        """Where it is reached from this machine."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End; may be called twice."""
        if self._thread.ident is not None:
            self._server.shutdown()
            self._thread.join(_STOP_SECONDS)
        self._server.server_close()


class _Answerer(BaseHTTPRequestHandler):
    timeout = _REQUEST_SECONDS
    state: State

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/health":
            self._answer(200, b'{"status": "ok"}')
        elif path == "/ready":
            self._answer_ready()
        elif path == "/metrics":
            found = CollectorRegistry()
            found.register(_Found(self.state()))
            self._answer(200, generate_latest(found), "text/plain; version=0.0.4")
        else:
            self._answer(404, b'{"detail": "there are /health, /ready and /metrics"}')

    def _answer_ready(self) -> None:
        state = self.state()
        if state is None:
            self._answer(503, b'{"ready": false, "detail": "the coordinator is starting"}')
            return
        ready = 0 < state.links == state.links_up and state.last_error is None
        said = {
            "ready": ready,
            "superlinks": f"{state.links_up} of {state.links}",
            "detail": state.last_error,
        }
        self._answer(200 if ready else 503, json.dumps(said).encode())

    def _answer(self, status: int, body: bytes, form: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", form)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: probes come every few seconds."""


class _Found:
    """The numbers of one moment; their names are those of `/metrics` of the API."""

    def __init__(self, state: CoordinatorState | None) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        state = self._state
        if state is None:
            return
        for name, meaning, value in (
            ("slots", "Tasks that may run at once.", state.slots),
            ("running", "Tasks that run here.", len(state.running)),
            ("links", "SuperLinks that it uses.", state.links),
            ("links_up", "SuperLinks that are there.", state.links_up),
            ("failing", "Whether something goes wrong now.", state.last_error is not None),
        ):
            yield GaugeMetricFamily(f"fedloom_coordinator_{name}", meaning, value=float(value))
