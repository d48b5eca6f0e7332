"""The page in a real browser."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from fedloom.platform.identity import Role
from fedloom.platform.task import TaskResult, TaskStatus

from .conftest import SignedIn
from .page_world import LIMIT_S, OWNER, PageWorld

expect.set_options(timeout=LIMIT_S * 1000 / 3)
THREE = ["anna", "bert", "cora"]
PATHS = (
    *("/", "/tasks", "/tasks/new", "/models", "/models/new", "/nodes", "/datasets", "/logs"),
    *("/tokens", "/nothing"),
)


@pytest.fixture(autouse=True)
def _no_script_fails(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test does, no script of the page may fail."""
    failed: list[str] = []
    browser = request.getfixturevalue("browser")
    original = browser.new_context

    def watched(**settings: object) -> object:
        context = original(**settings)
        context.on("weberror", lambda error: failed.append(str(error.error)))
        return context

    browser.new_context = watched
    yield
    browser.new_context = original
    assert failed == []


def plot_of(page: Page, title: str) -> str:
    """Return the place of a plot."""
    return f'.flm-plot[aria-label="{title} by round"]'


def points_of(page: Page, title: str, series: str) -> list[list[float]]:
    """Return what a plot draws, as the browser holds it."""
    found = page.evaluate(
        """([place, name]) => {
            const id = +document.querySelector(place).id.slice(1);
            const chart = getElement(id).chart;
            return (chart?.getOption().series ?? []).find((s) => s.name === name)?.data ?? [];
        }""",
        [plot_of(page, title), series],
    )
    return [list(point) for point in found]


def test_a_wrong_token_is_refused_and_a_right_one_opens_every_page(
    world: PageWorld, contexts: object, sign_in: SignedIn
) -> None:
    page = contexts().new_page()
    page.goto(f"{world.url}/ui/tasks?x=1")
    assert page.url.endswith("/ui/login?next=/tasks%3Fx%3D1")
    page.fill("#token", "flm_wrong")
    page.click("button")
    expect(page.get_by_role("alert")).to_have_text("the token is not known")
    page.fill("#token", world.token(Role.VIEWER))
    page.click("button")
    page.wait_for_selector("main h1")
    assert page.url.endswith("/ui/tasks?x=1")
    for name in ("Overview", "Models", "Nodes", "Data", "Logs", "Tasks"):
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        current = page.locator("nav a[aria-current=page]")
        expect(current).to_have_text(name)
        expect(page.locator("main h1")).to_contain_text(name)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/ui/login")
    page.goto(f"{world.url}/ui/")
    assert page.url.endswith("/ui/login")


def test_what_a_role_may_not_is_not_shown(world: PageWorld, sign_in: SignedIn) -> None:
    task = world.run_task("somebody's", 3, user_id="bob")
    viewer = sign_in(Role.VIEWER, "/")
    expect(viewer.get_by_role("button", name="New task")).to_have_count(0)
    expect(viewer.get_by_role("link", name="Tokens")).to_have_count(0)
    viewer.goto(f"{world.url}/ui/tasks/{task.id}")
    expect(viewer.locator("main h1")).to_have_text("somebody's")
    expect(viewer.get_by_role("button", name="Cancel")).to_have_count(0)
    viewer.goto(f"{world.url}/ui/nodes")
    expect(viewer.get_by_role("cell", name="anna", exact=True)).to_be_visible()
    expect(viewer.get_by_role("button", name="Remove")).to_have_count(0)
    viewer.goto(f"{world.url}/ui/tasks/new")
    expect(viewer.get_by_role("alert").last).to_contain_text("may not create tasks")
    expect(viewer.get_by_role("button", name="Start the task")).to_have_count(0)
    world.store.cancel_task(task.id, "over")


def test_a_task_is_asked_for_through_the_form(world: PageWorld, sign_in: SignedIn) -> None:
    page = sign_in(Role.RESEARCHER, "/tasks/new?model=iris&version=1", "ada")
    expect(page.get_by_label("Epochs")).to_have_value("3")
    expect(page.get_by_label("Learning rate").first).to_have_value("0.05")
    expect(page.get_by_label("Use case")).to_have_value("iris")
    page.get_by_label("Rounds", exact=True).fill("4")
    page.get_by_label("Name of the run").fill("through the form")
    page.get_by_label("Epochs").fill("0")
    page.get_by_text("Clients, time limits and more").click()
    page.get_by_label("Clients of a round", exact=True).fill("1.5")
    page.get_by_role("button", name="Start the task").click()
    fields = page.locator(".q-field")
    epochs = fields.filter(has=page.get_by_label("Epochs"))
    expect(epochs).to_contain_text("greater than or equal to 1")
    cohort = fields.filter(has=page.get_by_label("Clients of a round", exact=True))
    expect(cohort).to_contain_text("or a share of them, above 0 and below 1")
    page.get_by_label("Epochs").fill("2")
    page.get_by_label("Clients of a round", exact=True).fill("0.5")
    page.get_by_role("button", name="Start the task").click()
    page.wait_for_url(re.compile(r"\d/ui/tasks/\d+$"))
    task = world.store.get_task(int(page.url.rsplit("/", 1)[1]))
    assert (task.run_name, task.use_case, task.user_id) == ("through the form", "iris", "ada")
    assert (task.model_name, task.model_version, task.num_global_iterations) == ("iris", 1, 4)
    assert task.local is not None
    assert (task.local.epochs, task.local.learning_rate) == (2, 0.05)
    assert task.cohort == 0.5
    assert task.status is TaskStatus.PENDING


def test_a_plan_is_pasted_and_its_faults_are_shown(world: PageWorld, sign_in: SignedIn) -> None:
    page = sign_in(Role.RESEARCHER, "/tasks/new")
    page.get_by_role("tab", name="Run a plan").click()
    text = page.get_by_label("Plan", exact=True)
    text.fill("dataset: [")
    page.get_by_role("button", name="Start the plan").click()
    expect(page.get_by_text("This is no YAML")).to_be_visible()
    text.fill("dataset: iris\nmodel: mlp\nround: 2")
    page.get_by_role("button", name="Start the plan").click()
    expect(page.get_by_text("did you mean", exact=False)).to_be_visible()
    text.fill("dataset: iris\nmodel: mlp\nrounds: 2\nclients: 2")
    page.get_by_role("button", name="Start the plan").click()
    page.wait_for_url(re.compile(r"\d/ui/tasks/\d+$"))
    task = world.store.get_task(int(page.url.rsplit("/", 1)[1]))
    assert (task.use_case, task.num_global_iterations) == ("iris", 2)
    assert task.plan is not None


def test_a_task_is_watched_live_until_it_ends(world: PageWorld, sign_in: SignedIn) -> None:
    task = world.run_task("watched", 3)
    page = sign_in(Role.VIEWER, f"/tasks/{task.id}")
    expect(page.get_by_text("0 of 3 rounds")).to_be_visible()
    page.evaluate("window.sameDocument = true")
    world.add_round(task, 1, THREE)
    expect(page.get_by_text("1 of 3 rounds")).to_be_visible()
    page.locator(plot_of(page, "Score")).wait_for()
    world.store.add_log(task.id, "anna", "trained <img src=x onerror=alert(1)>")
    world.add_round(task, 2, THREE)
    expect(page.get_by_role("log")).to_contain_text("anna trained <img src=x")
    expect(page.get_by_text("2 of 3 rounds")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "2")
    page.wait_for_function(
        """(place) => getElement(+document.querySelector(place).id.slice(1)).chart
            ?.getOption().series.find((s) => s.name === "Global")?.data.length === 2""",
        arg=plot_of(page, "Score"),
    )
    score = points_of(page, "Score", "Global")
    assert score == [[1, pytest.approx(0.405)], [2, pytest.approx(0.49425)]]
    assert [n for n, _ in points_of(page, "Local loss", "bert")] == [1, 2]
    world.add_round(task, 3, THREE)
    result = TaskResult(model="iris", version=1, metrics={"global_score": 0.57})
    world.store.finish_task(task.id, OWNER, TaskStatus.SUCCESS, result=result)
    expect(page.locator(".flm-badge").first).to_have_text("success")
    expect(page.get_by_role("link", name="Weights (npz)")).to_be_visible()
    assert page.evaluate("window.sameDocument")


def test_records_result_and_model_are_downloaded(
    world: PageWorld, sign_in: SignedIn, tmp_path: Path
) -> None:
    task = world.run_task("downloads", 2)
    for number in (1, 2):
        world.add_round(task, number, THREE)
    world.add_document(task, 2, "bert", {"accuracy": 0.75, "confusion": [[5, 1], [2, 4]]})
    result = TaskResult(model="iris", version=1)
    world.store.finish_task(task.id, OWNER, TaskStatus.SUCCESS, result=result)
    page = sign_in(Role.VIEWER, f"/tasks/{task.id}", accept_downloads=True)

    def save(name: str, role: str = "link") -> bytes:
        with page.expect_download() as started:
            page.get_by_role(role, name=name).click()
        started.value.save_as(tmp_path / "file")
        return (tmp_path / "file").read_bytes()

    rows = list(csv.DictReader(io.StringIO(save("Clients (CSV)").decode())))
    assert [(row["round"], row["client_id"]) for row in rows[:2]] == [("1", "anna"), ("1", "bert")]
    assert len(rows) == 6
    assert save("Rounds (parquet)")[:4] == b"PAR1"
    weights = np.load(io.BytesIO(save("Weights (npz)")))
    assert [weights[name].shape for name in weights.files] == [(2, 2)]
    page.get_by_label("Client", exact=True).click()
    page.get_by_role("option", name="bert").click()
    document = page.get_by_label("Document", exact=True).locator("visible=true").last
    expect(document).to_contain_text('"accuracy": 0.75')
    saved = json.loads(save("Download", "button"))
    assert saved["confusion"] == [[5, 1], [2, 4]]
    page.goto(f"{world.url}/ui/models/iris/1")
    expect(page.locator(".flm-node")).to_have_text(re.compile("iris v1"))
    assert save("Package (")[:2] == b"\x1f\x8b"


def test_a_task_is_cancelled_after_a_question(world: PageWorld, sign_in: SignedIn) -> None:
    task = world.run_task("to be cancelled", 5)
    page = sign_in(Role.RESEARCHER, f"/tasks/{task.id}", "ada")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Leave it").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert world.store.get_task(task.id).status is TaskStatus.RUNNING
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the task").click()
    expect(page.locator(".flm-badge").first).to_have_text("cancelled")
    expect(page.get_by_text("cancelled by ada")).to_be_visible()
    assert world.store.get_task(task.id).status is TaskStatus.CANCELLED
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_have_count(0)


def test_a_thousand_clients_are_a_band_and_chosen_lines(
    world: PageWorld, sign_in: SignedIn
) -> None:
    task = world.run_task("a thousand", 5)
    names = [f"node-{number:04d}" for number in range(1000)]
    for number in (1, 2, 3):
        world.add_round(task, number, names)
    page = sign_in(Role.VIEWER, f"/tasks/{task.id}")
    expect(page.get_by_text("Round 3: 1,000 clients in the aggregate")).to_be_visible()
    page.locator(plot_of(page, "Local score")).wait_for()
    page.wait_for_function(
        "(place) => getElement(+document.querySelector(place).id.slice(1)).chart?.getOption()",
        arg=plot_of(page, "Local score"),
    )
    median = points_of(page, "Local score", "Clients, median")
    assert [round(value, 1) for _, value in median] == [0.4, 0.5, 0.6]
    spread = points_of(page, "Local score", "Clients, 10–90 %")
    assert all(0.1 < value < 0.16 for _, value in spread)
    page.get_by_label("Show single clients").fill("node-0777")
    page.get_by_role("option", name="node-0777").click()
    page.wait_for_function(
        """(place) => getElement(+document.querySelector(place).id.slice(1)).chart
            .getOption().series.some((s) => s.name === "node-0777")""",
        arg=plot_of(page, "Local score"),
    )
    assert len(points_of(page, "Local score", "node-0777")) == 3
    expect(page.get_by_text("1-10 of 1000")).to_be_visible()
    world.store.cancel_task(task.id, "over")


def test_no_page_is_wider_than_a_phone(world: PageWorld, sign_in: SignedIn) -> None:
    task = world.run_task("a-name-that-is-as-long-as-it-gets-" * 3, 2)
    world.add_round(task, 1, [f"a-client-with-a-name-that-does-not-end-{n}" for n in range(12)])
    world.store.add_log(task.id, "anna", "x" * 500)
    page = sign_in(Role.ADMIN, "/", viewport={"width": 375, "height": 740})
    for path in (*PATHS, f"/tasks/{task.id}", "/models/iris/1"):
        page.goto(f"{world.url}/ui{path}")
        page.locator("main h1").wait_for()
        page.wait_for_function("document.querySelector('main').offsetWidth > 0")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 375, path
    world.store.cancel_task(task.id, "over")


def test_the_theme_follows_the_system_until_somebody_chooses(
    world: PageWorld, sign_in: SignedIn
) -> None:
    task = world.run_task("colours", 2)
    world.add_round(task, 1, THREE)
    page = sign_in(Role.VIEWER, f"/tasks/{task.id}", color_scheme="dark")
    expect(page.locator("body")).to_have_class(re.compile("body--dark"))
    page.locator(plot_of(page, "Score")).wait_for()
    line = """(place) => getElement(+document.querySelector(place).id.slice(1)).chart
        ?.getOption().series.find((s) => s.name === "Global")?.lineStyle.color"""
    page.wait_for_function(f"(p) => ({line})(p) === '#4ea7f2'", arg=plot_of(page, "Score"))
    page.get_by_role("button", name="Dark or light").click()
    expect(page.locator("body")).to_have_class(re.compile("body--light"))
    page.wait_for_function(f"(p) => ({line})(p) === '#0067b0'", arg=plot_of(page, "Score"))
    page.goto(f"{world.url}/ui/tasks")
    expect(page.locator("body")).to_have_class(re.compile("body--light"))
    world.store.cancel_task(task.id, "over")


def test_tasks_are_filtered_and_turned_page_by_page(world: PageWorld, sign_in: SignedIn) -> None:
    for number in range(30):
        world.add_task(f"many {number}", 2, use_case="filtered")
    page = sign_in(Role.VIEWER, "/tasks")
    page.get_by_label("Use case").fill("filtered")
    expect(page.get_by_role("status").filter(has_text="of 30")).to_have_text("1–25 of 30")
    page.get_by_role("button", name="Older").click()
    expect(page.get_by_text("26–30 of 30")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(5)
    world.add_task("one more", 2, use_case="filtered")
    expect(page.get_by_text("26–31 of 31")).to_be_visible()


def test_a_token_is_made_shown_once_and_revoked(world: PageWorld, sign_in: SignedIn) -> None:
    page = sign_in(Role.ADMIN, "/tokens")
    page.get_by_label("Name, such as").fill("for the laptop")
    page.get_by_role("button", name="Make it").click()
    secret = page.locator(".flm-secret")
    expect(secret).to_have_text(re.compile("^flm_"))
    token = next(one for one in world.store.tokens() if one.name == "for the laptop")
    assert token.role is Role.VIEWER
    assert token.expires_at is not None
    assert 29 < (token.expires_at - datetime.now(UTC)).days + 1 <= 31
    row = page.locator("tr").filter(has_text="for the laptop")
    row.get_by_role("button").click()
    page.get_by_role("button", name="Revoke it").click()
    expect(row).to_contain_text("revoked")
    page.reload()
    expect(page.locator(".flm-secret")).to_be_hidden()


def test_a_revoked_token_ends_its_open_pages(world: PageWorld, sign_in: SignedIn) -> None:
    page = sign_in(Role.VIEWER, "/", "eve")
    token = next(one for one in world.store.tokens() if one.user_id == "eve")
    world.store.revoke_token(token.id)
    page.wait_for_url("**/ui/login", timeout=LIMIT_S * 1000)


def test_an_unknown_task_is_said_to_be_unknown(world: PageWorld, sign_in: SignedIn) -> None:
    page = sign_in(Role.VIEWER, "/")
    answer = page.goto(f"{world.url}/ui/tasks/99999")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_text("there is no task 99999")).to_be_visible()


@pytest.mark.parametrize(
    "path", ["/nothing", "/tasks/seven", "/models/iris/one", "/a/b/c/d", "/models/%00", "/<b>"]
)
def test_an_address_that_leads_nowhere_shows_the_way_back(
    world: PageWorld, sign_in: SignedIn, path: str
) -> None:
    page = sign_in(Role.VIEWER, "/")
    answer = page.goto(f"{world.url}/ui{path}")
    assert answer is not None
    assert answer.status == 404
    assert "text/html" in answer.headers["content-type"]
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    page.locator("#main").get_by_role("link", name="Overview").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_a_version_that_is_no_number_is_left_out_of_the_form(
    world: PageWorld, sign_in: SignedIn
) -> None:
    page = sign_in(Role.RESEARCHER, "/tasks/new?model=iris&version=one")
    expect(page.get_by_label("Version")).to_be_visible()


def test_an_empty_table_warns_of_nothing(world: PageWorld, sign_in: SignedIn) -> None:
    page = sign_in(Role.VIEWER, "/tasks?x=1")
    page.get_by_label("Use case").fill("of which there is none")
    expect(page.locator(".flm-table .flm-empty")).to_be_visible()
    expect(page.locator(".q-table__bottom-nodata-icon, .q-table__bottom .q-icon")).to_have_count(0)
