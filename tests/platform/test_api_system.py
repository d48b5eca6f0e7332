"""How the API is: health, readiness, numbers, its own page, headers, its log."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse

from fedloom.errors import LinkError, NotFoundError
from fedloom.platform.api import make_app
from fedloom.platform.broker import open_broker
from fedloom.platform.coordinator.package_recipe import make_package_recipe
from fedloom.platform.identity import Role
from fedloom.platform.registry import Registry, open_registry
from fedloom.platform.service import PartState, Service
from fedloom.platform.store import Store, open_store

from .api_world import IRIS, ROOT, make_secret, make_service, open_client, push_iris
from .broker_world import wait_until


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    secret = make_secret(service.store, Role.ADMIN, "ada")
    with open_client(make_app(service), secret) as made:
        yield made


def test_the_originals_health_check_and_a_browser_at_the_same_address(client: httpx.Client) -> None:
    assert client.get("/").json() == {"message": "Pong"}
    answer = client.get("/", headers={"Accept": "text/html,*/*"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/docs")


def test_a_browser_is_sent_to_the_page_where_there_is_one(service: Service) -> None:
    def add(app: FastAPI, _: Service) -> None:
        @app.get("/ui/", include_in_schema=False)
        def show() -> PlainTextResponse:
            return PlainTextResponse("the page")

    with open_client(make_app(service, page=add), follow_redirects=True) as client:
        answer = client.get("/", headers={"Accept": "text/html"})
        assert (answer.text, answer.url.path) == ("the page", "/ui/")
        assert client.get("/ui").text == "the page"


def test_everything_is_ready_and_says_so(client: httpx.Client, service: Service) -> None:
    service.broker = open_broker("memory://")
    answer = client.get("/ready")
    assert answer.status_code == 200, answer.text
    parts = answer.json()["parts"]
    assert set(parts) == {"store", "schema", "registry", "broker"}
    assert all(part["ok"] for part in parts.values())
    assert re.fullmatch(r"revision \d{4}", parts["schema"]["detail"])


def test_a_part_that_is_away_makes_it_unready_but_the_broker_does_not(
    client: httpx.Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.broker = open_broker("amqp://guest:guest@127.0.0.1:9//", connect_timeout_s=1)
    answer = client.get("/ready")
    assert answer.status_code == 200
    assert answer.json()["parts"]["broker"]["ok"] is False

    def fail(_: Store) -> None:
        raise LinkError("the database is away")

    monkeypatch.setattr(type(service.store), "check", fail)
    service._last = None
    answer = client.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["parts"]["store"] == {"ok": False, "detail": "the database is away"}
    assert client.get("/health").status_code == 200


def test_a_registry_that_was_deleted_and_made_anew_is_told(sqlite_url: str, tmp_path: Path) -> None:
    """Its tasks are older than it is; that it is empty is no fault of theirs."""

    def open_at(place: Path) -> Registry:
        return open_registry(f"sqlite:///{place}/mlflow.db", cache=place / "cache")

    with open_store(sqlite_url) as store:
        registry = open_at(tmp_path / "registry")
        push_iris(registry, tmp_path)
        service = make_service(store, registry, tmp_path)
        task = service.create_task(ROOT, IRIS)
        assert service.readiness().parts["registry"] == PartState(True, "")
        shutil.rmtree(tmp_path / "registry")
        service._last = None
        gone = service.readiness()
        assert not gone.ready
        assert "was deleted or replaced while it was used" in gone.parts["registry"].detail
        # At another place, since MLflow holds on to what it has opened in this process.
        other = open_at(tmp_path / "anew")
        later = task.created_at + timedelta(hours=1)
        with patch.object(Registry, "made_at", lambda _: later):
            service = make_service(store, other, tmp_path)
            other.check()
            found = service.readiness()
            assert found.ready
            detail = found.parts["registry"].detail
            assert detail.startswith(f"the registry was made anew on {later:%Y-%m-%d %H:%M} UTC")
            with pytest.raises(NotFoundError) as caught:
                make_package_recipe(task, other)
        said = str(caught.value)
        assert "there is no model 'iris'" in said
        assert f"the registry at {other.address.shown} was made anew" in said


def test_a_part_that_hangs_is_not_waited_for(
    client: httpx.Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    from threading import Event

    from fedloom.platform.service import readiness

    released = Event()
    monkeypatch.setattr(readiness, "_LIMIT_S", 0.2)
    monkeypatch.setattr(type(service.registry), "check", lambda _: released.wait(60))
    answer = client.get("/ready")
    released.set()
    assert answer.status_code == 503
    assert "no answer" in answer.json()["parts"]["registry"]["detail"]


def test_metrics_count_tasks_nodes_and_requests_by_route(service: Service) -> None:
    @dataclass
    class State:
        running: tuple[int, ...] = (1,)
        slots: int = 2
        links_up: int = 1

    service.create_task(ROOT, IRIS)
    service.store.upsert_node("there", public_key="c")
    secret = make_secret(service.store, Role.VIEWER)
    with open_client(make_app(service, coordinator_state=State), secret) as client:
        client.get("/tasks/1")
        client.get("/tasks/2")
        client.get("/surely/not/there")
        text = client.get("/metrics").text
    for line in (
        'fedloom_tasks{status="pending"} 1.0',
        'fedloom_tasks{status="failed"} 0.0',
        "fedloom_queue_length 1.0",
        "fedloom_outbox_length 1.0",
        "fedloom_nodes_online 1.0",
        "fedloom_coordinator_slots 2.0",
        "fedloom_coordinator_running 1.0",
        'fedloom_http_requests_total{method="GET",route="/tasks/{task_id}",status="200"} 1.0',
        'fedloom_http_requests_total{method="GET",route="/tasks/{task_id}",status="404"} 1.0',
        'fedloom_http_requests_total{method="GET",route="other",status="404"} 1.0',
    ):
        assert line in text.splitlines(), line
    assert "surely" not in text


def test_the_page_of_the_api_needs_nothing_from_the_internet(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    wanted = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(wanted) >= 3
    for address in wanted:
        assert address.startswith("/"), address
        assert client.get(address).status_code == 200, address
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


def test_the_openapi_document_has_authorize_examples_and_one_shape_of_refusals(
    client: httpx.Client,
) -> None:
    document = client.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert "HTTPValidationError" not in document["components"]["schemas"]
    examples = document["components"]["schemas"]["TaskRequest"]["examples"]
    for example in examples:
        assert client.post("/tasks/", json=example | {"use_case": "irises"}).status_code == 201
    for path, found in document["paths"].items():
        for method, operation in found.items():
            assert operation["tags"], (method, path)
            assert operation["description"], (method, path)
            if "security" in operation:
                content = operation["responses"]["422"]["content"]
                assert list(content) == ["application/problem+json"], (method, path)


def test_answers_carry_safe_headers_and_no_word_of_other_origins(client: httpx.Client) -> None:
    answer = client.get("/tasks/", headers={"Origin": "https://evil.example"})
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer.headers["Cache-Control"] == "no-store"
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_request_keeps_the_number_that_a_proxy_gave_it_unless_it_is_odd(
    client: httpx.Client,
) -> None:
    given = client.get("/health", headers={"X-Request-ID": "abcdef-1234"})
    assert given.headers["X-Request-ID"] == "abcdef-1234"
    for odd in ("short", "a" * 65, "has blanks in it", "x\ty12345"):
        answer = client.get("/health", headers={"X-Request-ID": odd})
        assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["X-Request-ID"])


def test_the_log_has_a_line_for_each_request_and_no_secret(
    client: httpx.Client, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fedloom.access")
    made = client.post("/tokens", json={"name": "x"}).json()
    client.get("/me?token=flm_in_the_address")
    client.get("/me", headers={"Authorization": "Bearer flm_guess"})
    client.get("/tasks/%0Aforged%20line")
    # A line is written after its answer was sent.
    wait_until("all lines are there", lambda: len(caplog.records) == 4)
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert re.search(r"^POST /tokens 201 \d+\.\d ms user=ada id=[0-9a-f]{16}$", text, re.MULTILINE)
    assert re.search(r"^GET /me 401 .* user=- ", text, re.MULTILINE)
    assert "GET /tasks/%0Aforged%20line 422" in text
    for secret in (made["secret"], "flm_in_the_address", "flm_guess"):
        assert secret not in text


def test_a_fault_of_ours_is_a_problem_that_tells_nothing_but_its_number(
    client: httpx.Client, service: Service, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the secret inside")

    monkeypatch.setattr(type(service), "nodes", fail)
    answer = client.get("/nodes")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["request_id"] in caplog.text
    assert "the secret inside" in caplog.text


def test_a_full_disk_is_told_as_such(
    client: httpx.Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    def fill(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(Path("/x")))

    monkeypatch.setattr(type(service), "nodes", fill)
    answer = client.get("/nodes")
    assert answer.status_code == 507
    assert "full" in answer.json()["detail"]


def test_a_body_that_is_too_large_is_refused(client: httpx.Client) -> None:
    large = b'{"use_case": "' + b"x" * 2_000_000 + b'"}'
    answer = client.post("/tasks/", content=large)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"

    def drip() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 50_000

    assert client.post("/tasks/", content=drip()).status_code == 413


def test_versions_are_told(client: httpx.Client) -> None:
    import fedloom

    assert client.get("/version").json()["fedloom"] == fedloom.__version__
