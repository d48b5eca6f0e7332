"""Reading configurations: shipped ones, formats, several files, workflows, tenants, prompts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fedloom.workload.arrivals.settings import ArrivalSettings, Bursts, Diurnal
from fedloom.workload.config.check import check_files, check_mapping
from fedloom.workload.config.faults import ConfigError
from fedloom.workload.config.read import read_config
from fedloom.workload.config.service_model import LawName, TokenTime
from fedloom.workload.config.shipped import shipped_configs
from fedloom.workload.config.workload_config import PromptSource, WorkloadConfig

MODEL = {"memory_gb": 1, "gpus_required": 1, "type": "embedding"}
BASIC: dict[str, Any] = {
    "models": {"m": MODEL},
    "workflows": {"w": {"nodes": [{"id": "n", "model": "m"}]}},
}


def write(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(json.dumps(content, indent=1))
    return path


def read(content: dict[str, Any]) -> WorkloadConfig:
    result = check_mapping(content)
    assert result.config is not None, result.faults
    return result.config


# --- shipped -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped_configs())
def test_shipped_configurations_are_sound(name: str) -> None:
    result = check_files([name])
    assert (result.faults, result.warnings) == ((), ())


@pytest.mark.parametrize(
    ("name", "models", "shapes"),
    [
        ("minimal.json", 3, [(1, 0), (2, 1)]),
        ("test_baseline.json", 6, [(2, 1), (4, 4)]),
        ("multimodal.json", 10, [(5, 4), (5, 7), (7, 9)]),
        ("diffusion.json", 8, [(5, 9), (7, 9)]),
    ],
)
def test_shapes_of_shipped_configurations(
    name: str, models: int, shapes: list[tuple[int, int]]
) -> None:
    config = read_config([name]).config
    assert config.name == name
    assert len(config.models) == models
    assert [(len(w.nodes), len(w.edges)) for w in config.workflows.values()] == shapes


def test_the_multimodal_one_spans_sizes() -> None:
    models = read_config(["multimodal"]).config.models.values()
    assert {model.gpus_required for model in models} == {0, 1, 2, 4, 8}
    assert max(model.memory_gb for model in models) == 140.0


def test_the_fork_joins_again(baseline_config: WorkloadConfig) -> None:
    fork = baseline_config.workflows["illustrated_answer"]
    assert fork.edges == ((0, 1), (0, 2), (1, 3), (2, 3))
    assert fork.critical_path([5, 1, 3, 10]) == 18
    assert baseline_config.models["chat_8b_planner"].counted_as == "chat_8b"
    assert isinstance(baseline_config.models["chat_8b_planner"].time, TokenTime)


def test_shipped_tenants() -> None:
    config = read_config(["tenants.yaml"]).config
    assert {name: tenant.weight for name, tenant in config.tenants.items()} == {
        "magazine": 3.0,
        "shop": 2.0,
        "laboratory": 1.0,
    }
    profiles = [t.arrivals.profile for t in config.tenants.values() if t.arrivals]
    assert isinstance(profiles[0], Diurnal)
    assert isinstance(profiles[1], Bursts)
    assert config.models["chat_8b"].time.input.name is LawName.LOGNORMAL  # type: ignore[union-attr]


def test_shipped_names_work_in_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minimal_config: WorkloadConfig
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_config(["minimal"]).config == minimal_config
    (tmp_path / "minimal").mkdir()  # a folder of that name is no configuration
    assert read_config(["minimal"]).config == minimal_config
    write(tmp_path / "minimal.json", BASIC)
    assert list(read_config(["minimal.json"]).config.models) == ["m"]


# --- formats -----------------------------------------------------------------------------------

YAML = """\
# anchors, merge keys, numbers as JSON writes them
models:
  m: &m {type: embedding, memory_gb: 1e1, gpus_required: 1, inference_time_mean: 5e-1}
  on:
    <<: *m
    memory_gb: 2
workflows:
  w:
    description: 2024-01-02
    nodes:
      - {id: 1, model: m}
      - {id: two, model: "on"}
    edges: [{from: 1, to: two}]
"""

TOML = """\
[models.m]
type = "embedding"
memory_gb = 10
gpus_required = 1
inference_time_mean = 0.5

[models.on]
base_model = "m"
memory_gb = 2

[workflows.w]
nodes = [{id = "1", model = "m"}, {id = "two", model = "on"}]
edges = [{from = "1", to = "two"}]
"""


def test_formats_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(YAML)
    (tmp_path / "a.TOML").write_text(TOML)
    for name in ("a.yaml", "a.TOML"):
        reading = read_config([tmp_path / name])
        assert reading.warnings == ()
        assert {k: m.memory_gb for k, m in reading.config.models.items()} == {"m": 10, "on": 2}
        workflow = reading.config.workflows["w"]
        assert [node.node_id for node in workflow.nodes] == ["1", "two"]
        assert workflow.edges == ((0, 1),)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("\ufeff" + json.dumps(BASIC), "utf-8")
    assert read_config([path]).config.name == "a.json"


# --- several files -----------------------------------------------------------------------------


def test_files_are_merged(tmp_path: Path) -> None:
    models = write(tmp_path / "models.json", {"models": BASIC["models"], "name": "x"})
    workflows = write(tmp_path / "workflows.json", {"workflows": BASIC["workflows"], "name": "y"})
    reading = read_config([models, workflows])
    assert reading.config.name == "models.json + workflows.json"
    assert reading.warnings == ()
    assert reading.config.models_of(reading.config.workflows["w"])[0].type == "embedding"


def test_the_later_file_wins_and_a_warning_says_so(tmp_path: Path) -> None:
    first = write(tmp_path / "a.json", BASIC)
    second = write(tmp_path / "b.json", {"models": {"m": {"memory_gb": 5}}})
    reading = read_config([first, second])
    assert reading.config.models["m"].memory_gb == 5.0
    assert reading.config.models["m"].type == "embedding"
    assert reading.warnings == (
        f"{second}, line 3: models.m: differs from {first}; merged, this file wins",
    )
    assert read_config([first, first]).warnings == ()


def test_faults_name_the_file_that_counts(tmp_path: Path) -> None:
    first = write(tmp_path / "a.json", {**BASIC, "workflows": {"w": {"nodes": [{"id": "n"}] * 3}}})
    second = write(tmp_path / "b.json", {"workflows": {"w": {"nodes": [{"id": "n"}]}}})
    (fault,) = check_files([first, second]).faults
    assert (fault.file, fault.path) == (str(second), "workflows.w.nodes[0].model")


def test_unreadable_files_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text('{\n"models": }')
    faults = check_files(["nowhere.json", tmp_path / "broken.json", tmp_path]).faults
    assert [(fault.line, fault.problem) for fault in faults] == [
        (None, "does not exist"),
        (2, "no valid JSON: Expecting value, column 11"),
        (None, "is a folder"),
    ]
    assert check_files([]).faults[0].problem == "no file is named"


# --- workflows, tenants, prompts ---------------------------------------------------------------


def test_fields_of_a_workflow() -> None:
    node = {"id": "n", "model": "m", "inputs": ["x"], "outputs": "y", "config_options": ["a", "a"]}
    stated = {"nodes": [node], "weight": 3, "priority": 2.0, "slo_factor": 1.5, "name": "W"}
    workflow = read({"models": {"m": MODEL}, "workflows": {"w": stated}}).workflows["w"]
    assert (workflow.name, workflow.weight, workflow.priority) == ("W", 3.0, 2)
    assert workflow.slo_factor == 1.5
    assert (workflow.nodes[0].inputs, workflow.nodes[0].outputs) == (("x",), ("y",))
    assert workflow.nodes[0].config_options == ("a",)


@pytest.mark.parametrize(
    ("edges", "warning"),
    [
        (["ab", "ab", "bc"], "edges[1]: stands there twice; counted once"),
        (["ab"], "falls into 2 parts that no edge joins: a+b, c"),
        ([], "falls into 3 parts that no edge joins: a, b, c"),
    ],
)
def test_doubtful_graphs_are_warned_of(edges: list[str], warning: str) -> None:
    graph = {
        "nodes": [{"id": node, "model": "m"} for node in "abc"],
        "edges": [{"from": a, "to": b} for a, b in edges],
    }
    result = check_mapping({"models": {"m": MODEL}, "workflows": {"w": graph}})
    assert result.faults == ()
    assert len(result.warnings) == 1
    assert warning in result.warnings[0]
    assert result.config is not None
    assert len(result.config.workflows["w"].edges) == len(set(edges))


def test_unknown_keys_are_warned_of_once_for_all() -> None:
    nodes = [{"id": str(number), "model": "m", "colour": 1} for number in range(5)]
    stated = {**BASIC, "workflows": {"w": {"nodes": nodes[:1]}, "v": {"nodes": nodes[1:2]}}}
    stated |= {"_comment": 1, "$schema": "x", "metadata": {}, "version": 2, "wrkflows": {}}
    warnings = check_mapping(stated).warnings
    assert [text.partition(": ")[2] for text in warnings] == [
        "wrkflows: no key of a configuration is named 'wrkflows'; ignored; "
        "did you mean 'workflows'?",
        "workflows.w.nodes[0].colour: no key of a node is named 'colour'; ignored "
        "(and in 1 more); known are id, model, name, description, inputs, outputs, config_options",
    ]


def test_tenants_and_arrivals() -> None:
    stated = {
        **BASIC,
        "tenants": {"a": None, "b": {"weight": 2, "workflows": ["w"], "priority": 4,
                                     "arrivals": {"rate_per_second": 2}, "slo_factor": 3}},
        "arrivals": {"gaps": "gamma", "cv": 2},
    }  # fmt: skip
    config = read(stated)
    assert (config.tenants["a"].weight, config.tenants["a"].mix) == (1.0, {})
    assert config.tenants["b"].mix == {"w": 1.0}
    assert config.tenants["b"].arrivals == ArrivalSettings(rate_per_second=2)
    assert (config.tenants["b"].priority, config.tenants["b"].slo_factor) == (4, 3.0)
    assert config.arrivals.cv == 2


def test_a_workflow_may_weigh_0_where_tenants_mix_it() -> None:
    stated = json.loads(json.dumps(BASIC))
    stated["workflows"]["w"]["weight"] = 0
    stated["tenants"] = {"t": {"mix": {"w": 1}}}
    assert read(stated).workflows["w"].weight == 0


def test_a_replay_is_relative_to_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "times.txt").write_text("0\n1\n")
    path = write(tmp_path / "c.json", {**BASIC, "arrivals": {"replay": "times.txt"}})
    assert read_config([path]).config.arrivals.replay == tmp_path / "times.txt"


def test_prompts_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_bytes("\ufeffone\r\n\n  two {x}\r\nthrée".encode())
    path = write(tmp_path / "c.json", {**BASIC, "prompts": {"file": "texts.txt"}})
    assert read_config([path]).config.prompts.lines == ("one", "  two {x}", "thrée")
    (tmp_path / "texts.txt").write_text("\n \n")
    with pytest.raises(ConfigError, match=r"'texts.txt' holds no prompt"):
        read_config([path])


def test_prompts_of_a_template() -> None:
    assert read(BASIC).prompts == PromptSource("Sample prompt for request {i}", ())
    assert read({**BASIC, "prompts": "{{x}} {i}"}).prompts == PromptSource("{{x}} {i}")
    result = check_mapping({**BASIC, "prompts": {"template": "{tenant}"}})
    assert result.config is not None
    assert "there are no tenants" in result.warnings[0]


def test_reading_does_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    line = (
        "from fedloom.workload.config.check import check_files;"
        "r = check_files(['multimodal', 'tenants', 'diffusion']); print(r.config, r.warnings)"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", line],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1
    assert b"differs from" in next(iter(texts))
