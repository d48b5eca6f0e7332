"""Traces of clusters: gangs, shares, durations, tenants, and lists of servers."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from fedloom.errors import InputError, UnknownNameError
from fedloom.workload.request import Request
from fedloom.workload.traces.imported import Imported, ImportOptions
from fedloom.workload.traces.registry import detect_kind, import_cluster, import_trace

PODS = """name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time
pod-1,12000,16384,1,1000,nan,LS,Running,0,1000,10.0
pod-2,6000,12288,1,460,V100M16|V100M32,BE,Succeeded,5,105,5.0
pod-3,6000,12288,0,0,,Burstable,Succeeded,7,27,7.0
pod-4,6000,12288,4,1000,T4,LS,Failed,8,nan,
pod-5,6000,12288,4,1000,T4,LS,Running,9,19,9.0
pod-6,6000,12288,1,1000,,LS,Running,11,12,13
"""  # noqa: E501
NODES = """sn,cpu_milli,memory_mib,gpu,model
node-1,64000,262144,2,P100
node-2,64000,262144,2,P100
node-3,94000,393216,0,
node-4,96000,786432,8,V100M32
"""
PHILLY: list[dict[str, Any]] = [
    {
        "status": "Pass", "vc": "vc-a", "jobid": "job-1", "user": "u1",
        "submitted_time": "2017-10-09 07:02:32",
        "attempts": [
            {"start_time": "2017-10-09 07:02:54", "end_time": "2017-10-09 07:03:24",
             "detail": [{"ip": "m1", "gpus": ["gpu0", "gpu1"]}, {"ip": "m2", "gpus": ["gpu5"]}]},
            {"start_time": "2017-10-09 08:00:00", "end_time": "2017-10-09 08:00:10",
             "detail": [{"ip": "m3", "gpus": ["gpu0", "gpu1", "gpu2"]}]},
        ],
    },
    {"status": "Killed", "vc": "vc-b", "jobid": "job-2", "user": "u2", "attempts": [],
     "submitted_time": "2017-10-09 06:00:00"},
    {
        "status": "Failed", "vc": "vc-b", "jobid": "job-3", "user": "u2",
        "submitted_time": "2017-10-09 05:00:00",
        "attempts": [
            {"start_time": None, "end_time": None, "detail": []},
            {"start_time": "2017-10-09 05:01:00", "end_time": "2017-10-09 05:02:00",
             "detail": [{"ip": "m1", "gpus": ["gpu0"]}]},
        ],
    },
]  # fmt: skip
HELIOS = """job_id,user,vc,gpu_num,cpu_num,node_num,state,submit_time,start_time,end_time,duration,queue
j1,u1,vcA,16,64,2,COMPLETED,2020-04-01 00:00:00,2020-04-01 00:01:00,2020-04-01 01:01:00,3600,60
j2,u2,vcB,0,4,1,FAILED,2020-04-01 00:00:30,2020-04-01 00:00:31,2020-04-01 00:00:33,2,1
j3,u2,vcB,1,4,1,CANCELLED,2020-04-01 00:00:40,,,,
"""  # noqa: E501


def put(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


def load(kind: str, *paths: Path, **options: object) -> tuple[Imported, list[Request]]:
    imported = import_trace(kind, list(paths), ImportOptions(**options))  # type: ignore[arg-type]
    return imported, list(imported.requests)


def valid(config: dict[str, object], folder: Path) -> None:
    from fedloom.workload.config.read import read_config
    from fedloom.workload.config.write import write_config

    write_config(config, folder / "written.yaml")
    assert read_config([folder / "written.yaml"]).warnings == ()


def seconds_between(requests: list[Request]) -> list[float]:
    return [(request.time_us - requests[0].time_us) / 1e6 for request in requests]


def test_alibaba_gpu_2023_by_hand(tmp_path: Path) -> None:
    imported, requests = load("auto", put(tmp_path, "pods.csv", PODS))
    assert [
        (r.request_id, r.workflow_id, r.node_execution_times["run"], r.metadata["priority"])
        for r in requests
    ] == [
        ("pod-1", "gpu1", 990.0, 2),
        ("pod-2", "gpu1_460m_V100M16|V100M32", 100.0, 0),
        ("pod-3", "cpu", 20.0, 1),
        ("pod-5", "gpu4_T4", 10.0, 2),
    ]
    assert seconds_between(requests) == [0, 5, 7, 9]
    assert {
        name: (model["gpus_required"], model["memory_gb"], model["type"])
        for name, model in imported.config["models"].items()
    } == {
        "gpu1": (1, 16.0, "job"),
        "gpu1_460m_V100M16|V100M32": (1, 7.36, "job"),
        "cpu": (0, 1.0, "utility"),
        "gpu4_T4": (4, 64.0, "job"),
    }
    assert imported.warnings == [
        "1 row left out: never scheduled",
        "1 row left out: deleted before it was scheduled",
        "1 row: part of a GPU, kept as one device with that part of its memory",
        "1 row: no GPU, kept beside the GPUs as the utility model cpu",
    ]
    valid(imported.config, tmp_path)


def test_the_memory_of_a_gpu_can_be_chosen(tmp_path: Path) -> None:
    imported, _ = load("auto", put(tmp_path, "pods.csv", PODS), gpu_memory_gb=40.0)
    assert imported.config["models"]["gpu4_T4"]["memory_gb"] == 160.0


def test_alibaba_nodes_become_a_cluster(tmp_path: Path) -> None:
    assert import_cluster("alibaba-gpu-2023", put(tmp_path, "nodes.csv", NODES)) == {
        "servers": [
            {"name": "P100x2", "count": 2, "gpus": 2, "gpu_memory_gb": 16.0, "speed": 1.0,
             "link_gb_per_s": 16.0},
            {"name": "V100M32x8", "count": 1, "gpus": 8, "gpu_memory_gb": 32.0, "speed": 1.0,
             "link_gb_per_s": 16.0},
        ]
    }  # fmt: skip
    with pytest.raises(UnknownNameError, match="kind of cluster"):
        import_cluster("philly", tmp_path / "nodes.csv")
    with pytest.raises(InputError, match="no server with a GPU"):
        import_cluster("alibaba-gpu-2023", put(tmp_path, "none.csv", "sn,gpu,model\na,0,\n"))


def test_philly_by_hand(tmp_path: Path) -> None:
    path = put(tmp_path, "cluster_job_log", json.dumps(PHILLY))
    imported, requests = load("auto", path)
    assert [(r.request_id, r.workflow_id, r.node_execution_times["run"]) for r in requests] == [
        ("job-3", "gpu1", 60.0),
        ("job-1", "gpu3", 40.0),
    ]
    assert requests[0].timestamp == "2017-10-09T05:00:00.000000"
    assert [r.metadata["tenant"] for r in requests] == ["vc-b", "vc-a"]
    assert requests[1].metadata["servers"] == 2
    assert requests[1].metadata["attempts"] == 2
    assert imported.config["tenants"] == {"vc-b": {"weight": 1}, "vc-a": {"weight": 1}}
    assert [warning.split(":")[0] for warning in imported.warnings] == [
        "1 row left out",
        "1 row",
        "1 row",
        "rows are not in time order",
    ]
    valid(imported.config, tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[", "[1]", '[{"jobid": "a"}]', '[{"jobid": "a", "attempts": [], "subm', "[{]"],
)
def test_a_broken_philly_log_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cluster_job_log"):
        load("philly", put(tmp_path, "cluster_job_log", text))


ODD: tuple[Any, ...] = (None, 3, "x", [], {}, [None], True, {"a": [1]}, -1.5, [{"detail": 3}])


@pytest.mark.parametrize("key", ["status", "vc", "jobid", "submitted_time", "attempts", "user"])
def test_odd_values_in_philly_give_jobs_or_a_clear_error(key: str, tmp_path: Path) -> None:
    for odd in ODD:
        row = PHILLY[0] | {key: odd}
        with contextlib.suppress(InputError):
            load("philly", put(tmp_path, "log", json.dumps([row])))
    for inner in ("start_time", "end_time", "detail"):
        for odd in ODD:
            attempt = PHILLY[0]["attempts"][0] | {inner: odd}
            with contextlib.suppress(InputError):
                load(
                    "philly",
                    put(tmp_path, "log", json.dumps([PHILLY[0] | {"attempts": [attempt]}])),
                )


def test_philly_cut_anywhere_is_refused(tmp_path: Path) -> None:
    text = json.dumps(PHILLY)
    for length in range(len(text)):
        with pytest.raises(InputError):
            load("philly", put(tmp_path, "log", text[:length]))


def test_a_philly_log_larger_than_the_buffer(tmp_path: Path) -> None:
    rows = [
        PHILLY[0] | {"jobid": f"job-{number}", "user": "u" * (number % 5_000)}
        for number in range(1_500)
    ]
    _, requests = load("philly", put(tmp_path, "log", json.dumps(rows, indent=1)))
    assert [request.request_id for request in requests] == [row["jobid"] for row in rows]


def test_helios_by_hand(tmp_path: Path) -> None:
    imported, requests = load("auto", put(tmp_path, "cluster_log.csv", HELIOS))
    assert [(r.request_id, r.workflow_id, r.node_execution_times["run"]) for r in requests] == [
        ("j1", "gpu16", 3600.0),
        ("j2", "cpu", 2.0),
    ]
    assert requests[0].metadata["tenant"] == "vcA"
    assert requests[0].metadata["state"] == "COMPLETED"
    assert requests[0].metadata["servers"] == 2
    assert imported.warnings[0] == "1 row left out: never started"
    assert any("allow_span" in warning for warning in imported.warnings)
    valid(imported.config, tmp_path)


def test_azure_functions_arrive_before_their_end(tmp_path: Path) -> None:
    text = f"app,func,end_timestamp,duration\n{'a' * 64},{'b' * 64},10,4\nx,y,9.5,9\n"
    path = put(tmp_path, "functions.csv", text)
    imported, requests = load("auto", path)
    assert [request.workflow_id for request in requests] == ["x-y", f"{'a' * 12}-{'b' * 12}"]
    assert seconds_between(requests) == [0, 5.5]
    assert imported.config["models"]["x-y"]["gpus_required"] == 0
    valid(imported.config, tmp_path)
    imported, _ = load("auto", path, gpus_required=1)
    assert imported.config["models"]["x-y"]["gpus_required"] == 1


def test_alibaba_pai_2020_with_its_users(tmp_path: Path) -> None:
    tasks = (
        "job1,worker,2,Terminated,100.0,160.0,600.0,29.3,50.0,T4\n"
        "job1,ps,1,Terminated,101.0,161.0,600.0,29.3,,MISC\n"
        "job2,worker,1,Failed,105.5,106.0,600.0,29.3,25.0,P100\n"
        "job3,worker,3,Terminated,110,120,600.0,29.3,50.0,V100\n"
        "job4,worker,1,Running,110,,600.0,29.3,100.0,V100\n"
    )
    jobs = "job1,i1,alice,Terminated,98,161\njob2,i2,bob,Failed,105,106\n"
    paths = put(tmp_path, "tasks.csv", tasks), put(tmp_path, "jobs.csv", jobs)
    imported, requests = load("auto", *paths)
    assert [(r.workflow_id, r.metadata.get("tenant")) for r in requests] == [
        ("gpu1_T4", "alice"),
        ("cpu", "alice"),
        ("gpu1_250m_P100", "bob"),
        ("gpu2_V100", None),
    ]
    # With the table of jobs, tasks arrive when their job was submitted.
    assert seconds_between(requests) == [0, 0, 7, 12]
    assert len(imported.warnings) == 4
    assert seconds_between(load("auto", paths[0])[1]) == [0, 1, 5.5, 10]
    valid(imported.config, tmp_path)
    with pytest.raises(InputError, match="pai_task_table"):
        load("alibaba-pai-2020", paths[1])


@pytest.mark.parametrize(
    ("text", "match"),
    [("", "none has the 10 columns"), ("a,b,c,Terminated\n", "none has the 10 columns")],
)
def test_broken_pai_tables(text: str, match: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=match):
        load("alibaba-pai-2020", put(tmp_path, "tasks.csv", text))


def test_a_cut_pai_table(tmp_path: Path) -> None:
    row = "job1,worker,2,Terminated,100.0,160.0,600.0,29.3,50.0,T4\n"
    with pytest.raises(InputError, match="line 2: 4 cells, but there are 10 columns"):
        load("alibaba-pai-2020", put(tmp_path, "tasks.csv", row + "job1,ps,1,Term"))


def test_alibaba_spot_2026(tmp_path: Path) -> None:
    text = (
        "job_name,organization,gpu_model,cpu_request,gpu_request,worker_num,submit_time,duration,"
        "job_type\nj1,o1,A100,8,2,4,0,50,HP\nj2,o2,A10,8,0.5,1,3,60,Spot\n"
    )
    imported, requests = load("auto", put(tmp_path, "job_info_df.csv", text))
    assert [(r.workflow_id, r.metadata["priority"]) for r in requests] == [
        ("gpu8_A100", 1),
        ("gpu1_A10", 0),
    ]
    assert imported.warnings == [
        "1 row: several workers; their gangs may need allow_span in the cluster",
        "1 row: part of a GPU, rounded up to a whole one",
    ]
    valid(imported.config, tmp_path)
    nodes = "node_name,gpu_model,gpu_capacity_num,cpu_num\nn1,A100,8,96\n"
    cluster = import_cluster("alibaba-spot-2026", put(tmp_path, "nodes.csv", nodes))
    assert cluster["servers"][0]["gpu_memory_gb"] == 80.0


def test_alibaba_genai_2026(tmp_path: Path) -> None:
    text = (
        "gmt_create,predict_type,predict_status,exec_time_seconds,groupId,prompt_length,"
        "negative_prompt_length,num_images_per_prompt,num_inference_steps,"
        "checkpoint_model_version_id,num_lora\n"
        "2026-01-01 00:00:00,TXT2IMG,SUCCEED,4.5,g1,100.0,NULL,2.0,30.0,77,1\n"
        "2026-01-01 00:00:01,TXT2IMG,FAILED,1,g1,100,20,2,30,77,1\n"
    )
    imported, (request,) = load("auto", put(tmp_path, "lora.csv", text))
    assert request.workflow_id == "checkpoint_77 TXT2IMG"
    assert request.node_configs == {
        "generate": {"num_inference_steps": 30, "num_images_per_prompt": 2, "num_lora": 1}
    }
    assert request.metadata["prompt_length"] == 100
    assert "negative_prompt_length" not in request.metadata
    assert request.metadata["tenant"] == "g1"
    assert imported.warnings == ["1 row left out: status FAILED (--keep-failures keeps them)"]
    valid(imported.config, tmp_path)


def test_an_unknown_file_is_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot tell what .*begins with 'a,b'.*azure-llm"):
        detect_kind(put(tmp_path, "other.csv", "a,b\n1,2\n"))
