"""Packages that come through the page: in a real browser, and from who must not bring them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from playwright.sync_api import expect

from fedloom.package.archive import create_archive
from fedloom.platform.identity import Role

from .conftest import SignedIn
from .page_world import LIMIT_S, PageWorld

expect.set_options(timeout=LIMIT_S * 1000 / 3)
PATH = "/ui/files/packages"
_LARGER_THAN_THE_GATE = 5 * 1024**2


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a package that is larger than anything else the page takes."""
    folder = tmp_path_factory.mktemp("upload") / "client"
    folder.mkdir()
    (folder / "fedloom.yaml").write_text("entry_points:\n  train: python train.py\n")
    (folder / "train.py").write_text("print('trained')\n")
    noise = np.random.default_rng(1).integers(0, 256, _LARGER_THAN_THE_GATE, np.uint8)
    (folder / "table.bin").write_bytes(noise.tobytes())
    return create_archive(folder, folder.parent / "package.tgz").path


@pytest.fixture(scope="module")
def seed(archive: Path) -> Path:
    np.savez(archive.parent / "seed.npz", **{"0": np.zeros((2, 2), np.float32)})
    return archive.parent / "seed.npz"


@pytest.fixture
def client(world: PageWorld) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=world.url, timeout=LIMIT_S) as made:
        yield made


def sign_in_as(world: PageWorld, client: httpx.Client, role: Role) -> None:
    assert client.post("/ui/login", data={"token": world.token(role)}).status_code == 303


def send_head(world: PageWorld, client: httpx.Client, length: int, **headers: str) -> bytes:
    """Announce an upload, send none of it, and return the answer; the server has to hang up."""
    place = urlsplit(world.url)
    lines = {
        "Host": place.netloc,
        "Content-Length": str(length),
        "Content-Type": "multipart/form-data; boundary=b",
        "Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items()),
        **headers,
    }
    head = f"POST {PATH} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items() if v)
    with socket.create_connection((place.hostname or "", place.port or 0), LIMIT_S) as connection:
        connection.sendall(f"{head}\r\n".encode())
        return connection.makefile("rb").read()


def test_a_package_is_uploaded_and_can_be_looked_at(
    world: PageWorld, sign_in: SignedIn, archive: Path, seed: Path
) -> None:
    assert archive.stat().st_size > 2 * 1024**2
    page = sign_in(Role.RESEARCHER, "/models")
    page.get_by_role("button", name="Upload a package").click()
    page.wait_for_selector("form.flm-upload")
    page.get_by_label("Name of the model").fill("uploaded")
    page.get_by_label("Use case").fill("iris")
    page.get_by_label("Package (.tgz)").set_input_files(archive)
    page.get_by_label("First weights (.npz)").set_input_files(seed)
    page.get_by_label("Description").fill("<b>mine</b>")
    for said in ("", ": this package was there already"):
        page.get_by_role("button", name="Upload it").click()
        done = page.get_by_role("link", name="is in the registry")
        expect(done).to_have_text(f"uploaded version 1 is in the registry{said}")
        expect(page.get_by_role("button", name="Upload it")).to_be_enabled()
    done.click()
    expect(page.get_by_role("heading", name="uploaded version 1")).to_be_visible()
    expect(page.get_by_text("<b>mine</b>")).to_be_visible()
    assert list((world.folder / "uploads").iterdir()) == []


def test_what_is_wrong_with_a_package_is_said_in_its_line(
    world: PageWorld, sign_in: SignedIn, archive: Path, tmp_path: Path
) -> None:
    (tmp_path / "rubbish.tgz").write_bytes(b"rubbish")
    page = sign_in(Role.RESEARCHER, "/models/new")
    page.get_by_label("Name of the model").fill("hostile")
    page.get_by_label("Package (.tgz)").set_input_files(tmp_path / "rubbish.tgz")
    page.get_by_role("button", name="Upload it").click()
    alert = page.locator("form [role=alert]")
    expect(alert).to_contain_text("archive")
    page.get_by_label("Package (.tgz)").set_input_files(archive)
    page.get_by_label("Signatures").fill("no signature")
    page.get_by_role("button", name="Upload it").click()
    expect(alert).to_contain_text("signature")
    page.get_by_label("Signatures").fill("")
    page.get_by_label("Name of the model").fill("trained_x")
    page.get_by_role("button", name="Upload it").click()
    expect(alert).to_contain_text("the name 'trained_x' is for what tasks publish")
    expect(page.get_by_role("button", name="Upload it")).to_be_enabled()
    assert list((world.folder / "uploads").iterdir()) == []


def test_a_viewer_is_not_offered_it(world: PageWorld, sign_in: SignedIn) -> None:
    page = sign_in(Role.VIEWER, "/models")
    expect(page.get_by_role("button", name="Upload a package")).to_have_count(0)
    answer = page.goto(f"{world.url}/ui/models/new")
    assert answer is not None
    assert answer.status == 403
    expect(page.get_by_role("alert").filter(has_text="may not push packages")).to_be_visible()
    expect(page.locator("form.flm-upload")).to_have_count(0)


@pytest.mark.parametrize(
    ("role", "origin", "status"),
    [
        (None, None, 401),
        (Role.VIEWER, None, 403),
        (Role.ADMIN, "https://evil.example", 403),
        (Role.ADMIN, "null", 403),
    ],
)
def test_who_must_not_push_is_refused_before_the_body_is_read(
    world: PageWorld, client: httpx.Client, role: Role | None, origin: str | None, status: int
) -> None:
    if role is not None:
        sign_in_as(world, client, role)
    origins = {"Origin": origin} if origin else {}
    answer = send_head(world, client, 1_000_000, **origins)
    assert answer.split()[1] == str(status).encode()
    assert b"application/problem+json" in answer
    assert list((world.folder / "uploads").iterdir()) == []


def test_more_than_the_api_takes_is_refused(world: PageWorld, client: httpx.Client) -> None:
    sign_in_as(world, client, Role.ADMIN)
    answer = send_head(world, client, 3 * 1024**3)
    assert answer.split()[1] == b"413"
    assert b"2,147,483,648 bytes are the most" in answer
