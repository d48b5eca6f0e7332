"""The same steps by stock Flower: SuperLink, `flower-supernode` processes, FedAvg's own loop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from types import MappingProxyType
from zipfile import ZIP_DEFLATED, ZipFile

from flwr.proto.control_pb2 import StartRunRequest
from flwr.proto.fab_pb2 import Fab

from fedloom.fleet.flower.endpoint import Endpoint, call

__all__ = ["run_stock_app", "time_stock_steps"]

_APPS = Path(__file__).parent
_START_SECONDS = 60.0
_END_SECONDS = 10.0
_PROJECT = """\
[project]
name = "stockapp"
version = "1.0.0"
description = "steps"
license = "Apache-2.0"
dependencies = []
[tool.flwr.app]
publisher = "bench"
[tool.flwr.app.components]
serverapp = "{app}.server_app:app"
clientapp = "{app}.client_app:app"
[tool.flwr.app.config]
"""


def time_stock_steps(nodes: int, size: int, steps: int, limit_seconds: float) -> list[float]:
    """Return the seconds of each round, of which one before is not counted.

    Args:
        nodes: `flower-supernode` processes.
        size: float32 numbers in the weights.
        steps: rounds that are counted.
        limit_seconds: for all of it.
    """
    config = {"size": size, "rounds": 1 + steps}
    return _read(run_stock_app("stock_app", nodes, config, limit_seconds), steps)


def run_stock_app(
    app: str,
    nodes: int,
    config: Mapping[str, object],
    limit_seconds: float,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Mapping[str, Sequence[float]]:
    """Return what the server of an app wrote into its report.

    Args:
        app: the app's folder beside this module.
        nodes: `flower-supernode` processes; each is told its number as `partition-id`.
        config: what the app is told, beside the number of nodes and where its report goes.
        limit_seconds: for all of it.
        environment: variables of all processes.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="fedloom-stock-")))
        address = f"127.0.0.1:{_find_port()}"
        endpoint = Endpoint(address, insecure=True)
        link = ["flower-superlink", "--insecure", "--host", "127.0.0.1"]
        link += ["--port", address.rpartition(":")[2], "--disable-runtime-dependency-installation"]
        stack.enter_context(_run(link, folder, "superlink", environment))
        _wait(lambda: endpoint.answers(), _START_SECONDS, folder / "superlink.log")
        for number in range(nodes):
            node = ["flower-supernode", "--insecure", "--superlink", address]
            node += ["--port", str(_find_port()), "--node-config", f"partition-id={number}"]
            stack.enter_context(_run(node, folder, f"supernode{number}", environment))
        report = folder / "report.json"
        bundle = _build_bundle(app, {**config, "nodes": nodes, "report": str(report)})
        with endpoint.control() as control:
            fab = Fab(hash_str=sha256(bundle).hexdigest(), content=bundle)
            call(control.StartRun, StartRunRequest(fab=fab))
        _wait(report.exists, limit_seconds, folder / "superlink.log")
        told: Mapping[str, Sequence[float]] = json.loads(report.read_text())
        return told


def _read(told: Mapping[str, Sequence[float]], steps: int) -> list[float]:
    moments, last = told["moments"], told["first"][-1]
    if len(moments) != steps + 2 or last != steps + 1:
        raise SystemExit(f"stock Flower did {len(moments) - 1} rounds, and its weights are {last}")
    return [b - a for a, b in pairwise(moments[1:])]


def _build_bundle(app: str, config: Mapping[str, object]) -> bytes:
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in config.items())
    files = {"pyproject.toml": (_PROJECT.replace("{app}", app) + lines).encode()}
    files |= {
        f"{app}/{path.name}": path.read_bytes() for path in sorted((_APPS / app).glob("*.py"))
    }
    listed = "\n".join(f"{n},{sha256(b).hexdigest()},{8 * len(b)}" for n, b in files.items())
    held = BytesIO()
    with ZipFile(held, "w", ZIP_DEFLATED) as archive:
        for name, content in [*files.items(), (".info/CONTENT", listed.encode())]:
            archive.writestr(name, content)
    return held.getvalue()


@contextmanager
def _run(
    command: Sequence[str], folder: Path, name: str, more: Mapping[str, str]
) -> Iterator[None]:
    """Run a program of Flower's with all that it starts."""
    programs = Path(sys.executable).parent
    environment = {
        **os.environ,
        **more,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "FLWR_HOME": str(folder / f"{name}.home"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
    }
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [str(programs / command[0]), *command[1:]],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(_END_SECONDS)


def _wait(condition: object, seconds: float, log: Path) -> None:
    until = monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if monotonic() > until:
            last = log.read_text(errors="replace").strip().splitlines()[-3:]
            raise SystemExit(f"stock Flower: nothing after {seconds:.0f} s; {' '.join(last)}")
        sleep(0.1)


def _find_port() -> int:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
