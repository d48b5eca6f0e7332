"""A served page with a model and nodes, one for all tests, and a headless browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from fedloom.platform.identity import Role

from .page_world import LIMIT_S, PageWorld, start_page

SignedIn = Callable[..., Page]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageWorld]:
    made = start_page(tmp_path_factory.mktemp("page"))
    for name, rows in (("anna", 600), ("bert", 60)):
        made.add_node(name, rows)
    made.add_node("cora", 150, online=False)
    yield made
    made.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a browser, for one module: while it runs, no other event loop can in this thread."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("there is no chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        opened = playwright.chromium.launch(executable_path=program, args=arguments)
        yield opened
        opened.close()


@pytest.fixture
def contexts(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    made: list[BrowserContext] = []

    def make(**settings: object) -> BrowserContext:
        context = browser.new_context(**settings)
        context.set_default_timeout(LIMIT_S * 1000 / 3)
        made.append(context)
        return context

    yield make
    for context in made:
        context.close()


@pytest.fixture
def sign_in(world: PageWorld, contexts: Callable[..., BrowserContext]) -> SignedIn:
    """Return a function that opens a page of a browser that is signed in with a new token."""

    def make(role: Role, path: str, user_id: str = "ada", **settings: object) -> Page:
        context = contexts(**settings)
        asked = {"token": world.token(role, user_id)}
        answer = context.request.post(f"{world.url}/ui/login", form=asked, max_redirects=0)
        assert answer.status == 303
        page = context.new_page()
        page.goto(f"{world.url}/ui{path}")
        page.wait_for_selector("main h1")
        return page

    return make
