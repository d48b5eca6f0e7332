"""Many open pages at once, as their websockets see them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from fedloom.platform.identity import Role

from .page_world import LIMIT_S, PageWorld

PAGES = 15
NAMES = ["anna", "bert", "cora"]


class OpenPage:
    """A page without a browser: it takes what the server sends and looks at nothing."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    def wait_for(self, text: str) -> None:
        give_up = monotonic() + LIMIT_S
        while True:
            said = str(self._connection.recv(max(0.0, give_up - monotonic())))
            assert not said.startswith("44"), said
            if said == "2":
                self._connection.send("3")
            elif text in said:
                return


@pytest.fixture
def pages(world: PageWorld) -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@contextmanager
def open_page(world: PageWorld, client: httpx.Client, path: str) -> Iterator[OpenPage]:
    """Load a page, and connect as its script does."""
    html = client.get(f"/ui{path}").text
    own = re.search(r"'client_id': '([0-9a-f-]{36})', 'next_message_id': ([0-9]+)", html)
    assert own
    asked = {"client_id": own[1], "next_message_id": own[2]}
    asked |= {"EIO": "4", "transport": "websocket", "implicit_handshake": "true"}
    asked |= {"tab_id": asked["client_id"], "document_id": asked["client_id"]}
    address = httpx.URL(f"{world.url}/ui/_nicegui_ws/socket.io/", params=asked)
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    with connect(
        str(address).replace("http", "ws", 1),
        additional_headers={"Cookie": cookie},
        open_timeout=LIMIT_S,
        max_size=None,
    ) as connection:
        connection.recv(LIMIT_S)
        connection.send("40")
        yield OpenPage(connection)


def test_all_open_pages_show_each_round(world: PageWorld, pages: ExitStack) -> None:
    """The page's process never refreshes unasked here, so events alone can tell them."""
    task = world.run_task("on many screens", 4)
    with httpx.Client(base_url=world.url, timeout=LIMIT_S) as client:
        client.post("/ui/login", data={"token": world.token(Role.VIEWER)})
        opened = [
            pages.enter_context(open_page(world, client, f"/tasks/{task.id}")) for _ in range(PAGES)
        ]
        for number in (1, 2, 3):
            world.add_round(task, number, NAMES)
            for page in opened:
                page.wait_for(f"{number} of 4 rounds")
    world.store.cancel_task(task.id, "over")


def test_an_open_page_is_told_that_its_task_is_gone(world: PageWorld, pages: ExitStack) -> None:
    task = world.add_task("soon gone", 2)
    with httpx.Client(base_url=world.url, timeout=LIMIT_S) as client:
        client.post("/ui/login", data={"token": world.token(Role.VIEWER)})
        page = pages.enter_context(open_page(world, client, f"/tasks/{task.id}"))
        world.store.cancel_task(task.id, "over")
        page.wait_for("cancelled")
        world.store.delete_task(task.id)
        page.wait_for(f"there is no task {task.id}")
