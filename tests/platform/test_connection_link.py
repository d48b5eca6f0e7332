"""What a connection does when the other side is slow, gone, wrong, or not who it should be."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

import fedloom
from fedloom.errors import (
    ConflictError,
    FedloomError,
    IncompatibleError,
    InputError,
    LinkError,
    NotFoundError,
    OutputError,
)
from fedloom.fleet.flower.certificates import CertificateFolder, create_certificates
from fedloom.platform.connection import Platform
from fedloom.platform.connection.address import Access, find_access, is_loopback
from fedloom.platform.connection.events import read_stream
from fedloom.platform.connection.problems import read_problem
from fedloom.platform.demo import demo_package
from fedloom.platform.identity import ForbiddenError, LockedOutError, UnauthenticatedError

Answer = tuple[int, dict[str, str], bytes]
Answers = Callable[["Asked"], Answer | None]


class Asked(BaseHTTPRequestHandler):
    """One request; what the test says answers it, and None hangs up."""

    protocol_version = "HTTP/1.1"
    answers: Answers
    seen: list[tuple[str, str]]

    def handle_any(self) -> None:
        self.seen.append((self.command, self.path))
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/version" and self.command == "GET":
            found: Answer | None = as_json({"fedloom": fedloom.__version__})
        else:
            found = type(self).answers(self)
        if found is None:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        status, headers, content = found
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815, as the base class calls them

    def log_message(self, *words: Any) -> None:
        pass


def as_json(document: Any, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"Content-Type": "application/json", **named}, json.dumps(document).encode()


@contextmanager
def stand_in(
    answers: Answers, certificates: CertificateFolder | None = None
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Serve what the test says; lend the address, and the list of what was asked."""
    seen: list[tuple[str, str]] = []
    handler = type("Handler", (Asked,), {"answers": staticmethod(answers), "seen": seen})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    scheme = "http"
    if certificates is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.certificate("server"), certificates.key("server"))
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"{scheme}://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        thread.join(30)
        server.server_close()


@contextmanager
def connected(answers: Answers, **named: Any) -> Iterator[tuple[Platform, list[tuple[str, str]]]]:
    with stand_in(answers) as (url, seen), fedloom.connect(url, "flm_x", **named) as platform:
        seen.clear()
        yield platform, seen


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("URL", "TOKEN", "CA", "DIR", "INSECURE"):
        monkeypatch.delenv(f"FEDLOOM_{name}", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "fedloom"


def in_turn(*found: Answer | None) -> Answers:
    left = list(found)
    return lambda asked: left.pop(0) if len(left) > 1 else left[0]


BUSY = as_json({"detail": "the database is away"}, 503)


# Trying again


@pytest.mark.parametrize("failure", [None, BUSY], ids=["hung up", "busy"])
def test_a_question_is_asked_again(failure: Answer | None) -> None:
    with connected(in_turn(failure, failure, as_json([]))) as (platform, seen):
        assert platform.nodes.list() == []
        assert seen == [("GET", "/nodes")] * 3


@pytest.mark.parametrize("failure", [None, BUSY], ids=["hung up", "busy"])
def test_a_task_is_never_asked_for_twice(failure: Answer | None) -> None:
    with connected(in_turn(failure, as_json({}))) as (platform, seen):
        with pytest.raises(LinkError):
            platform.tasks.create(plan={"dataset": "iris", "model": "logistic"})
        assert [word for word, _ in seen] == ["POST"]


def test_an_end_to_trying() -> None:
    with connected(lambda _: BUSY, timeout_s=1) as (platform, seen):
        with pytest.raises(LinkError, match=r"could not do it \(503\): the database is away"):
            platform.nodes.list()
        assert len(seen) > 1


def test_nobody_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(LinkError, match="cannot be reached"):
        fedloom.connect(f"http://127.0.0.1:{port}", timeout_s=0.5)


def test_who_says_nothing_is_given_up() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(LinkError, match=r"did not answer within 0\.3 s"),
    ):
        fedloom.connect(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=0.3)


# Not what it should be


@pytest.mark.parametrize("theirs", ["99.0.0", "0.9.1", "nonsense"])
def test_other_versions_are_refused_by_both_names(
    theirs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedloom.platform.connection.link.__version__", theirs)
    with (
        stand_in(lambda _: None) as (url, _),
        pytest.raises(IncompatibleError) as caught,
    ):
        fedloom.connect(url)
    assert theirs in str(caught.value)
    assert fedloom.__version__ in str(caught.value)


def test_a_patch_release_is_no_other_version(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = ".".join([*fedloom.__version__.split(".")[:2], "77"])
    monkeypatch.setattr("fedloom.platform.connection.link.__version__", ours)
    with stand_in(lambda _: None) as (url, _):
        fedloom.connect(url).close()


@pytest.mark.parametrize(
    "found",
    [
        (200, {"Content-Type": "text/html"}, b"<html>hello</html>"),
        as_json([1, 2]),
        as_json({"items": 7}),
        as_json([{"no": "name"}]),
        (200, {}, b"\xff\xfe\x00"),
    ],
    ids=["page", "numbers", "items", "other", "bytes"],
)
def test_answers_that_make_no_sense(found: Answer) -> None:
    with connected(lambda _: found) as (platform, _):
        for ask in (
            platform.nodes.list,
            platform.models.list,
            platform.tokens.list,
            platform.me,
            platform.history,
            lambda: platform.tasks.get(1),
            lambda: platform.tasks.create(plan={"dataset": "iris", "model": "logistic"}),
            lambda: platform.packages.push(demo_package(), "iris"),
        ):
            with pytest.raises(LinkError):
                ask()


def test_something_else_at_the_address() -> None:
    page = (200, {"Content-Type": "text/html"}, b"<html></html>")
    with stand_in(lambda _: page) as (url, _), pytest.raises(LinkError, match="no JSON"):
        fedloom.connect(f"{url}/elsewhere")


def test_a_redirect_is_not_followed_with_a_token() -> None:
    there = (307, {"Location": "https://elsewhere.example.org/"}, b"")
    with (
        connected(lambda _: there) as (platform, _),
        pytest.raises(LinkError, match=r"elsewhere\.example\.org"),
    ):
        platform.nodes.list()


def test_half_a_file_is_no_file(tmp_path: Path) -> None:
    half = (200, {"Content-Length": "1000000"}, b"x" * 1000)
    target = tmp_path / "model.npz"
    with connected(lambda _: half, timeout_s=1) as (platform, _), pytest.raises(LinkError):
        platform.tasks.result(1, target)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Answer:
        if asked.path.endswith("/weights"):
            return 200, {}, b"damaged"
        return as_json({"name": "iris", "version": 1, "weights_digest": "0" * 64})

    with (
        connected(answer) as (platform, _),
        pytest.raises(LinkError, match="damaged on its way"),
    ):
        platform.models.download("iris", 1, tmp_path / "model.npz")
    assert list(tmp_path.iterdir()) == []


def test_pages_that_lead_in_a_circle_end() -> None:
    found = as_json({"items": [{"name": "iris"}], "next_token": "again"})
    with connected(lambda _: found) as (platform, _):
        assert [model.name for model in platform.models.list()] == ["iris", "iris"]


def test_names_do_not_leave_their_place() -> None:
    with connected(lambda _: as_json({"name": "x", "version": 1})) as (platform, seen):
        platform.models.get("../tasks?x=1#y", 1)
        platform.nodes.get("a/../b")
    assert [path for _, path in seen] == [
        "/models/..%2Ftasks%3Fx%3D1%23y/versions/1",
        "/nodes/a%2F..%2Fb",
    ]


# Refusals


def problem(status: int, document: Any, **headers: str) -> FedloomError:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    request = httpx.Request("GET", "http://host/x")
    return read_problem(httpx.Response(status, content=content, headers=headers, request=request))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InputError),
        (401, UnauthenticatedError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (409, ConflictError),
        (413, InputError),
        (422, InputError),
        (500, LinkError),
        (507, LinkError),
    ],
)
def test_what_a_status_stands_for(status: int, kind: type[FedloomError]) -> None:
    error = problem(status, {"title": "No", "detail": "there is no task 7"})
    assert type(error) is kind
    assert "there is no task 7" in str(error)


def test_all_faults_are_named() -> None:
    faults = [
        {"loc": ["body", "model_version"], "msg": "must be above 0"},
        {"loc": ["body", "local", "epochs"], "msg": "must be a number"},
    ]
    error = problem(422, {"detail": "model_version: … (and 1 more)", "errors": faults})
    assert str(error) == "model_version: must be above 0; local.epochs: must be a number"


def test_too_many_wrong_tokens() -> None:
    error = problem(429, {"detail": "wait"}, **{"Retry-After": "17"})
    assert isinstance(error, LockedOutError)
    assert error.retry_after_s == 17


@pytest.mark.parametrize(
    "document", [b"", b"<html>", b"[1]", b"null", b'"Task not found"', b'{"errors": [1, {}]}']
)
def test_refusals_without_a_problem_document(document: bytes) -> None:
    assert str(problem(404, document))


def test_a_refusal_is_one_line_without_control_characters() -> None:
    error = problem(404, {"detail": "a\nb\x1b[31m" + "c" * 5000})
    assert "\n" not in str(error)
    assert "\x1b" not in str(error)
    assert len(str(error)) <= 500


# Where, who, and over what


def test_what_is_told_counts_before_the_environment(home: Path) -> None:
    around = {"FEDLOOM_URL": "https://a.example.org/", "FEDLOOM_TOKEN": "flm_a"}
    assert find_access(environment=around) == Access("https://a.example.org", "flm_a")
    told = find_access("https://b.example.org", "flm_b", environment=around)
    assert told == Access("https://b.example.org", "flm_b")
    assert find_access(environment={}) == Access("http://127.0.0.1:8000")


def leave(folder: Path, url: str, token: str) -> None:
    folder.mkdir(parents=True)
    (folder / "address").write_text(f"{url}\n")
    (folder / "token").write_text(f"{token}\n")


def test_what_up_left_is_found(home: Path, tmp_path: Path) -> None:
    leave(home / "up", "http://127.0.0.1:8123", "flm_up")
    assert find_access(environment={}) == Access("http://127.0.0.1:8123", "flm_up")
    leave(tmp_path / "d", "http://127.0.0.1:8200", "flm_d")
    named = find_access(environment={"FEDLOOM_DIR": str(tmp_path / "d")})
    assert named == Access("http://127.0.0.1:8200", "flm_d")
    assert "flm_d" not in repr(named)


def test_its_token_goes_nowhere_else(home: Path) -> None:
    leave(home / "up", "http://127.0.0.1:8123", "flm_up")
    assert find_access("https://elsewhere.example.org", environment={}).token is None
    assert find_access("http://127.0.0.1:8123/", environment={}).token == "flm_up"


def test_what_up_left_half_written_counts_nothing(home: Path) -> None:
    leave(home / "up", "", "")
    assert find_access(environment={}) == Access("http://127.0.0.1:8000")


def test_a_token_does_not_go_in_the_clear_to_another_machine() -> None:
    with pytest.raises(InputError, match="without TLS"):
        find_access("http://fedloom.example.org", "flm_x", environment={})
    for allowed in (
        find_access("http://fedloom.example.org", "flm_x", insecure=True, environment={}),
        find_access("http://fedloom.example.org", "flm_x", environment={"FEDLOOM_INSECURE": "1"}),
    ):
        assert allowed.token == "flm_x"
    assert find_access("http://fedloom.example.org", environment={}).token is None


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
        ("10.0.0.1", False),
    ],
)
def test_what_is_this_machine(host: str, here: bool) -> None:
    assert is_loopback(host) is here


@pytest.mark.parametrize(
    "url",
    [
        "fedloom.example.org:8000",
        "ftp://x",
        "https://",
        "https://u:p@x.org",
        "https://x.org:99999",
        "https://x.org/?a=1",
        "http://[::1",
    ],
)
def test_addresses_that_cannot_be(url: str) -> None:
    with pytest.raises(InputError):
        find_access(url, environment={})


def test_an_address_that_only_looks_like_one() -> None:
    with pytest.raises(InputError, match="cannot be used"):
        fedloom.connect("https://a b.org")


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with connected(lambda _: (200, {}, b"weights")) as (platform, seen):
        with pytest.raises(OutputError, match="is a folder"):
            platform.tasks.result(1, tmp_path)
        assert seen == []
        with pytest.raises(OutputError, match="cannot write"):
            platform.tasks.result(1, tmp_path / "file" / "model.npz")
        platform.tasks.result(1, tmp_path / "new" / "folder" / "model.npz")
    assert (tmp_path / "new" / "folder" / "model.npz").read_bytes() == b"weights"


def test_tokens_that_cannot_be() -> None:
    with pytest.raises(InputError, match="copy it once more") as caught:
        fedloom.connect("http://127.0.0.1:1", "flm_geheim\nX: y")
    assert "geheim" not in str(caught.value)


def test_tls_with_an_authority_of_ones_own(tmp_path: Path) -> None:
    home = CertificateFolder(tmp_path / "certs")
    create_certificates(home, ["fedloom.example.org"])
    with stand_in(lambda _: as_json([]), home) as (url, _):
        with fedloom.connect(url, "flm_x", ca=home.certificate("ca")) as platform:
            assert platform.nodes.list() == []
        with pytest.raises(LinkError, match=r"certificate of .* is not trusted"):
            fedloom.connect(url, "flm_x")
    with pytest.raises(InputError, match=r"none\.pem"):
        fedloom.connect("https://127.0.0.1:1", ca=tmp_path / "none.pem")


# Events


def event(number: int, **more: Any) -> str:
    document = {"id": number, "kind": "log", "task_id": 1, "data": {}, **more}
    return f"id: {number}\nevent: log\ndata: {json.dumps(document)}\n\n"


def test_a_stream_is_read_line_by_line() -> None:
    text = f": hello\n\nretry: 5\n\n{event(1)}data: no json\n\n: alive\n\n{event(2)}data: {{}}\n\n"
    assert [found.id for found in read_stream(text.splitlines())] == [1, 2]
    split = 'id: 3\nevent: round\ndata: {"round":\ndata: 4}\n\n'
    (found,) = read_stream(split.splitlines())
    assert (found.id, found.kind, found.data) == (3, "round", {"round": 4})


def test_a_stream_goes_on_where_it_broke_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedloom.platform.connection.events._PAUSE_S", 0.01)
    asked: list[str | None] = []

    def answer(request: Asked) -> Answer | None:
        asked.append(request.headers.get("Last-Event-ID"))
        streams = [f": listening after 4\n\n{event(5)}{event(6)[:20]}", event(6) + event(7)]
        if len(asked) == 2:
            return None
        text = streams[0] if len(asked) == 1 else streams[1]
        return 200, {"Content-Type": "text/event-stream"}, text.encode()

    with connected(answer) as (platform, _):
        events = platform.events()
        assert [next(events).id for _ in range(3)] == [5, 6, 7]
        events.close()
    assert asked[:3] == [None, "5", "5"]


def test_nothing_is_missed_before_the_first_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedloom.platform.connection.events._PAUSE_S", 0.01)
    asked: list[str | None] = []

    def answer(request: Asked) -> Answer:
        asked.append(request.headers.get("Last-Event-ID"))
        text = ": listening after 41\n\n" if len(asked) == 1 else event(42)
        return 200, {"Content-Type": "text/event-stream"}, text.encode()

    with connected(answer) as (platform, _):
        events = platform.events()
        assert next(events).id == 42
        events.close()
    assert asked == [None, "41"]


# Watching


def test_watching_goes_on_over_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    task = {
        "id": 1,
        "user_id": "ada",
        "use_case": "iris",
        "model_name": "iris",
        "model_version": 1,
        "num_global_iterations": 2,
        "run_name": "r",
        "experiment_name": "Default",
        "created_at": "2030-01-01T00:00:00Z",
        "status": "running",
        "rounds_done": 1,
    }
    ended = {**task, "status": "success", "rounds_done": 2}
    asked: list[str] = []

    def answer(request: Asked) -> Answer | None:
        if "/rounds" in request.path:
            after = int(request.path.rpartition("=")[2])
            last = 1 if len(asked) < 5 else 2
            return as_json([{"round": n} for n in range(after + 1, last + 1)])
        asked.append(request.path)
        return as_json(task) if len(asked) == 1 else None if len(asked) < 5 else as_json(ended)

    with connected(answer, timeout_s=0.3) as (platform, _):
        seen: list[int] = []
        found = platform.tasks.wait(1, 60, on_round=lambda row, _: seen.append(row["round"]))
    assert (found.status, seen) == ("success", [1, 2])
