"""Who may do what: each address against each role, and against nobody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from fedloom.platform.api import make_app
from fedloom.platform.identity import Attempts, Role
from fedloom.platform.service import Service

from .api_world import IRIS, make_secret, open_client

OPEN = {("GET", path) for path in ("/", "/health", "/ready", "/version")}
"""What needs no token."""

LOWEST = {
    ("POST", "/tasks/"): Role.RESEARCHER,
    ("PUT", "/tasks/cancel/{task_id}"): Role.RESEARCHER,
    ("DELETE", "/tasks/{task_id}"): Role.OPERATOR,
    ("DELETE", "/tasks/"): Role.ADMIN,
    ("PUT", "/nodes/{name}"): Role.OPERATOR,
    ("DELETE", "/nodes/{name}"): Role.OPERATOR,
    ("POST", "/packages"): Role.RESEARCHER,
    ("PUT", "/models/{name}/versions/{number}/signatures"): Role.RESEARCHER,
    ("DELETE", "/models/{name}/versions/{number}"): Role.OPERATOR,
    ("GET", "/tokens"): Role.RESEARCHER,
    ("POST", "/tokens"): Role.RESEARCHER,
    ("DELETE", "/tokens/{token_id}"): Role.RESEARCHER,
}
"""The lowest role that an address takes; a viewer may ask for all the others."""

IDS = {"task_id": "1", "name": "ghost", "number": "1", "token_id": "5", "user_id": "ada"}


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    service.attempts = Attempts(limit=10_000)
    with open_client(make_app(service)) as made:
        yield made


@pytest.fixture
def secrets(service: Service) -> dict[Role, str]:
    return {role: make_secret(service.store, role) for role in Role}


def list_routes(client: httpx.Client) -> list[tuple[str, str]]:
    paths = client.get("/openapi.json").json()["paths"]
    return [(method.upper(), path) for path, found in paths.items() for method in found]


def ask(client: httpx.Client, method: str, path: str, secret: str | None) -> int:
    """Ask for a route; refusals come before anything of it is looked at."""
    named = path.format(**IDS, digest="0" * 64)
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    body: dict[str, Any] = {}
    if path == "/packages" and method == "POST":
        body = {"data": {"name": "x"}, "files": {"file": b"rubbish"}}
    elif path.endswith("/signatures"):
        signature = {"key": f"ed25519:{'A' * 43}=", "signature": f"{'A' * 86}=="}
        body = {"json": {"signatures": [signature]}}
    elif method in ("POST", "PUT"):
        body = {"json": {"/tasks/": IRIS, "/tokens": {"name": "x"}}.get(path, {"public_key": "x"})}
    params = {"timeout_s": 0} if path == "/events" else {}
    return client.request(method, named, headers=headers, params=params, **body).status_code


def test_every_address_but_four_needs_a_token_that_holds(client: httpx.Client) -> None:
    for method, path in list_routes(client):
        if (method, path) in OPEN:
            assert ask(client, method, path, None) in (200, 503), path
            continue
        for secret in (None, "flm_wrong", "x" * 600):
            assert ask(client, method, path, secret) == 401, (method, path)


@pytest.mark.parametrize("role", Role)
def test_every_address_takes_the_roles_that_it_should(
    client: httpx.Client, service: Service, secrets: dict[Role, str], role: Role
) -> None:
    routes = list_routes(client)
    assert set(LOWEST) <= set(routes)
    for method, path in routes:
        status = ask(client, method, path, secrets[role])
        if role.covers(LOWEST.get((method, path), Role.VIEWER)):
            assert status not in (401, 403, 500), (method, path, status)
        else:
            assert status == 403, (method, path, status)


def test_a_refusal_says_what_it_takes_and_how_to_sign_in(
    client: httpx.Client, secrets: dict[Role, str]
) -> None:
    headers = {"Authorization": f"Bearer {secrets[Role.OPERATOR]}"}
    answer = client.delete("/tasks/", headers=headers)
    assert answer.status_code == 403
    assert "admin" in answer.json()["detail"]
    answer = client.get("/tasks/")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    basic = client.get("/tasks/", headers={"Authorization": "Basic YTpi"})
    assert basic.status_code == 401


def test_too_many_wrong_tokens_lock_an_address_for_a_while(
    client: httpx.Client, service: Service, secrets: dict[Role, str]
) -> None:
    service.attempts = Attempts(limit=3)
    right = {"Authorization": f"Bearer {secrets[Role.ADMIN]}"}
    assert client.get("/me", headers=right).status_code == 200
    wrong = {"Authorization": "Bearer flm_guess"}
    assert [client.get("/me", headers=wrong).status_code for _ in range(4)] == [401, 401, 401, 429]
    answer = client.get("/me", headers=right)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


def test_a_token_is_granted_used_and_revoked(
    client: httpx.Client, secrets: dict[Role, str]
) -> None:
    admin = {"Authorization": f"Bearer {secrets[Role.ADMIN]}"}
    asked = {"name": "laptop", "user_id": "ada", "role": "researcher"}
    made = client.post("/tokens", headers=admin, json=asked).json()
    assert "secret_hash" not in made
    mine = {"Authorization": f"Bearer {made['secret']}"}
    me = client.get("/me", headers=mine).json()
    assert (me["user_id"], me["role"], me["token_id"]) == ("ada", "researcher", made["id"])
    assert "create_task" in me["permissions"]
    more = client.post("/tokens", headers=mine, json={"name": "x", "role": "admin"})
    assert more.status_code == 403
    listed = client.get("/tokens", headers=mine).json()
    assert [token["id"] for token in listed] == [made["id"]]
    assert not {"secret", "secret_hash"} & set(listed[0])
    assert client.delete(f"/tokens/{made['id']}", headers=admin).json()["revoked_at"]
    assert client.get("/me", headers=mine).status_code == 401


def test_one_researcher_cannot_cancel_the_task_of_another(
    client: httpx.Client, service: Service
) -> None:
    ada, bob = (
        {"Authorization": f"Bearer {make_secret(service.store, Role.RESEARCHER, name)}"}
        for name in ("ada", "bob")
    )
    task = client.post("/tasks/", json=IRIS, headers=ada).json()["id"]
    assert client.put(f"/tasks/cancel/{task}", headers=bob).status_code == 403
    assert client.post("/tasks/", json=IRIS | {"user_id": "ada"}, headers=bob).status_code == 403
    assert client.put(f"/tasks/cancel/{task}", headers=ada).status_code == 200
