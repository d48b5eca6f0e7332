"""The registry on an MLflow server: its real handlers, in a process of their own.

MLflow's full distribution brings a server and eighty packages. The handlers themselves come with
mlflow-skinny and need Flask and flask-cors. `FEDLOOM_TEST_MLFLOW` names a server to use instead.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from fedloom.errors import ConflictError, FedloomError, LinkError, NotFoundError
from fedloom.package.archive import digest_file
from fedloom.platform.registry import (
    Registry,
    download_package,
    get_lineage,
    get_version,
    list_models,
    list_versions,
    load_weights,
    open_registry,
    open_task_runs,
    publish,
    push_package,
)
from fedloom.platform.task import TaskStatus

from .registry_world import WEIGHTS, count_versions, make_lineage, make_package, make_task

SERVER = """
import os, sys
folder = sys.argv[1]
database = f"sqlite:///{folder}/server.db"
os.environ |= {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "_MLFLOW_SERVER_FILE_STORE": database,
    "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
    "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    "_MLFLOW_SERVER_ARTIFACT_DESTINATION": f"{folder}/artifacts",
}
from mlflow.server import app
from mlflow.server.handlers import initialize_backend_stores
from werkzeug.serving import make_server
initialize_backend_stores(database, database, "mlflow-artifacts:/")
server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.port, flush=True)
server.serve_forever()
"""


def start_server(folder: Path) -> tuple[subprocess.Popen[str], str]:
    if not (find_spec("flask") and find_spec("flask_cors")):
        pytest.skip("no Flask and flask-cors, which MLflow's server is made of")
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(folder)],
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=folder,
            text=True,
        )
    assert process.stdout is not None
    port = process.stdout.readline().strip()
    assert port, (folder / "log.txt").read_text()[-2000:]
    return process, f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if named := os.environ.get("FEDLOOM_TEST_MLFLOW"):
        yield named
        return
    process, url = start_server(tmp_path_factory.mktemp("server"))
    yield url
    process.kill()
    process.communicate()


@pytest.fixture
def registry(server_url: str, tmp_path: Path) -> Registry:
    return open_registry(server_url, cache=tmp_path / "cache")


@pytest.fixture
def name() -> str:
    """A name of the test's own: there may be others on the server."""
    return f"iris-{uuid4().hex[:8]}"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return make_package(tmp_path / "client")


def test_from_a_package_to_trained_weights(
    registry: Registry, name: str, package: Path, tmp_path: Path
) -> None:
    pushed = push_package(registry, package, name, use_case="irises", description="flowers")
    assert pushed.version == 1
    assert push_package(registry, package, name, use_case="irises") == pushed
    assert get_version(registry, name, 1) == pushed
    assert digest_file(download_package(registry, pushed, tmp_path / "p.tgz")) == pushed.digest
    [array] = load_weights(registry, pushed)
    assert np.array_equal(array, np.full((3, 2), 0.5))

    task = make_task(model_name=name, experiment_name=f"trials of {name}")
    runs = open_task_runs(registry, task)
    for number in (1, 2):
        runs.log_round(number, {"loss": 1 / number}, {"a": {"loss": 1.0}, "b": {"loss": 2.0}})
    published = publish(registry, task, WEIGHTS, lineage=make_lineage(task), metrics={"loss": 0.5})
    assert publish(registry, task, WEIGHTS, lineage=make_lineage(task)) == published
    runs.end(TaskStatus.SUCCESS)
    assert (published.name, published.version) == (f"trained_{name}", 1)
    for path in (tmp_path / "cache").iterdir():
        path.unlink()
    for read, given in zip(load_weights(registry, published), WEIGHTS, strict=True):
        assert np.array_equal(read, given)
    assert get_lineage(registry, published) == make_lineage(task)
    assert open_task_runs(registry, task).last_round == 2
    assert count_versions(registry, f"trained_{name}") == 1
    assert {name, f"trained_{name}"} <= {m.name for m in list_models(registry, limit=200).items}
    assert [found.version for found in list_versions(registry, name).items] == [1]


def test_coordinators_that_publish_one_task_at_once_make_one_version(
    server_url: str, registry: Registry, name: str, package: Path, tmp_path: Path
) -> None:
    """No lock reaches across a server: each looks again, and what came second is taken back."""
    push_package(registry, package, name)
    task = make_task(model_name=name, experiment_name=f"trials of {name}")
    others = [open_registry(server_url, cache=tmp_path / f"cache-{k}") for k in range(4)]
    ready = threading.Barrier(4)
    found = []

    def work(other: Registry) -> None:
        other.client()
        ready.wait(60)
        found.append(publish(other, task, WEIGHTS, lineage=make_lineage(task)))

    threads = [threading.Thread(target=work, args=(other,)) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 4
    assert len({version.version for version in found}) == 1
    assert count_versions(registry, f"trained_{name}") == 1
    assert get_version(registry, f"trained_{name}", found[0].version).task_id == task.id
    for read, given in zip(load_weights(registry, found[0]), WEIGHTS, strict=True):
        assert np.array_equal(read, given)


def test_a_second_version_that_a_crash_left_is_taken_back(
    registry: Registry, name: str, package: Path
) -> None:
    pushed = push_package(registry, package, name)
    assert pushed.weights is not None
    client = registry.client()
    run = client.get_run(pushed.weights.run_id).info
    client.create_model_version(
        name, f"{run.artifact_uri}/fedloom", run.run_id, tags=pushed.tags, await_creation_for=0
    )
    assert count_versions(registry, name) == 2
    assert push_package(registry, package, name).version == 1
    assert count_versions(registry, name) == 1


def test_what_is_not_there_is_named(registry: Registry, name: str, package: Path) -> None:
    push_package(registry, package, name)
    with pytest.raises(NotFoundError, match="has no version 9: its newest is 1"):
        get_version(registry, name, 9)
    with pytest.raises(NotFoundError, match="there is no model"):
        list_versions(registry, f"{name}-not")
    client = registry.client()
    experiment = client.create_experiment(f"gone {name}")
    client.delete_experiment(experiment)
    with pytest.raises(ConflictError, match="was deleted"):
        open_task_runs(registry, make_task(experiment_name=f"gone {name}"))


def test_a_run_that_was_put_in_the_bin_keeps_its_files(
    registry: Registry, name: str, package: Path, tmp_path: Path
) -> None:
    pushed = push_package(registry, package, name)
    assert pushed.package is not None
    registry.client().delete_run(pushed.package.run_id)
    for path in (tmp_path / "cache").iterdir():
        path.unlink()
    assert digest_file(download_package(registry, pushed)) == pushed.digest


def test_a_server_that_goes_down_is_named(tmp_path: Path) -> None:
    process, url = start_server(tmp_path)
    try:
        registry = open_registry(url, cache=tmp_path / "cache")
        registry.check()
        package = make_package(tmp_path / "client")
        pushed = push_package(registry, package, "iris")
        task = make_task()
    finally:
        process.kill()
        process.communicate()
    for call in (
        registry.check,
        lambda: publish(registry, task, WEIGHTS, lineage=make_lineage(task)),
        lambda: get_version(registry, "iris", 1),
    ):
        begun = time.monotonic()
        with pytest.raises(LinkError, match="cannot be used, given up after") as caught:
            call()
        assert time.monotonic() - begun < 50
        assert "\n" not in str(caught.value)
    # What was downloaded once is still there.
    assert digest_file(download_package(registry, pushed)) == pushed.digest


def test_a_server_that_is_none_is_one_line(tmp_path: Path) -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        registry = open_registry(f"http://127.0.0.1:{server.server_port}", cache=tmp_path)
        with pytest.raises(FedloomError) as caught:
            registry.check()
        assert "\n" not in str(caught.value)
    finally:
        server.shutdown()
        thread.join(60)
        server.server_close()
