from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedloom.errors import DataError, InputError
from fedloom.scheduling.cluster.description import Gpu
from fedloom.scheduling.cluster.read import read_cluster, uniform_cluster
from fedloom.scheduling.cluster.schema import describe_cluster

WHOLE = """
servers:
  - {name: big, count: 2, gpus: 2, gpu_memory_gb: 80, speed: 2, link_gb_per_s: 32}
  - {name: small, gpus: 1, gpu_memory_gb: 24.5}
allow_span: true
span_slowdown: 1.25
switch_overhead_seconds: 0.5
"""


def write(folder: Path, text: str, name: str = "cluster.yaml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_a_file_gives_its_servers_and_devices_in_order(tmp_path: Path) -> None:
    cluster = read_cluster(write(tmp_path, WHOLE))
    assert cluster.servers == ("big-0", "big-1", "small")
    assert cluster.gpus == (
        Gpu(0, "big-0/0", 0, 80_000, 2.0, 32.0),
        Gpu(1, "big-0/1", 0, 80_000, 2.0, 32.0),
        Gpu(2, "big-1/0", 1, 80_000, 2.0, 32.0),
        Gpu(3, "big-1/1", 1, 80_000, 2.0, 32.0),
        Gpu(4, "small/0", 2, 24_500, 1.0, 16.0),
    )
    assert (cluster.allow_span, cluster.span_slowdown) == (True, 1.25)
    assert cluster.switch_overhead_us == 500_000


def test_json_says_the_same_and_what_is_left_out_has_defaults(tmp_path: Path) -> None:
    text = json.dumps({"servers": [{"gpus": 1, "gpu_memory_gb": 80}]})
    cluster = read_cluster(write(tmp_path, text, "c.json"))
    assert cluster == read_cluster(write(tmp_path, text, "c.yaml"))
    assert cluster.gpus == (Gpu(0, "server/0", 0, 80_000, 1.0, 16.0),)
    assert (cluster.allow_span, cluster.span_slowdown) == (False, 1.0)
    assert cluster.switch_overhead_us == 2_000_000


def test_all_faults_stand_on_one_line() -> None:
    servers = [
        {"nam": "a", "gpus": 0, "gpu_memory_gb": float("nan")},
        {"gpus": True, "gpu_memory_gb": "80", "speed": -1},
        {},
    ]
    with pytest.raises(InputError) as caught:
        describe_cluster({"servers": servers, "allow_spam": True, "span_slowdown": 0.5}, "c.yaml")
    message = str(caught.value)
    assert message.startswith("c.yaml: 10 faults: ")
    assert "\n" not in message
    for part in (
        "servers[0].nam: unknown key; did you mean 'name'?",
        "servers[0].gpus=0",
        "servers[0].gpu_memory_gb=nan",
        "servers[1].gpus=True",
        "servers[1].gpu_memory_gb='80'",
        "servers[1].speed=-1",
        "servers[2].gpus: missing",
        "servers[2].gpu_memory_gb: missing",
        "allow_spam: unknown key; did you mean 'allow_span'?",
        "span_slowdown=0.5",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no mapping"),
        ("- 1", "holds no mapping"),
        ("servers: [", "line 1: no valid YAML"),
        ("servers:\n  - {gpus: 1, gpus: 2}", "line 2: no valid YAML: the key 'gpus'"),
        ("servers: []", "servers=[]"),
        ("servers: 3", "servers=3"),
        ("a: !!python/object/apply:os.getcwd []", "no valid YAML"),
        ("{}", "servers: missing"),
        ("1: 2\nservers: [{gpus: 1, gpu_memory_gb: 1}]", "the key 1 is no name"),
    ],
)
def test_what_is_no_cluster_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read_cluster(write(tmp_path, text))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"servers": 1, "servers": 2}', "{" * 100_000])
def test_broken_json_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"c\.json"):
        read_cluster(write(tmp_path, text, "c.json"))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_cluster(tmp_path / "none.yaml")
    with pytest.raises(DataError, match="cannot be read"):
        read_cluster(tmp_path)
    path = tmp_path / "bytes.yaml"
    path.write_bytes(b"\xff\xfe\x00rubbish\x80")
    with pytest.raises(DataError, match="cannot be read"):
        read_cluster(path)


def test_names_of_servers_are_unique() -> None:
    kind = {"gpus": 1, "gpu_memory_gb": 1}
    with pytest.raises(InputError, match="'a-1' names two servers"):
        describe_cluster({"servers": [{"name": "a", "count": 2, **kind}, {"name": "a-1", **kind}]})


def test_equal_gpus_fill_servers() -> None:
    cluster = uniform_cluster(12)
    assert [len(server) for server in cluster.by_server] == [8, 4]
    assert {gpu.memory_mb for gpu in cluster.gpus} == {80_000}
    assert [gpu.index for gpu in cluster.gpus] == list(range(12))
    other = uniform_cluster(3, per_server=1, memory_gb=24, speed=0.5, allow_span=True)
    assert other.servers == ("server-0", "server-1", "server-2")
    assert other.gpus[2] == Gpu(2, "server-2/0", 2, 24_000, 0.5, 16.0)
    assert other.allow_span


@pytest.mark.parametrize("gpus", [0, -1, True, 2.0, 10**9])
def test_numbers_of_gpus_that_cannot_be(gpus: int) -> None:
    with pytest.raises(InputError, match="gpus="):
        uniform_cluster(gpus)


def test_other_numbers_that_cannot_be() -> None:
    with pytest.raises(InputError, match="per_server=0"):
        uniform_cluster(1, per_server=0)
    with pytest.raises(InputError, match="gpu_memory_gb=-1"):
        uniform_cluster(1, memory_gb=-1)
    with pytest.raises(InputError, match="at most"):
        describe_cluster({"servers": [{"count": 1000, "gpus": 1000, "gpu_memory_gb": 1}]})
