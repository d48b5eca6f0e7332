"""Packages that people bring: streamed, bounded, built in a sandbox, refused where they must be."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from fedloom.errors import PackageError
from fedloom.package.archive import create_archive
from fedloom.platform.api import make_app
from fedloom.platform.client.sandbox import Bounds, find_isolation
from fedloom.platform.identity import Role
from fedloom.platform.registry import Registry, load_weights, push_package
from fedloom.platform.service import Service
from fedloom.platform.service.build import make_builder

from .api_world import IRIS, make_secret, open_client
from .registry_world import make_package

SAVE = """
    import numpy as np
    from fedloom.package.helpers import get_helper
    def save(value):
        get_helper("numpyhelper").save([np.full((3, 2), value, np.float32)], "../seed.npz")
"""


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    secret = make_secret(service.store, Role.RESEARCHER, "ada")
    with open_client(make_app(service, upload_limit_bytes=2_000_000), secret) as made:
        yield made


def pack(folder: Path, **scripts: str) -> bytes:
    make_package(folder / "client", **scripts)
    return create_archive(folder / "client", folder / "package.tgz").path.read_bytes()


def npz(*arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{str(i): array for i, array in enumerate(arrays)})
    return buffer.getvalue()


def push(client: httpx.Client, content: bytes, name: str, **more: Any) -> httpx.Response:
    files: dict[str, Any] = {"file": ("../../etc/passwd", content)} | more.pop("files", {})
    return client.post("/packages", files=files, data={"name": name, **more})


def test_a_package_is_built_registered_and_can_be_trained(
    client: httpx.Client, service: Service, tmp_path: Path
) -> None:
    content = pack(tmp_path)
    answer = push(client, content, "fresh", use_case="irises", description="flowers")
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["name"], made["version"], made["kind"]) == ("fresh", 1, "package")
    assert (made["use_case"], made["description"]) == ("irises", "flowers")
    again = push(client, content, "fresh", use_case="irises")
    assert (again.status_code, again.json()) == (200, made)
    assert client.get(f"/packages/{made['digest']}").content == content
    version = service.version(_viewer(), "fresh", 1)
    assert load_weights(service.registry, version)[0].tolist() == [[0.5, 0.5]] * 3
    task = client.post("/tasks/", json=IRIS | {"model_name": "fresh"})
    assert task.status_code == 201
    assert list(service.folder.iterdir()) == []


def _viewer() -> Any:
    from fedloom.platform.identity import Identity

    return Identity("eve", Role.VIEWER, 9)


def test_the_first_weights_may_be_brought_along(
    client: httpx.Client, service: Service, tmp_path: Path
) -> None:
    seed = npz(np.array([1.0, 2.0], np.float32))
    answer = push(client, pack(tmp_path), "seeded", files={"seed_model": ("x", seed)})
    assert answer.status_code == 201, answer.text
    weights = client.get("/models/seeded/versions/1/weights")
    with np.load(io.BytesIO(weights.content)) as found:
        assert found["0"].tolist() == [1.0, 2.0]
    part = client.get("/models/seeded/versions/1/weights", headers={"Range": "bytes=0-1"})
    assert (part.status_code, part.content) == (206, b"PK")


def test_the_form_of_a_version_says_what_it_takes(client: httpx.Client, tmp_path: Path) -> None:
    folder = make_package(tmp_path / "client")
    with (folder / "fedloom.yaml").open("a") as file:
        file.write("\nsettings: {epochs: 3, learning_rate: 0.05}\n")
    content = create_archive(folder, tmp_path / "p.tgz").path.read_bytes()
    assert push(client, content, "formed").status_code == 201
    form = client.get("/models/formed/versions/1/schema").json()
    assert (form["trains"], form["validates"]) == (True, False)
    defaults = {setting["name"]: setting["default"] for setting in form["settings"]}
    assert defaults == {"epochs": 3, "batch_size": None, "optimizer": None, "learning_rate": 0.05}
    names = [algorithm["name"] for algorithm in form["algorithms"]]
    assert names[0] == "FedAvg"
    assert "FedProx" not in names


# What is refused


def make_tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def make_link() -> tarfile.TarInfo:
    link = tarfile.TarInfo("client/data")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    return link


PROJECT = (tarfile.TarInfo("client/fedloom.yaml"), b"entry_points:\n  train: python train.py\n")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"rubbish", "archive"),
        (b"", "archive"),
        (make_tar((tarfile.TarInfo("../../out.txt"), b"x"), PROJECT), "out.txt"),
        (make_tar((tarfile.TarInfo("/etc/out.txt"), b"x"), PROJECT), "out.txt"),
        (make_tar((make_link(), b""), PROJECT), "link"),
        (make_tar((tarfile.TarInfo("readme"), b"x")), "project file"),
        (gzip.compress(bytes(1_200_000_000 // 1000)) * 1000, ""),
    ],
    ids=["rubbish", "nothing", "above", "absolute", "link", "no project", "bomb"],
)
def test_a_hostile_archive_is_refused_and_leaves_nothing(
    client: httpx.Client, service: Service, content: bytes, word: str
) -> None:
    answer = push(client, content, "hostile")
    assert answer.status_code == 422, answer.text
    assert word in answer.json()["detail"]
    assert str(service.folder) not in answer.text
    assert client.get("/models/hostile/versions").status_code == 404
    assert list(service.folder.iterdir()) == []


def test_a_package_without_train_and_a_build_that_fails_are_refused(
    client: httpx.Client, tmp_path: Path
) -> None:
    without = make_package(tmp_path / "a" / "client", train=None)
    content = create_archive(without, tmp_path / "a.tgz").path.read_bytes()
    assert "train" in push(client, content, "bad").json()["detail"]
    content = pack(tmp_path / "b", model="raise SystemExit('no luck today')")
    answer = push(client, content, "bad")
    assert answer.status_code == 422
    assert "no luck today" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("name", "more", "place"),
    [
        ("", {}, "name"),
        ("a/b", {}, "name"),
        ("../up", {}, "name"),
        ("trained_x", {}, None),
        ("fine", {"use_case": "a\nb"}, "use_case"),
        ("fine", {"colour": "red"}, "colour"),
        ("fine", {"files": {"seed_model": ("x", b"rubbish")}}, None),
        ("fine", {"files": {"other": ("x", b"x")}}, None),
    ],
)
def test_fields_that_are_wrong_are_refused(
    client: httpx.Client, tmp_path: Path, name: str, more: dict[str, Any], place: str | None
) -> None:
    answer = push(client, pack(tmp_path), name, **more)
    assert answer.status_code == 422, answer.text
    if place is not None:
        assert answer.json()["errors"][0]["loc"] == ["body", place]


def test_a_form_without_a_file_or_with_two_is_refused(client: httpx.Client) -> None:
    assert client.post("/packages", data={"name": "x"}).status_code == 422
    assert client.post("/packages", json={"name": "x"}).status_code == 422
    twice = [("file", ("a", b"x")), ("file", ("b", b"x"))]
    assert client.post("/packages", files=twice, data={"name": "x"}).status_code == 422


def test_an_upload_that_is_too_large_is_cut_off(client: httpx.Client, service: Service) -> None:
    answer = push(client, os.urandom(3_000_000), "large")
    assert answer.status_code == 413

    sent = 0

    def drip() -> Iterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        for _ in range(1000):
            sent += 100_000
            yield bytes(100_000)

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    with suppress(httpx.TransportError):  # it may hang up while we still send
        assert client.post("/packages", content=drip(), headers=headers).status_code == 413
    assert sent < 50_000_000
    assert list(service.folder.iterdir()) == []


def test_who_may_not_push_is_refused_before_the_body_is_read(
    service: Service, client: httpx.Client
) -> None:
    body_bytes, read = 200_000_000, 0

    def drip() -> Iterator[bytes]:
        nonlocal read
        for _ in range(body_bytes // 100_000):
            read += 100_000
            yield bytes(100_000)

    viewer = make_secret(service.store, Role.VIEWER)
    for secret, status in ((viewer, 403), ("flm_wrong", 401)):
        read = 0
        headers = {"Authorization": f"Bearer {secret}"}
        headers["Content-Type"] = "multipart/form-data; boundary=b"
        with suppress(httpx.TransportError):
            answer = client.post("/packages", content=drip(), headers=headers)
            assert answer.status_code == status
        # What was sent lies in the kernel's buffers, of which loopback has some megabytes.
        assert read < body_bytes / 4
        assert list(service.folder.iterdir()) == []


# The sandbox of build


def build_in_sandbox(
    registry: Registry, folder: Path, name: str, script: str, **named: Any
) -> np.ndarray[Any, Any]:
    """Push a package whose build runs a script; return its first weights."""
    package = make_package(folder / name / "client", model=SAVE + script)
    builder = make_builder(named.pop("hidden", ()), **named)
    version = push_package(registry, package, name, build=builder)
    return np.asarray(load_weights(registry, version)[0])


def test_build_has_no_network(iris_registry: Registry, tmp_path: Path) -> None:
    if not find_isolation().network:
        pytest.skip("this kernel cannot keep a command from the network")
    script = """
    import socket
    try:
        socket.create_connection(("127.0.0.1", 5432), timeout=5).close()
        save(1.0)
    except OSError:
        save(0.0)
    """
    assert build_in_sandbox(iris_registry, tmp_path, "netless", script)[0, 0] == 0.0


def test_build_sees_nothing_of_what_is_the_services_own(
    iris_registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not find_isolation().reading:
        pytest.skip("this kernel cannot keep a command from reading")
    secret = tmp_path / "secret" / "store.db"
    secret.parent.mkdir()
    secret.write_text("tokens")
    monkeypatch.setenv("FEDLOOM_DATABASE_URL", "postgresql://user:password@host/db")
    script = f"""
    import os, pathlib
    file = pathlib.Path({str(secret)!r})
    seen = file.exists() or "FEDLOOM_DATABASE_URL" in os.environ
    save(1.0 if seen else 0.0)
    """
    found = build_in_sandbox(iris_registry, tmp_path, "blind", script, hidden=(secret.parent,))
    assert found[0, 0] == 0.0


def test_build_that_takes_too_long_or_too_much_is_ended(
    iris_registry: Registry, tmp_path: Path
) -> None:
    with pytest.raises(PackageError, match="time limit"):
        build_in_sandbox(
            iris_registry, tmp_path, "slow", "\n    import time; time.sleep(600)", timeout_s=2.0
        )
    small = Bounds(memory_bytes=300_000_000)
    with pytest.raises(PackageError, match="build"):
        build_in_sandbox(
            iris_registry,
            tmp_path,
            "greedy",
            "\n    held = bytearray(10**9); save(1.0)",
            bounds=small,
        )
