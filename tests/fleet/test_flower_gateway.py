"""The gateway: a real child process in front of a real SuperLink and a real depot."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest

from fedloom.errors import LinkError
from fedloom.federation.fleet import Order
from fedloom.fleet.flower.admission import admit_node
from fedloom.fleet.flower.depot import Carrier, Depot, DepotDownError, DepotRefusedError
from fedloom.fleet.flower.endpoint import Endpoint
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.fleet.flower.gateway import Gateway, server
from fedloom.fleet.flower.gateway.server import Target
from fedloom.fleet.flower.node import Identity, Node
from fedloom.fleet.flower.superlink import SuperLink

from .flower_world import REDUCER, failures, wait_until
from .test_flower_tls import make_certificates
from .thread_nodes import Adder


class Behind(BaseHTTPRequestHandler):
    """A server that says what it was asked; in place of a SuperLink."""

    protocol_version = "HTTP/1.1"
    asked: list[tuple[str, str, bytes, dict[str, str]]]

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(size)
        type(self).asked.append((self.command, self.path, body, dict(self.headers.items())))
        chunked = self.path.endswith("chunked")
        self.send_response(200)
        self.send_header("X-Seen", "yes")
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if chunked:
            self.wfile.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        else:
            self.wfile.write(body)

    do_GET = do_HEAD = do_DELETE = do_PUT = do_POST  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def behind() -> Iterator[ThreadingHTTPServer]:
    Behind.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Behind)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(timeout=10)


@pytest.fixture(scope="module")
def gateway(behind: ThreadingHTTPServer) -> Iterator[Gateway]:
    port = behind.server_address[1]
    url = f"http://127.0.0.1:{port}"
    with Gateway(Endpoint(f"127.0.0.1:{port}", insecure=True), url) as gateway:
        yield gateway


def say(gateway: Gateway, text: bytes) -> bytes:
    """Send bytes as they are; return all that is answered until it hangs up."""
    place = urlsplit(gateway.url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=60) as line:
        line.sendall(text)
        line.shutdown(socket.SHUT_WR)
        found = b""
        while chunk := line.recv(65536):
            found += chunk
        return found


def connect(gateway: Gateway) -> http.client.HTTPConnection:
    place = urlsplit(gateway.url)
    return http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)


def test_both_doors_are_open_and_requests_arrive_as_they_were(gateway):
    Behind.asked.clear()
    body = bytes(range(256)) * 9000
    with closing(connect(gateway)) as line:
        for verb, path in (
            *(("POST", "/v1/fleet/pull-messages"), ("POST", "/v1/fleet/chunked")),
            *(("PUT", f"/v1/depot/{'a' * 43}"), ("GET", f"/v1/depot/{'b' * 43}")),
        ):
            line.request(verb, path, body, {"X-Signature": "s", "Connection": "keep-alive"})
            answer = line.getresponse()
            assert answer.status == 200
            assert answer.getheader("X-Seen") == "yes"
            assert answer.read() == (b"abcde" if path.endswith("chunked") else body)
            got = Behind.asked.pop()
            assert got[:3] == (verb, path, body)
            assert got[3]["X-Signature"] == "s"


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/health", "/v1/control/start-run", "/v1/runtime/acquire-task", "/v1/fleet"),
        *("/v1/fleet/", "/v1/fleet/../control/start-run", "/v1/fleet/%2e%2e/control/start-run"),
        *("/v1/fleet//control", "/v1/fleet/x/y", "/v1/fleet/x?y", "/v1/fleet/x;y"),
        *("http://127.0.0.1/v1/fleet/x", "/V1/fleet/x", "/v1/fleet/x\\y", "/v1/depot/" + "a" * 200),
    ],
)
def test_all_else_is_refused_and_does_not_arrive(gateway, path):
    Behind.asked.clear()
    for verb in ("POST", "GET"):
        answer = say(gateway, f"{verb} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 404 "), answer
    assert Behind.asked == []


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"GET /v1/fleet/x HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /v1/depot/x HTTP/1.1\r\n\r\n", b"404"),
        (b"DELETE /v1/fleet/x HTTP/1.1\r\n\r\n", b"501"),
        (b"POST /v1/fleet/x HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"POST /v1/fleet/x HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"411"),
        (b"POST /v1/fleet/x HTTP/1.1\r\nContent-Length: +1\r\n\r\n", b"411"),
        (b"POST /v1/fleet/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (
            b"POST /v1/fleet/x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 90\r\n\r\nx",
            b"411",
        ),
        (b"POST /v1/fleet/x HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf", b"408"),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"400"),
        (b"POST /v1/fleet/x HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"431"),
        (b"POST /" + b"x" * 70000 + b" HTTP/1.1\r\n\r\n", b"414"),
    ],
)
def test_rubbish_is_refused(gateway, text, status):
    answer = say(gateway, text)
    assert answer.split()[1:2] == [status], answer[:200]
    with closing(connect(gateway)) as line:
        line.request("POST", "/v1/fleet/x", b"fine")
        assert line.getresponse().read() == b"fine"


def test_a_second_request_behind_the_first_is_looked_at_too(gateway):
    Behind.asked.clear()
    first = b"POST /v1/fleet/x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok"
    answer = say(gateway, first + b"POST /v1/control/start-run HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert answer.count(b"HTTP/1.1 404 Not Found") == 1
    hidden = b"POST /v1/control/start-run HTTP/1.1\r\n\r\n"
    head = b"POST /v1/fleet/x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(hidden)
    say(gateway, head + hidden)
    assert [path for _, path, _, _ in Behind.asked] == ["/v1/fleet/x"] * 2


def test_headers_that_come_byte_by_byte_hold_no_place_for_long(behind, monkeypatch):
    monkeypatch.setattr(server, "_HEADER_SECONDS", 1.0)
    targets = {"fleet": Target(f"http://127.0.0.1:{behind.server_address[1]}")}
    with server.GatewayServer(("127.0.0.1", 0), targets, None) as passing:
        thread = Thread(target=passing.serve_forever, args=(0.05,))
        thread.start()
        try:
            with socket.create_connection(passing.server_address[:2], timeout=60) as slow:
                slow.sendall(b"POST /v1/fleet/x HTTP/1.1\r\nHost: a\r\nX-Slow: ")
                slow.settimeout(0.05)
                assert hung_up(slow, within_s=60.0)
            with socket.create_connection(passing.server_address[:2], timeout=60) as quick:
                head = b"POST /v1/fleet/slow-body HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
                quick.sendall(head + b"a")
                sleep(1.5)  # longer than headers may take: the body has a limit of its own
                quick.sendall(b"bc")
                assert quick.recv(1000).startswith(b"HTTP/1.1 200")
        finally:
            passing.shutdown()
            thread.join(timeout=10)


def hung_up(connection: socket.socket, within_s: float) -> bool:
    """Send a byte every now and then; return whether the other side had enough of it."""
    until = monotonic() + within_s
    while monotonic() < until:
        try:
            connection.sendall(b"x")
            if not connection.recv(100):
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


def test_a_server_that_is_away_is_a_bad_gateway(tmp_path):
    with Gateway(Endpoint("127.0.0.1:9", insecure=True)) as gateway:
        assert say(gateway, b"POST /v1/fleet/x HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 502 ")
        assert say(gateway, b"GET /v1/depot/x HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 404 ")


def test_it_ends_with_who_started_it_and_comes_back_at_its_port(gateway):
    other = Gateway(Endpoint("127.0.0.1:9", insecure=True)).start()
    url = other.url
    assert other.pid is not None
    os.kill(other.pid, signal.SIGKILL)
    wait_until(lambda: not other.alive)
    assert other.start().url == url
    with pytest.raises(LinkError, match="does not start"):
        Gateway(Endpoint("127.0.0.1:9", insecure=True), port=urlsplit(url).port).start()
    other.stop()
    other.stop()
    script = (
        "import os, signal\n"
        "from fedloom.fleet.flower.endpoint import Endpoint\n"
        "from fedloom.fleet.flower.gateway import Gateway\n"
        "print(Gateway(Endpoint('127.0.0.1:9', insecure=True)).start().pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=120)
    wait_until(lambda: not psutil.pid_exists(int(said.stdout)))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--superlink", "nowhere"], "superlink=nowhere: host:port would be right"),
        (["--superlink", "a:1", "--listen", "x"], "listen=x: host:port would be right"),
        (["--superlink", "a:1", "--key", "x"], "certificate and key go together"),
        (["--superlink", "a:1", "--key", "x", "--certificate", "y"], "certificate=y, key=x: "),
        (["--superlink", "https://a:1", "--superlink-authority", "/x"], "authority=/x: "),
    ],
)
def test_its_command_names_what_is_wrong(arguments, text):
    command = [sys.executable, "-m", "fedloom.fleet.flower.gateway", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert text in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_it_needs_nothing_but_the_standard_library():
    code = (
        "import sys, fedloom.fleet.flower.gateway.__main__\n"
        "print([m for m in ('flwr', 'numpy', 'httpx', 'fastapi', 'jax') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"


@contextmanager
def running(node: Node) -> Iterator[Node]:
    thread = Thread(target=node.run)
    thread.start()
    try:
        yield node
    finally:
        node.stop()
        thread.join(timeout=30)
        assert not thread.is_alive()


def test_a_node_needs_one_address_tls_and_to_be_known(tmp_path: Path) -> None:
    """The strictest set-up: TLS twice, known nodes only, and weights through the same door."""
    files = make_certificates(tmp_path)
    with ExitStack() as stack:
        link = SuperLink(tmp_path / "link", certificates=files, known_nodes_only=True)
        stack.enter_context(link)
        depot = stack.enter_context(Depot(tmp_path / "depot", public_url=""))
        gateway = Gateway(link.endpoint, depot.url, certificates=files)
        stack.enter_context(gateway)
        door = Endpoint(urlsplit(gateway.url).netloc, files.authority)
        assert str(door) == gateway.url
        for stranger in (replace(door, authority=None), replace(door, insecure=True)):
            with pytest.raises(DepotDownError):
                Carrier(stranger, patience_s=0.1).fetch(depot.offer(b"", task="t"), [], "")
        identity = Identity.keep(tmp_path / "node.key")
        handler = Adder("hospital", 3)
        node = stack.enter_context(running(Node(door, identity, handler)))
        with closing(FlowerFleet(link.endpoint, link.secret, "t", {}, depot=depot)) as fleet:
            with pytest.raises(Exception, match="0 of 1 clients"):
                fleet.wait_for(1, 1.0)
            admit_node(link.endpoint, identity.public_pem, "hospital")
            wait_until(lambda: node.connected, 60)
            fleet.wait_for(1, 60)
            weights = [np.zeros((500, 300), np.float32), np.zeros(7, np.float32)]
            for number in (1, 2):
                reply = fleet.train(Order(number, [0], weights, 7, deadline_s=120), REDUCER)
                assert failures(reply) == [None], reply.results
                assert all((w == 3).all() for w in REDUCER.finish(reply.state))
        carrier = Carrier(door, patience_s=5)
        link_of = depot.offer(b"x", task="t")
        with pytest.raises(DepotRefusedError):
            carrier.fetch(link_of[:-2] + "xx", [memoryview(bytearray(1))], "")
        carrier.fetch(link_of, [memoryview(bytearray(1))], sha256(b"x").hexdigest())
