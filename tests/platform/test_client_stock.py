"""A stock `flower-supernode` takes part beside a node of ours: its own process, its own key."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from socket import socket
from threading import Event, Thread
from time import time
from typing import Any

import numpy as np
import pytest
import yaml
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.app.message import make_message
from flwr.app.metadata import Metadata
from flwr.common.constant import SUPERLINK_NODE_ID

from fedloom.errors import InputError
from fedloom.federation.algorithm import build_algorithm
from fedloom.federation.fleet import Order
from fedloom.federation.reduce import mean_by_examples
from fedloom.fleet.flower import codec
from fedloom.fleet.flower.codec import decode, encode
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.fleet.flower.handlers import keras_settings
from fedloom.fleet.flower.messages import (
    Asked,
    Cancel,
    Describe,
    Description,
    Done,
    Failed,
    Forget,
    State,
    Train,
    Trained,
)
from fedloom.fleet.flower.node import Identity, Node
from fedloom.fleet.flower.parcel import cut, pack
from fedloom.fleet.flower.stock import make_client_app
from fedloom.fleet.flower.superlink import SuperLink
from fedloom.learning.local_training import LocalTraining
from fedloom.platform.client.audit_check import verify_audit
from fedloom.platform.client.client import ClientNode
from fedloom.platform.client.config import load_node_config
from fedloom.platform.client.stock import read_config

TRAINING = LocalTraining("logistic", None, 1, 1, 8, "sgd", 0.1)


def write_node(folder: Path, rows: int) -> Path:
    """Make a node's folder; return its configuration."""
    (folder / "state").mkdir(parents=True)
    (folder / "state" / "policy.yaml").write_text("models: [logistic]\n")
    lines = [f"{n % 3},{(n * 7) % 5},{n % 2}" for n in range(rows)]
    (folder / "data.csv").write_text("\n".join(["a,b,label", *lines]))
    source = {"path": "data.csv", "label": "label"}
    document = {"name": folder.name, "state": "state", "datasets": {"demo": source}}
    (folder / "node.yaml").write_text(yaml.safe_dump(document))
    return folder / "node.yaml"


@contextmanager
def run_ours(link: SuperLink, path: Path) -> Iterator[None]:
    config = load_node_config(path, environment={})
    handler = ClientNode(config, lambda _settings, _target: None)
    node = Node(link.endpoint, Identity.keep(config.key_path), handler)
    thread = Thread(target=node.run)
    thread.start()
    try:
        yield
    finally:
        node.stop()
        thread.join(timeout=30)


@contextmanager
def run_stock(link: SuperLink, path: Path) -> Iterator[Path]:
    """Run Flower's own program; yield what it prints."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    bin_folder = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "FLWR_HOME": str(path.parent / "flwr"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FEDLOOM_CLIENT_CONFIG": str(path),
        "FEDLOOM_CLIENT_SUPERLINK": link.endpoint.address,
        "FEDLOOM_CLIENT_INSECURE": "true",
    }
    command = [bin_folder / "flower-supernode", "--insecure", "--port", str(port)]
    command += ["--superlink", link.endpoint.address]
    log = path.parent / "supernode.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield log
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)


def test_a_stock_supernode_trains_beside_a_node_of_ours(tmp_path: Path) -> None:
    algorithm = build_algorithm("FedAvg", clients=2, cohort=2)
    settings = keras_settings(TRAINING, algorithm, "demo")
    ours, theirs = write_node(tmp_path / "ours", 20), write_node(tmp_path / "theirs", 30)
    reducer = mean_by_examples()
    weights = [np.zeros((2, 2), np.float32), np.zeros(2, np.float32)]
    with (
        SuperLink(tmp_path / "link") as link,
        run_ours(link, ours),
        run_stock(link, theirs) as log,
        closing(FlowerFleet(link.endpoint, link.secret, "stock", settings)) as fleet,
    ):
        try:
            found = fleet.wait_for(2, 120)
            assert [(c.client_id, c.num_examples) for c in found] == [("ours", 16), ("theirs", 24)]
            for number in (1, 2):
                reply = fleet.train(Order(number, [0, 1], weights, 7, deadline_s=180), reducer)
                assert [r.failure for r in reply.results] == [None, None], reply.results
                step = reducer.finish(reply.state)
                assert float(np.abs(step[0]).sum()) > 0
                weights = [w + s for w, s in zip(weights, step, strict=True)]
        except BaseException:
            print(log.read_text(errors="replace")[-6000:])
            raise
    events = [line["event"] for line in read_audit(tmp_path / "theirs" / "state" / "audit.jsonl")]
    assert events.count("finished") == 2  # each round in a process of its own


def read_audit(path: Path) -> list[dict[str, Any]]:
    verify_audit(path)
    return [json.loads(line) for line in path.read_text().splitlines()]


# What needs no process.


class Handler:
    def __init__(self) -> None:
        self.closed = False

    def handle(self, request: Any, stop: Event) -> Any:
        if isinstance(request, Describe):
            return Description("stock", num_examples=3)
        if isinstance(request, Forget):
            return Done()
        if request.seed == 99:
            stop.wait(20)
            return Failed("timeout", "stopped") if stop.is_set() else Done()
        if request.seed == 98:
            raise ValueError("no rows")
        return Trained([w * 2 for w in request.weights], 3, metrics={"loss": 1.5})

    def close(self) -> None:
        self.closed = True


HANDLERS: list[Handler] = []


def open_handler(_: Any) -> Handler:
    HANDLERS.append(Handler())
    return HANDLERS[-1]


def send(request: Any, *, ttl: float = 60.0, open_one: Any = open_handler) -> Any:
    """Give a request to the app as a SuperNode does; return what it answers."""
    header, groups = encode(request)
    content = RecordDict()
    for name, piece in pack(header, cut(groups)).pieces.items():
        framed = piece.make()
        content[name] = ConfigRecord.inflate(framed)
    return ask(request.verb, content, ttl, open_one)


def ask(verb: str, content: RecordDict, ttl: float, open_one: Any) -> Any:
    metadata = Metadata(1, "m", SUPERLINK_NODE_ID, 5, "", "t:1", time(), ttl, verb)
    context = Context(1, 5, {}, RecordDict(), {})
    return read(make_client_app(open_one)(make_message(metadata, content), context))


def read(answer: Message) -> Any:
    from flwr.common.serde import recorddict_to_proto
    from flwr.proto.message_pb2 import Message as ProtoMessage
    from flwr.proto.message_pb2 import ObjectTree

    from fedloom.fleet.flower.unpack import Incoming

    incoming = Incoming(
        ProtoMessage(content=recorddict_to_proto(answer.content)), ObjectTree(), lambda _: b""
    )
    return decode(incoming.header(), incoming.arrays())


def train(seed: int = 7) -> Train:
    return Train("t", {}, 1, 0, seed, "none", [np.arange(4.0), np.ones((2, 2), np.float32)])


def test_the_app_answers_as_a_node_does_and_closes_its_handler() -> None:
    HANDLERS.clear()
    done = send(train())
    assert isinstance(done, Trained)
    np.testing.assert_array_equal(done.weights[0], 2 * np.arange(4.0))
    assert done.metrics == {"loss": 1.5}
    said = send(Describe("t", {}))
    assert (said.name, said.inside) == ("stock", False)
    assert isinstance(send(Forget("t")), Done)
    assert len(HANDLERS) == 3
    assert all(handler.closed for handler in HANDLERS)


def test_what_needs_no_handler_opens_none() -> None:
    HANDLERS.clear()
    assert send(Asked("t", "t:1")) == State("unknown")
    assert isinstance(send(Cancel("t")), Done)
    assert HANDLERS == []


def test_a_fault_is_an_answer() -> None:
    assert "no rows" in send(train(seed=98)).reason

    def refuse(_: Any) -> Any:
        raise InputError("state=/x: cannot be written")

    assert "state=/x" in send(train(), open_one=refuse).reason


def test_an_order_ends_when_nobody_waits_for_it_any_more() -> None:
    assert send(train(seed=99), ttl=0.5).reason == "stopped"


def test_a_message_of_another_version_is_refused_with_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(codec, "PROTOCOL", 2)
    header, _ = encode(Describe("t", {}))
    monkeypatch.undo()
    content = RecordDict({"header": ConfigRecord({"json": json.dumps(header).encode()})})
    answer = ask("query.describe", content, 60.0, open_handler)
    assert "(protocol 2)" in answer.reason
    assert "(protocol 1)" in answer.reason


def test_the_configuration_comes_from_file_environment_and_the_supernode(tmp_path: Path) -> None:
    path = write_node(tmp_path / "clinic", 4)
    config = read_config({"config": str(path), "partition-id": 1, "num-partitions": 3}, {})
    assert (config.name, config.client_index, config.num_clients) == ("clinic", 1, 3)
    config = read_config(
        {"name": "lab", "datasets": "{wine: {path: /w.csv, label: y}}"},
        {"FEDLOOM_CLIENT_CONFIG": str(path), "FEDLOOM_CLIENT_SUPERLINK": "h:1"},
    )
    assert (config.name, config.superlink, list(config.datasets)) == ("lab", "h:1", ["wine"])
    with pytest.raises(InputError, match="datasets of --node-config"):
        read_config({"datasets": "{"}, {})
    with pytest.raises(InputError, match="flavour"):
        read_config({"flavour": 1}, {})
