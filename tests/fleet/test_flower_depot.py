"""The depot by itself: real HTTP on loopback, good callers and bad ones."""

from __future__ import annotations

import http.client
import logging
import socket
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from threading import Thread, Timer
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from fedloom.errors import DataError, InputError, LinkError, OutputError
from fedloom.fleet.flower.depot import (
    Carrier,
    Depot,
    DepotDownError,
    DepotRefusedError,
    depot_fetch,
    server,
    with_package_link,
)
from fedloom.fleet.flower.depot.packages import without_links
from fedloom.fleet.flower.endpoint import Endpoint

from .flower_world import wait_until

NOWHERE = Endpoint("127.0.0.1:9", insecure=True)
CONTENT = bytes(range(256)) * 5000
DIGEST = sha256(CONTENT).hexdigest()


@pytest.fixture
def depot(tmp_path: Path) -> Iterator[Depot]:
    with Depot(tmp_path / "depot") as depot:
        yield depot


@pytest.fixture
def carrier() -> Carrier:
    return Carrier(NOWHERE, patience_s=0.5)


def ask(depot: Depot, verb: str, path: str, body: Any = None, **headers: str) -> Any:
    """Make one request by hand; return status and body."""
    place = urlsplit(depot.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
    try:
        connection.request(verb, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def path_of(link: str) -> str:
    return urlsplit(link).path


def begin_upload(depot: Depot, link: str, size: int, sent: bytes) -> socket.socket:
    """Begin to bring something, and leave it at that."""
    place = urlsplit(depot.url)
    line = socket.create_connection((place.hostname or "", place.port or 0), timeout=20)
    line.sendall(f"PUT {path_of(link)} HTTP/1.1\r\nContent-Length: {size}\r\n\r\n".encode() + sent)
    return line


def files(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "depot").iterdir())


def test_memory_and_files_are_fetched_as_they_are(depot, carrier, tmp_path):
    (tmp_path / "archive").write_bytes(CONTENT)
    parts = [memoryview(CONTENT)[:100], memoryview(CONTENT)[100:]]
    for link in (
        depot.offer(tmp_path / "archive", task="t"),
        depot.offer(parts, task="t"),
        depot.offer(CONTENT, task="t"),
    ):
        first, second = bytearray(300), bytearray(len(CONTENT) - 300)
        carrier.fetch(link, [memoryview(first), memoryview(second)], DIGEST)
        assert first + second == CONTENT
        assert carrier.fetch_file(link, tmp_path / "copy", len(CONTENT)) == DIGEST
        assert (tmp_path / "copy").read_bytes() == CONTENT


def test_what_is_not_as_announced_is_not_taken(depot, carrier, tmp_path):
    link = depot.offer(CONTENT, task="t")
    with pytest.raises(DataError, match="not what was announced"):
        carrier.fetch(link, [memoryview(bytearray(len(CONTENT)))], "0" * 64)
    with pytest.raises(DataError, match="1280000 bytes are offered, where 5 is the most"):
        carrier.fetch(link, [memoryview(bytearray(5))], DIGEST)
    with pytest.raises(DataError, match="where 1000 is the most"):
        carrier.fetch_file(link, tmp_path / "copy", 1000)
    with pytest.raises(OutputError):
        carrier.fetch_file(link, tmp_path / "missing" / "copy", len(CONTENT))
    assert not (tmp_path / "copy").exists()


def test_something_is_brought_once_and_the_same_again_is_no_fault(depot, carrier, tmp_path):
    link = depot.expect("t", len(CONTENT))
    assert depot.take(link) is None
    for _ in range(2):
        carrier.bring(link, [memoryview(CONTENT)], DIGEST)
        path = depot.take(link, DIGEST)
        assert path is not None
        assert path.read_bytes() == CONTENT
    with pytest.raises(DepotRefusedError, match="something else was brought before"):
        carrier.bring(link, [memoryview(b"other")], sha256(b"other").hexdigest())
    with pytest.raises(DataError, match="SHA-256"):
        depot.take(link, "1" * 64)
    depot.withdraw(link)
    assert depot.take(link) is None
    assert files(tmp_path) == []


@pytest.mark.parametrize("verb", ["GET", "PUT", "HEAD"])
def test_who_has_no_link_gets_nothing(depot, verb, tmp_path):
    (tmp_path / "depot" / "secret").write_text("mine")
    offered, expected = depot.offer(CONTENT, task="t"), depot.expect("t", 10)
    wrong = path_of(offered)[:-1] + ("A" if offered[-1] != "A" else "B")
    for path in (
        wrong,
        *("/", "/v1/depot/", "/v1/depot/secret", "/v1/depot/../secret", "/v1/depot/%2e%2e/secret"),
        *(f"{path_of(offered)}/..", "/v1/depot//etc/passwd", f"{path_of(offered)}?x"),
        path_of(expected) if verb == "GET" else wrong,
        path_of(offered) if verb == "PUT" else wrong,
    ):
        assert ask(depot, verb, path, b"x" if verb == "PUT" else None) == (404, b""), path


def test_a_link_is_a_secret_of_256_bits_that_nothing_prints(depot, caplog):
    caplog.set_level(logging.DEBUG)
    links = [path_of(depot.offer(b"", task="t")) for _ in range(20)]
    assert len(set(links)) == 20
    assert all(len(link.removeprefix("/v1/depot/")) == 43 for link in links)
    ask(depot, "GET", links[0])
    ask(depot, "PUT", links[1], b"x")
    text = repr(vars(depot)) + caplog.text
    assert not any(link.removeprefix("/v1/depot/") in text for link in links)


@pytest.mark.parametrize(
    ("size", "headers", "status"),
    [
        (11, {}, 413),
        (5, {"Fedloom-SHA256": "0" * 64}, 400),
        (5, {"Content-Length": "-5"}, 411),
        (5, {"Content-Length": "five"}, 411),
        (5, {"Transfer-Encoding": "chunked"}, 411),
    ],
)
def test_what_may_not_be_brought_is_refused_and_leaves_nothing(
    depot, tmp_path, size, headers, status
):
    link = depot.expect("t", 10)
    assert ask(depot, "PUT", path_of(link), b"x" * size, **headers)[0] == status
    assert depot.take(link) is None
    assert files(tmp_path) == []
    assert ask(depot, "PUT", path_of(link), b"x" * 10)[0] == 201


def test_a_disk_without_room_refuses_and_is_asked_again(depot, carrier, tmp_path, monkeypatch):
    link = depot.expect("t", 10)
    room = type("Usage", (), {"free": 100})
    monkeypatch.setattr(server.shutil, "disk_usage", lambda _: room)
    with pytest.raises(DepotDownError, match="status 507"):
        carrier.bring(link, [memoryview(b"x" * 10)], sha256(b"x" * 10).hexdigest())
    monkeypatch.undo()

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(server, "write_all", fail)
    assert ask(depot, "PUT", path_of(link), b"x" * 10)[0] == 507
    assert files(tmp_path) == []
    monkeypatch.undo()
    carrier.bring(link, [memoryview(b"x" * 10)], sha256(b"x" * 10).hexdigest())
    assert depot.take(link) is not None


def test_half_of_something_vanishes_and_may_be_brought_again(depot, carrier, tmp_path):
    link = depot.expect("t", len(CONTENT))
    line = begin_upload(depot, link, len(CONTENT), CONTENT[:1000])
    wait_until(lambda: files(tmp_path))
    assert ask(depot, "PUT", path_of(link), b"x")[0] == 409, "one at a time"
    assert ask(depot, "HEAD", path_of(link))[0] == 409
    line.close()
    wait_until(lambda: not files(tmp_path))
    carrier.bring(link, [memoryview(CONTENT)], DIGEST)
    assert depot.take(link, DIGEST) is not None


def test_what_is_on_its_way_when_a_place_is_cleared_counts_no_longer(depot, carrier, tmp_path):
    link = depot.expect("t", len(CONTENT))
    carrier.bring(link, [memoryview(CONTENT)], DIGEST)
    depot.reopen(link)
    assert depot.take(link) is None
    old = begin_upload(depot, link, 4, b"ol")
    wait_until(lambda: files(tmp_path))
    depot.reopen(link)
    carrier.bring(link, [memoryview(CONTENT)], DIGEST)
    old.sendall(b"d!")
    assert old.recv(100).startswith(b"HTTP/1.1 404")
    old.close()
    path = depot.take(link)
    assert path is not None
    assert path.read_bytes() == CONTENT
    assert files(tmp_path) == [path.name]


def test_whoever_fetches_what_is_withdrawn_is_cut_off(depot):
    link = depot.offer([memoryview(np.zeros(64 << 20, np.uint8))], task="t")
    place = urlsplit(depot.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
    connection.request("GET", path_of(link))
    response = connection.getresponse()
    assert response.read(1000) == bytes(1000)
    depot.drop("t")
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        response.read()
    connection.close()
    assert ask(depot, "GET", path_of(link))[0] == 404


def test_a_task_ends_with_all_its_links_and_no_others(depot, carrier, tmp_path):
    ours, theirs = depot.expect("a", 10), depot.expect("b", 10)
    for link in (ours, theirs):
        carrier.bring(link, [memoryview(b"12")], sha256(b"12").hexdigest())
    depot.drop("a")
    depot.drop("a")
    assert depot.take(ours) is None
    assert depot.take(theirs) is not None
    assert len(files(tmp_path)) == 1


def test_a_depot_removes_what_an_earlier_one_left_and_nothing_else(tmp_path):
    place = tmp_path / "depot"
    place.mkdir()
    left = place / ("0" * 32), place / f"{'1' * 32}.3.part"
    for path in (*left, place / "notes.txt"):
        path.write_text("x")
    with Depot(place) as depot:
        link = depot.expect("t", 10)
        Carrier(NOWHERE).bring(link, [memoryview(b"12")], sha256(b"12").hexdigest())
        assert len(files(tmp_path)) == 2
    assert files(tmp_path) == ["notes.txt"]


def test_a_port_that_is_taken_and_an_address_that_is_none_are_named(depot, tmp_path):
    taken = urlsplit(depot.url).port
    with pytest.raises(LinkError, match=f"cannot listen on 127.0.0.1:{taken}"):
        Depot(tmp_path / "other", port=taken).start()
    with pytest.raises(InputError, match="public_url=host:80: http"):
        Depot(tmp_path / "other", public_url="host:80")
    with pytest.raises(LinkError, match="not started"):
        _ = Depot(tmp_path / "other").url
    with pytest.raises(DataError, match="No such file"):
        depot.offer(tmp_path / "missing", task="t")


def test_links_lead_to_where_the_nodes_are_told_to_go(tmp_path):
    for public_url, start in (("", "/v1/depot/"), ("https://hub:9092/", "https://hub:9092/v1/")):
        with Depot(tmp_path / "depot", public_url=public_url) as depot:
            assert depot.expect("t", 1).startswith(start)
            if not public_url:  # a path is at the SuperLink's address
                own = Carrier(Endpoint(urlsplit(depot.url).netloc, insecure=True))
                own.fetch(depot.offer(CONTENT, task="t"), [memoryview(bytearray(1280000))], DIGEST)


def test_an_outage_is_waited_for_but_not_for_ever(tmp_path):
    depot = Depot(tmp_path / "depot").start()
    port = urlsplit(depot.url).port
    depot.stop()
    link = f"http://127.0.0.1:{port}{'/v1/depot/'}{'a' * 43}"
    with pytest.raises(DepotDownError, match=r"the depot cannot be reached: .*refused"):
        Carrier(NOWHERE, patience_s=0.3).fetch(link, [], "")
    again = Depot(tmp_path / "depot", port=port)
    timer = Timer(0.5, again.start)
    timer.start()
    try:
        with pytest.raises(DepotRefusedError, match="wanted or offered no longer") as caught:
            Carrier(NOWHERE, patience_s=30).fetch(link, [], "")
        assert caught.value.status == 404
    finally:
        timer.join()
        again.stop()


def test_who_is_no_longer_wanted_stops_trying():
    link = f"http://127.0.0.1:9/v1/depot/{'a' * 43}"
    with pytest.raises(DepotDownError):
        Carrier(NOWHERE, patience_s=3600).bring(link, [memoryview(b"x")], "", lambda: True)


@pytest.mark.parametrize(
    ("link", "text"),
    [
        ("file:///etc/passwd", "none of a depot's"),
        ("http://127.0.0.1:1/latest/meta-data", "none of a depot's"),
        (f"http://host/v1/depot/{'a' * 43}/../x", "none of a depot's"),
        (f"http://host/v1/depot/{'a' * 43}?x=1", "none of a depot's"),
        (f"http://me:pw@host/v1/depot/{'a' * 43}", "none of a depot's"),
        ("/v1/depot/short", "none of a depot's"),
        (f"http://elsewhere/v1/depot/{'a' * 43}", "http://elsewhere, where TLS would be right"),
        (f"ftp://127.0.0.1/v1/depot/{'a' * 43}", "where TLS would be right"),
    ],
)
def test_nodes_go_nowhere_else_and_not_without_tls_where_they_have_it(link, text):
    with pytest.raises(DataError, match=text):
        Carrier(Endpoint("host:1")).fetch(link, [], "")


def test_many_at_once_get_what_they_asked_for(depot, tmp_path):
    weights = np.arange(2 << 20, dtype=np.uint8)
    digest = sha256(weights.data).hexdigest()
    offered, failures = depot.offer([weights.data], task="t"), list[Exception]()

    def trade() -> None:
        carrier = Carrier(NOWHERE)
        try:
            held = np.empty_like(weights)
            carrier.fetch(offered, [held.data], digest)
            link = depot.expect("t", held.nbytes)
            carrier.bring(link, [held.data], digest)
            assert depot.take(link, digest) is not None
        except Exception as error:  # noqa: BLE001 - for the test's own thread
            failures.append(error)

    threads = [Thread(target=trade) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []
    assert len(files(tmp_path)) == 24


def test_packages_come_over_a_link_that_names_no_order(depot, tmp_path):
    (tmp_path / "iris.tgz").write_bytes(CONTENT)
    settings = {"trainer": "package", "package": {"name": "iris", "digest": DIGEST}}
    linked = with_package_link(settings, depot, tmp_path / "iris.tgz", "t")
    assert linked["package"]["digest"] == DIGEST
    assert without_links(linked) == settings
    assert without_links({"trainer": "keras"}) == {"trainer": "keras"}
    depot_fetch(NOWHERE)(linked, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == CONTENT
    with pytest.raises(InputError, match="where its package can be fetched"):
        depot_fetch(NOWHERE)(settings, tmp_path / "copy")
