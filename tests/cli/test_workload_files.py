"""`fedloom workload import`, `export` and `stats`: from files of others to files of others."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from fedloom.cli import main
from fedloom.workload.formats.read import read_requests

COMFY_API = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "dream.safetensors"}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a barn", "clip": ["4", 1]}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512}},
    "3": {"class_type": "KSampler", "inputs": {"steps": 20, "model": ["4", 0],
          "positive": ["6", 0], "negative": ["6", 0], "latent_image": ["5", 0]}},
    "8": {"class_type": "Mystery", "inputs": {"images": ["3", 0]}},
}  # fmt: skip
COMFY_UI = {
    "last_node_id": 3,
    "version": 0.4,
    "nodes": [
        {"id": 1, "type": "CLIPTextEncode", "mode": 0, "inputs": [],
         "outputs": [{"name": "OUT", "type": "*"}], "widgets_values": ["a barn"]},
        {"id": 2, "type": "KSampler", "mode": 0, "inputs": [{"name": "positive", "type": "*"}],
         "outputs": [], "widgets_values": [1, "fixed", 20, 7.0, "heun", "normal", 1.0]},
    ],
    "links": [[1, 1, 0, 2, 0, "*"]],
}  # fmt: skip
PHILLY = [
    {"status": "Pass", "vc": "vc-a", "jobid": "job-1", "user": "u1",
     "submitted_time": "2017-10-09 07:02:32", "attempts": [
         {"start_time": "2017-10-09 07:02:54", "end_time": "2017-10-09 07:03:24",
          "detail": [{"ip": "m1", "gpus": ["gpu0", "gpu1"]}]}]},
]  # fmt: skip
TRACES: dict[str, tuple[str, str]] = {
    "comfyui": ("api.json", json.dumps(COMFY_API)),
    "azure-llm": (
        "azure.csv",
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:00:00.5000000,1000,100\n2023-11-16 18:00:02.7500009,500,25\n",
    ),
    "burstgpt": (
        "burst.csv",
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        "5,ChatGPT,400,20,420,Conversation log\n45,ChatGPT,900,0,900,Conversation log\n",
    ),
    "mooncake": (
        "moon.jsonl",
        '{"timestamp": 1500, "input_length": 6000, "output_length": 50, "hash_ids": [0, 1]}\n',
    ),
    "alibaba-gpu-2023": (
        "openb_pod_list.csv",
        "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,"
        "deletion_time,scheduled_time\n"
        "pod-1,12000,16384,1,1000,,LS,Running,0,1000,10.0\n"
        "pod-2,6000,12288,1,460,V100M16|V100M32,BE,Succeeded,5,105,5.0\n",
    ),
    "philly": ("cluster_job_log", json.dumps(PHILLY)),
    "helios": (
        "cluster_log.csv",
        "job_id,user,vc,gpu_num,cpu_num,node_num,state,submit_time,start_time,end_time,duration,"
        "queue\n"
        "j1,u1,vcA,2,64,2,COMPLETED,2020-04-01 00:00:00,2020-04-01 00:01:00,"
        "2020-04-01 01:01:00,3600,60\n",
    ),
}
NODES = (
    "sn,cpu_milli,memory_mib,gpu,model\nnode-1,64000,262144,2,P100\nnode-2,96000,786432,8,V100M32\n"
)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def put(kind: str) -> Path:
    name, text = TRACES[kind]
    Path(name).write_text(text)
    return Path(name)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    """Run a command with --json and return what it prints."""
    assert main([*map(str, arguments), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert all(Path(name).is_file() for name in found.get("files", ()))
    return found


def refuse(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a command that is wrong; return its one line."""
    before = sorted(Path().rglob("*"))
    assert main([*map(str, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("fedloom: error: ")
    assert captured.err.count("\n") == 1
    assert sorted(Path().rglob("*")) == before
    return captured.err


# Imports


@pytest.mark.parametrize("kind", TRACES)
@pytest.mark.parametrize("named", [True, False], ids=["named", "auto"])
def test_what_is_imported_is_described_scheduled_and_generated_from(
    kind: str, named: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    path = put(kind)
    found = run(capsys, "workload", "import", kind if named else "auto", path, "-o", "out/im")
    assert run(capsys, "workload", "check", "out/im_config.json")["faults"] == []
    if kind == "comfyui":
        assert found["files"] == ["out/im_config.json"]
        assert any("Mystery" in warning for warning in found["warnings"])
        assert (
            main("workload generate -c out/im_config.json --format jsonl -o out/im -q".split()) == 0
        )
    else:
        assert found["files"] == ["out/im_config.json", "out/im_requests.jsonl"]
        assert found["requests"] == len(list(read_requests(Path("out/im_requests.jsonl")).requests))
    config = ["--config", "out/im_config.json"]
    stats = run(capsys, "workload", "stats", "out/im_requests.jsonl", *config)["stats"]
    assert stats["total_requests"] == found["requests"] or 500
    flags = ["--requests", "out/im_requests.jsonl", "--gpus", 8, "-o", "out/sch"]
    done = run(capsys, "schedule", *config, *flags)
    assert done["policies"]["fifo"]["unfinished_requests"] == 0


def test_an_import_says_what_it_wrote_and_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["workload", "import", "burstgpt", str(put("burstgpt"))]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0] == "burstgpt: models 1, workflows 1, requests 1"
    assert "  imported_config.json: " in captured.out
    assert captured.err.startswith("fedloom: warning: ")
    assert captured.err.count("\n") == 1  # counted once, though the file is read more than once
    assert main(["workload", "import", "burstgpt", "burst.csv", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_an_import_takes_what_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--keep-failures", "--start", "2030-01-01", "--time-scale", "0.5", "--format", "json"]
    run(capsys, "workload", "import", "burstgpt", put("burstgpt"), *flags)
    document = json.loads(Path("imported_requests.json").read_text())
    assert [request["timestamp"] for request in document["requests"]] == [
        "2030-01-01T00:00:00.000000",
        "2030-01-01T00:00:20.000000",
    ]
    assert document["metadata"]["duration_minutes"] == 1
    assert document["metadata"]["config_file"] == "imported_config.json"
    config = json.loads(Path("imported_config.json").read_text())
    assert document["metadata"]["models_available"] == list(config["models"])


def test_a_folder_of_comfyui_workflows(capsys: pytest.CaptureFixture[str]) -> None:
    Path("flows").mkdir()
    Path("flows/api.json").write_text(json.dumps(COMFY_API))
    Path("flows/ui.json").write_text(json.dumps(COMFY_UI))
    run(capsys, "workload", "import", "comfyui", "flows")
    assert list(json.loads(Path("imported_config.json").read_text())["workflows"]) == ["api", "ui"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["azure", "azure.csv"], "unknown kind of trace 'azure': did you mean 'azure-llm'?"),
        (["azure-llm", "nowhere.csv"], "there is no file nowhere.csv"),
        (["azure-llm", "."], ". is a folder"),
        (["auto", "rubbish"], "rubbish is no text in UTF-8"),
        (["auto", "prose"], "cannot tell what prose is: it begins with 'Once'"),
        (["azure-llm", "rubbish"], "rubbish is no text in UTF-8"),
        (["azure-llm", "empty"], "empty"),
        (["azure-llm", "cut.csv"], "cut.csv"),
        (["azure-llm", "azure.csv", "--format", "xml"], "unknown format of requests 'xml'"),
        (["azure-llm", "azure.csv", "--limit", "0"], "--limit is 0; a number above 0"),
        (["azure-llm", "azure.csv", "--skip", "-1"], "--skip is -1; a number from 0 on"),
        (["azure-llm", "azure.csv", "--window", "nan"], "--window is nan"),
        (["azure-llm", "azure.csv", "--time-scale", "0"], "--time-scale is 0"),
        (["azure-llm", "azure.csv", "--start", "soon"], "--start is 'soon'"),
        (["azure-llm", "azure.csv", "--skip", "1e6"], "no request is left"),
        (["azure-llm", "azure.csv", "-o", "out/"], "--output-prefix 'out/'"),
    ],
)
def test_a_wrong_import_is_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    put("azure-llm")
    Path("rubbish").write_bytes(bytes(range(1, 256)))
    Path("empty").write_bytes(b"")
    Path("prose").write_text("Once")
    Path("cut.csv").write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:0")
    assert words in refuse(capsys, "workload", "import", *arguments)


def test_an_import_does_not_replace_the_trace(capsys: pytest.CaptureFixture[str]) -> None:
    Path("x_requests.csv").write_text(TRACES["azure-llm"][1])
    flags = ["--format", "csv", "-o", "x"]
    line = refuse(capsys, "workload", "import", "azure-llm", "x_requests.csv", *flags)
    assert "x_requests.csv would replace what is read" in line


def test_servers_become_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    Path("nodes.csv").write_text(NODES)
    flags = ["alibaba-gpu-2023", "nodes.csv", "--output", "made/cluster.yaml"]
    assert run(capsys, "workload", "import-cluster", *flags)["kinds_of_servers"] == 2
    assert main("workload generate -c minimal.json --format jsonl --num-requests 9 -q".split()) == 0
    flags = ["-c", "minimal.json", "-r", "generated_requests.jsonl"]
    done = run(capsys, "schedule", *flags, "--cluster", "made/cluster.yaml")
    assert done["gpus"] == 10
    line = refuse(
        capsys, "workload", "import-cluster", "alibaba-gpu-2023", "nodes.csv", "-o", "nodes.csv"
    )
    assert "nodes.csv would replace what is read" in line
    line = refuse(capsys, "workload", "import-cluster", "philly", "nodes.csv")
    assert "unknown kind of cluster 'philly'" in line


# Exports


@pytest.fixture
def requests(tmp_path: Path, _folder: None) -> Path:
    """A file of requests with tenants, tokens and deadlines."""
    flags = "-c tenants.yaml --format jsonl --num-requests 60 --duration 600 -q -o my"
    assert main(["workload", "generate", *flags.split()]) == 0
    return Path("my_requests.jsonl")


def test_our_own_formats_give_one_another_back(
    requests: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = requests
    for kind in ("yaml", "json", "jsonl", "csv", "parquet"):
        after = Path(f"onward.{kind}")
        found = run(capsys, "workload", "export", kind, before, "-o", after, "-c", "tenants.yaml")
        assert found == {"files": [str(after)], "requests": 60}
        before = after
    assert Path("onward.jsonl").read_bytes() == requests.read_bytes()
    first, last = (list(read_requests(path).requests) for path in (requests, before))
    assert first == last
    header = json.loads(Path("onward.json").read_text())["metadata"]
    assert header["config_file"] == "tenants.yaml"
    assert header["num_requests"] == 60
    assert header["workflows_available"][0] == "article"


def test_a_compressed_file_is_exported_and_read(
    requests: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "workload", "export", "json", requests, "-o", "my.json.gz")
    run(capsys, "workload", "export", "jsonl", "my.json.gz", "-o", "back.jsonl")
    assert Path("back.jsonl").read_bytes() == requests.read_bytes()


def test_other_tools_formats(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "workload", "import", "azure-llm", put("azure-llm"))
    flags = ["imported_requests.jsonl", "-c", "imported_config.json"]
    for kind in ("vidur", "servegen", "swf", "chrome"):
        found = run(capsys, "workload", "export", kind, *flags, "-o", f"out/as.{kind}")
        assert found["requests"] == 2
    rows = list(csv.DictReader(Path("out/as.vidur").read_text().splitlines()))
    assert [row["num_decode_tokens"] for row in rows] == ["100", "25"]
    rows = list(csv.DictReader(Path("out/as.servegen").read_text().splitlines()))
    assert [row["input_tokens"] for row in rows] == ["1000", "500"]
    jobs = [line for line in Path("out/as.swf").read_text().splitlines() if line[0] != ";"]
    assert [len(job.split()) for job in jobs] == [18, 18]
    events = json.loads(Path("out/as.chrome").read_text())["traceEvents"]
    assert sum(event.get("cat") == "request" for event in events) == 2
    run(capsys, "workload", "import", "vidur", "out/as.vidur", "-o", "again")
    again = [
        r.metadata["node_tokens"] for r in read_requests(Path("again_requests.jsonl")).requests
    ]
    assert [next(iter(tokens.values()))["output"] for tokens in again] == [100, 25]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["xml", "my_requests.jsonl", "-o", "x"], "unknown kind of export 'xml'"),
        (
            ["swf", "my_requests.jsonl", "-o", "x"],
            "export to swf needs the requests' configuration",
        ),
        (["swf", "my_requests.jsonl", "-c", "minimal.json", "-o", "x"], "workflow"),
        (["vidur", "my_requests.jsonl", "-c", "tenants.yaml", "-o", "x"], "req_"),
        (["csv", "my_requests.jsonl", "-o", "x.json"], ".json is no name of a csv file"),
        (["parquet", "my_requests.jsonl", "-o", "x.csv.gz"], ".csv is no name of a parquet file"),
        (["csv", "nowhere", "-o", "x.csv"], "cannot read nowhere"),
        (["csv", ".", "-o", "x.csv"], "Is a directory"),
        (["jsonl", "my_requests.jsonl", "-o", "my_requests.jsonl"], "would replace what is read"),
        (["jsonl", "my_requests.jsonl", "-o", "link.jsonl"], "would replace what is read"),
        (["csv", "cut.json", "-o", "x.csv"], "cut.json"),
        (["csv", "my_requests.jsonl", "-o", "cut.json/x.csv"], "cannot write cut.json/x.csv"),
    ],
)
def test_a_wrong_export_is_one_line(
    arguments: list[str], words: str, requests: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["workload", "export", "json", str(requests), "-o", "whole.json", "-q"]) == 0
    Path("cut.json").write_bytes(Path("whole.json").read_bytes()[:3000])
    Path("link.jsonl").symlink_to(requests)
    assert words in refuse(capsys, "workload", "export", *arguments)


# Statistics


def test_statistics_of_a_file_are_those_of_its_making(
    requests: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = json.loads(Path("my_stats.json").read_text())
    del made["metadata"]
    found = run(capsys, "workload", "stats", requests, "--config", "tenants.yaml")
    assert found["files"] == ["my_requests.html"]
    assert found["stats"] == made
    assert main(["workload", "stats", str(requests), "-c", "tenants.yaml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["my_requests.jsonl", "Total requests generated: 60"]
    assert lines[-1].startswith("  my_requests.html: 2.")


def test_statistics_without_a_configuration(
    requests: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(capsys, "workload", "stats", requests, "--output", "page/all")
    assert found["files"] == ["page/all.html"]
    assert found["stats"]["gpu_hours_by_model"] == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "cannot read nowhere"),
        (["."], ". is a folder"),
        (["my_requests.jsonl", "-c", "minimal.json"], "minimal.json has no workflow"),
        (["my_requests.jsonl", "--output", "x.pdf"], "--output x.pdf: the page is HTML"),
        (["page.html", "-c", "tenants.yaml"], "page.html would replace what is read"),
    ],
)
def test_wrong_statistics_are_one_line(
    arguments: list[str], words: str, requests: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("page.html").write_bytes(requests.read_bytes())
    assert words in refuse(capsys, "workload", "stats", *arguments)


def test_without_chromium_the_page_is_there_and_told(
    requests: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fedloom.errors import InputError
    from fedloom.page import picture

    def fail(*_: object, **__: object) -> None:
        raise InputError("no Chromium")

    monkeypatch.setattr(picture, "save_png", fail)
    assert main(["workload", "stats", str(requests), "--png", "--json"]) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out)["files"] == ["my_requests.html"]
    assert captured.err == "fedloom: error: no Chromium\n"
