"""Tasks over HTTP: the original's addresses, paging, problems."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from fedloom.platform.api import make_app
from fedloom.platform.identity import Role
from fedloom.platform.service import Service
from fedloom.platform.task import TaskStatus

from .api_world import IRIS, make_secret, open_client


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    """Return a client with an admin's token."""
    secret = make_secret(service.store, Role.ADMIN, "ada")
    with open_client(make_app(service), secret) as made:
        yield made


def post(client: httpx.Client, **changes: Any) -> Any:
    answer = client.post("/tasks/", json=IRIS | changes)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_task_is_made_and_found_under_its_number(client: httpx.Client) -> None:
    made = post(client, algorithm="FedAdam", priority=2)
    assert (made["id"], made["user_id"], made["status"]) == (1, "ada", "pending")
    assert (made["algorithm"], made["priority"], made["validate"]) == ("FedAdam", 2, True)
    assert datetime.fromisoformat(made["created_at"]).utcoffset().total_seconds() == 0  # type: ignore[union-attr]
    assert not {"lease_owner", "lease_until"} & set(made)
    assert client.get("/tasks/1").json() == made


@pytest.mark.parametrize("path", ["/tasks", "/tasks/", "/tasks/1", "/tasks/1/", "/tasks/user/ada/"])
def test_addresses_work_with_and_without_a_slash_and_without_redirects(
    client: httpx.Client, path: str
) -> None:
    post(client)
    assert client.get(path).status_code == 200


def test_posting_works_without_the_slash_too(client: httpx.Client) -> None:
    assert client.post("/tasks", json=IRIS).status_code == 201


def test_the_list_is_bare_with_its_total_and_neighbours_in_headers(client: httpx.Client) -> None:
    for number in range(5):
        post(client, run_name=f"r{number}")
    answer = client.get("/tasks/", params={"limit": 2, "offset": 2, "user_id": "ada"})
    assert [task["run_name"] for task in answer.json()] == ["r2", "r1"]
    assert answer.headers["X-Total-Count"] == "5"
    links = answer.headers["Link"].split(", ")
    assert links == [
        '</tasks/?user_id=ada&limit=2&offset=0>; rel="prev"',
        '</tasks/?user_id=ada&limit=2&offset=4>; rel="next"',
    ]
    assert "Link" not in client.get("/tasks/").headers


def test_neighbours_of_a_page_are_told_whatever_letters_a_name_has(client: httpx.Client) -> None:
    for _ in range(2):
        post(client, user_id="Zoë 𝕏>")
    answer = client.get("/tasks/user/Zoë 𝕏>", params={"limit": 1})
    assert answer.status_code == 200
    place = answer.headers["Link"].partition(">")[0][1:]
    assert [task["id"] for task in client.get(place).json()] == [1]


def test_tasks_are_filtered(client: httpx.Client) -> None:
    post(client)
    post(client, user_id="bob")
    client.put("/tasks/cancel/1")
    assert [task["id"] for task in client.get("/tasks/user/bob").json()] == [2]
    assert [task["id"] for task in client.get("/tasks/?status=cancelled").json()] == [1]
    assert client.get("/tasks/?use_case=roses").json() == []
    assert [task["id"] for task in client.get("/tasks/?model_name=iris").json()] == [2, 1]


def test_cancelling_twice_changes_nothing_and_a_finished_task_is_not_cancelled(
    client: httpx.Client, service: Service
) -> None:
    post(client)
    first = client.put("/tasks/cancel/1")
    assert (first.status_code, first.json()["status"]) == (200, "cancelled")
    assert client.put("/tasks/cancel/1").json() == first.json()
    post(client)
    assert service.store.claim_task("me", 60, lambda tasks: tasks[0].id) is not None
    service.store.finish_task(2, "me", TaskStatus.SUCCESS)
    answer = client.put("/tasks/cancel/2")
    assert (answer.status_code, answer.json()["title"]) == (409, "Conflict")


def test_a_question_about_no_task_changes_nothing_else(client: httpx.Client) -> None:
    """Acceptance 5: an unknown number is refused, and everybody else goes on."""
    made = post(client)
    for ask in (
        client.get("/tasks/77"),
        client.put("/tasks/cancel/77"),
        client.delete("/tasks/77"),
        client.get("/tasks/77/rounds"),
    ):
        assert ask.status_code == 404
        assert ask.json()["detail"] == "there is no task 77"
    assert client.get("/tasks/1").json() == made


def test_deleting(client: httpx.Client) -> None:
    post(client)
    assert client.delete("/tasks/1").status_code == 409
    client.put("/tasks/cancel/1")
    answer = client.delete("/tasks/1")
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get("/tasks/1").status_code == 404
    post(client)
    assert client.delete("/tasks/").json() == {"deleted": 1}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"num_global_iterations": -5}, "num_global_iterations"),
        ({"model_version": 0}, "model_version"),
        ({"run_name": ""}, "run_name"),
        ({"model_version": "one"}, "model_version"),
        ({"surprise": 1}, "surprise"),
        ({"cohort": 1.5}, "cohort"),
        ({"local": {"epochs": 0}}, "local"),
    ],
)
def test_invalid_values_are_a_422_that_names_them(
    client: httpx.Client, changes: dict[str, Any], field: str
) -> None:
    """Acceptance 9."""
    answer = client.post("/tasks/", json=IRIS | changes)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert {"type", "title", "status", "detail", "errors", "request_id"} == set(problem)
    assert problem["status"] == 422
    assert problem["errors"][0]["loc"][:2] == ["body", field]
    assert client.get("/tasks/").json() == []


def test_all_missing_fields_are_named_at_once(client: httpx.Client) -> None:
    problem = client.post("/tasks/", json={"use_case": "irises"}).json()
    places = {fault["loc"][-1] for fault in problem["errors"]}
    assert places == {
        "model_name",
        "model_version",
        "num_global_iterations",
        "run_name",
        "experiment_name",
    }


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"nothing", b'{"a":' * 5000, b"\xff\xfe", b"null"]
)
def test_rubbish_is_refused_as_such(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/tasks/", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_plan_goes_live(client: httpx.Client) -> None:
    plan = {"dataset": "digits", "rounds": 2}
    task = client.post("/tasks/", json={"plan": plan}).json()
    assert (task["use_case"], task["model_name"], task["plan"]) == ("digits", "mlp", plan)
    problem = client.post("/tasks/", json={"plan": {"model": "/x.py"}}).json()
    assert problem["errors"][0]["loc"] == ["body", "plan", "model"]


def test_progress_records_and_documents_come_as_files_and_rows(
    client: httpx.Client, service: Service
) -> None:
    post(client)
    store = service.store
    store.claim_task("me", 600, lambda tasks: tasks[0].id)
    row = {"round": 1, "client_id": "c", "num_examples": 7, "participated": True}
    store.add_client_rows(1, [row], "me")
    store.add_round(1, {"round": 1, "global_loss": 0.5}, "me")
    store.add_log(1, "coordinator", "hello")
    assert client.get("/tasks/1/rounds").json() == [{"round": 1, "global_loss": 0.5}]
    assert client.get("/tasks/1/clients?round=1&client_id=c").json() == [row]
    (log,) = client.get("/tasks/1/logs").json()
    assert (log["source"], log["text"]) == ("coordinator", "hello")
    assert client.get(f"/tasks/1/logs?after_id={log['id']}").json() == []
    table = client.get("/tasks/1/records?table=rounds&format=csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert table.headers["content-disposition"] == 'attachment; filename="task_1_rounds.csv"'
    assert table.text.splitlines()[1].count("0.5") == 1
    assert client.get("/tasks/1/records?format=parquet").content[:4] == b"PAR1"
    assert client.get("/tasks/1/records?format=xls").status_code == 422
    assert client.get("/tasks/1/documents").json() == []
    assert client.get("/tasks/1/result").status_code == 409


def test_a_method_that_an_address_does_not_take_names_those_it_takes(client: httpx.Client) -> None:
    answer = client.patch("/tasks/1")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "DELETE, GET"
    assert client.put("/tasks/").headers["Allow"] == "DELETE, GET, POST"


def test_what_is_not_there_is_a_problem_too(client: httpx.Client) -> None:
    answer = client.get("/task")
    assert (answer.status_code, answer.json()["status"]) == (404, 404)
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


def test_two_hundred_posts_at_once_are_two_hundred_tasks(client: httpx.Client) -> None:
    from concurrent.futures import ThreadPoolExecutor

    begun = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: client.post("/tasks/", json=IRIS), range(200)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 200
    assert time.monotonic() - begun < 100
