"""How many tasks a second can be asked for: real uvicorn, SQLite, several connections.

``python benchmarks/federation/api_posts.py [SECONDS]`` prints the rate.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

from fedloom.platform.api import ApiServer, make_app
from fedloom.platform.broker import Publisher, open_broker
from fedloom.platform.identity import bootstrap_admin
from fedloom.platform.registry import open_registry, push_package
from fedloom.platform.service import Service
from fedloom.platform.store import open_store

__all__ = ["measure_posts"]

_CONNECTIONS = 8
_START_SECONDS = 120.0
_TASK = {
    "use_case": "irises",
    "model_name": "iris",
    "model_version": 1,
    "num_global_iterations": 3,
    "run_name": "first",
    "experiment_name": "Default",
}
_TRAIN = "entry_points:\n  train: python train.py\n"


def measure_posts(seconds: float) -> float:
    """Return accepted ``POST /tasks/`` per second, over `seconds`, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="fedloom-posts-") as folder:
        command = [sys.executable, str(Path(__file__)), "--serve", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                port, secret = server.stdout.readline().split()
                return asyncio.run(_post_all(int(port), secret, seconds))
            finally:
                server.terminate()
                server.wait(30)


async def _post_all(port: int, secret: str, seconds: float) -> float:
    await asyncio.gather(*(_post(port, secret, perf_counter() + 0.5) for _ in range(4)))
    begun = perf_counter()
    counts = await asyncio.gather(
        *(_post(port, secret, begun + seconds) for _ in range(_CONNECTIONS))
    )
    return sum(counts) / (perf_counter() - begun)


async def _post(port: int, secret: str, until: float) -> int:
    """Post one task after the other on one connection; return how many were accepted."""
    body = json.dumps(_TASK).encode()
    head = (
        f"POST /tasks/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {secret}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    request, accepted = head.encode() + body, 0
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while perf_counter() < until:
        writer.write(request)
        answer = await reader.readuntil(b"\r\n\r\n")
        status = answer.split(b" ", 2)[1]
        assert status == b"201", answer
        length = answer.lower().split(b"content-length:")[1].split(b"\r\n")[0]
        await reader.readexactly(int(length))
        accepted += 1
    writer.close()
    return accepted


def _serve(folder: Path) -> None:
    """Serve as `fedloom up` does: a broker in memory, a publisher that empties the outbox."""
    import socket

    store = open_store(f"sqlite:///{folder}/store.db")
    registry = open_registry(f"sqlite:///{folder}/registry/mlflow.db", cache=folder / "cache")
    _push(folder, registry)
    broker = open_broker("memory://")
    publisher = Publisher(broker, store)
    publisher.start()
    service = Service(
        store, registry, broker=broker, publisher=publisher, folder=folder / "service"
    )
    server = ApiServer(make_app(service))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        secret = bootstrap_admin(store)
        print(listener.getsockname()[1], secret, flush=True)
        server.run([listener])
    publisher.stop()


def _push(folder: Path, registry: object) -> None:
    package = folder / "package"
    package.mkdir()
    (package / "fedloom.yaml").write_text(_TRAIN)
    (package / "train.py").write_text("")
    seed = folder / "seed.npz"
    np.savez(seed, **{"0": np.zeros(3, np.float32)})
    push_package(registry, package, "iris", use_case="irises", seed_model=seed)  # type: ignore[arg-type]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        _serve(Path(sys.argv[2]))
    else:
        wanted = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
        print(f"{measure_posts(wanted):.0f} posts/s on {os.cpu_count()} cores")
