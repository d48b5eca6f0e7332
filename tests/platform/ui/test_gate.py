"""Who is let in at the page, by HTTP and by the websocket."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from fedloom.platform.identity import Role

from .page_world import PageWorld


@pytest.fixture
def client(world: PageWorld) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=world.url, timeout=60.0) as made:
        yield made


def log_in(client: httpx.Client, token: str, **more: str) -> httpx.Response:
    return client.post("/ui/login", data={"token": token, **more})


def client_id(client: httpx.Client) -> str:
    """Open a page, and return what NiceGUI calls it."""
    found = re.search(r"client_id[^0-9a-f]+([0-9a-f-]{36})", client.get("/ui/").text)
    assert found
    return found[1]


def connect(world: PageWorld, client: httpx.Client, page: str, **headers: str) -> bool:
    """Ask for the page's websocket with a client's cookies; say whether it was granted."""
    place = urlsplit(world.url)
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    lines = {
        "Host": place.netloc,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Cookie": cookie,
        **headers,
    }
    path = f"/ui/_nicegui_ws/socket.io/?EIO=4&transport=websocket&client_id={page}"
    asked = f"GET {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
    with socket.create_connection((place.hostname or "", place.port or 0), 60.0) as connection:
        connection.sendall(f"{asked}\r\n".encode())
        said = connection.makefile("rb").readline().split()
    assert said[1] in (b"101", b"403")
    return said[1] == b"101"


def test_the_cookie_holds_no_token_and_scripts_cannot_read_it(
    world: PageWorld, client: httpx.Client
) -> None:
    token = world.token(Role.VIEWER)
    answer = log_in(client, token)
    assert (answer.status_code, answer.headers["location"]) == (303, "/ui/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/ui" in cookie
    assert token.lower() not in cookie
    page = client.get("/ui/")
    assert page.status_code == 200
    assert token not in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path", ["/ui/", "/ui/tasks/1", "/ui/tokens", "/ui/nothing", "/ui/?token=x"]
)
def test_a_stranger_is_sent_to_sign_in(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/ui/login")


def test_a_token_in_an_address_opens_nothing(world: PageWorld, client: httpx.Client) -> None:
    answer = client.get("/ui/", params={"token": world.token(Role.ADMIN)})
    assert answer.status_code == 303
    assert "set-cookie" not in answer.headers


def test_a_stranger_uploads_and_downloads_nothing(client: httpx.Client) -> None:
    upload = client.post("/ui/_nicegui/client/x/upload/1", content=b"x")
    assert upload.status_code == 401
    for resource in ("/ui/_nicegui/none.js", "/ui/_nicegui/3/none/none.js"):
        assert client.get(resource).status_code == 404
    download = client.get("/ui/files/tasks/1/clients.csv")
    assert (download.status_code, download.headers["location"]) == (303, "/ui/login")


def test_a_large_body_is_refused(world: PageWorld, client: httpx.Client) -> None:
    log_in(client, world.token(Role.ADMIN))
    whole = client.post("/ui/_nicegui/client/x/upload/1", content=b"x" * (2 * 1024**2 + 1))
    assert whole.status_code == 413
    pieces = client.post("/ui/_nicegui/client/x/upload/1", content=iter([b"x"] * 3))
    assert pieces.status_code == 413
    assert log_in(client, "x" * 10_000).status_code == 401


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "https://evil.example", "/\\evil.example", "x", "/\r\nSet-Cookie: a=b"],
)
def test_signing_in_leads_nowhere_else(world: PageWorld, client: httpx.Client, wanted: str) -> None:
    answer = log_in(client, world.token(Role.VIEWER), next=wanted)
    assert answer.headers["location"] == "/ui/"


def test_another_site_cannot_sign_anybody_in_or_out(world: PageWorld, client: httpx.Client) -> None:
    evil = {"Origin": "https://evil.example"}
    token = world.token(Role.VIEWER)
    refused = client.post("/ui/login", data={"token": token}, headers=evil)
    assert refused.status_code == 403
    assert "set-cookie" not in refused.headers
    log_in(client, token)
    cookies = dict(client.cookies)
    client.post("/ui/logout", headers=evil)
    client.cookies.update(cookies)
    assert client.get("/ui/").status_code == 200


def test_the_websocket_needs_the_login_of_the_page(world: PageWorld, client: httpx.Client) -> None:
    log_in(client, world.token(Role.VIEWER))
    page = client_id(client)
    with httpx.Client(base_url=world.url) as stranger:
        assert not connect(world, stranger, page)
    assert not connect(world, client, page, Origin="https://evil.example")
    host = urlsplit(world.url).netloc
    assert connect(world, client, page, Origin=f"http://{host}")


def test_signing_out_ends_the_session_for_all_who_have_the_cookie(
    world: PageWorld, client: httpx.Client
) -> None:
    log_in(client, world.token(Role.VIEWER))
    cookies = dict(client.cookies)
    page = client_id(client)
    client.post("/ui/logout")
    client.cookies.update(cookies)
    assert client.get("/ui/").status_code == 303
    assert not connect(world, client, page)


def test_the_api_and_its_documents_stand_beside_the_page(
    world: PageWorld, client: httpx.Client
) -> None:
    assert client.get("/health").status_code == 200
    assert client.get("/ui/favicon.ico").status_code == 303
    log_in(client, world.token(Role.ADMIN))
    assert client.get("/tasks/").status_code == 401


def test_wrong_tokens_lock_the_address(world: PageWorld) -> None:
    """From an address of its own: nobody gets in from there for a minute afterwards."""
    elsewhere = httpx.HTTPTransport(local_address="127.0.0.2")
    with httpx.Client(base_url=world.url, timeout=60.0, transport=elsewhere) as client:
        answers = [log_in(client, f"flm_{number}").status_code for number in range(11)]
        assert answers == [401] * 10 + [429]
        assert log_in(client, world.token(Role.ADMIN)).status_code == 429
