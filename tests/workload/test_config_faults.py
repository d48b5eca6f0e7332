"""Every fault of a configuration is found, at its line, together with all others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedloom.errors import InputError
from fedloom.workload.config.check import check_files, check_mapping
from fedloom.workload.config.faults import ConfigError, Fault
from fedloom.workload.config.read import read_config


def sound() -> dict[str, Any]:
    """Return a configuration without faults, for tests to spoil."""
    return {
        "models": {
            "talk": {
                "memory_gb": 10, "gpus_required": 1, "tokens_per_second": 50,
                "token_mean": 100, "token_std": 10,
            },
            "paint": {
                "type": "image_generation", "memory_gb": 8, "gpus_required": 1,
                "inference_time_mean": 2, "inference_time_std": 0.5,
                "config": {"width": [512, 768]},
            },
        },
        "workflows": {
            "w1": {
                "nodes": [
                    {"id": "a", "model": "talk"},
                    {"id": "b", "model": "paint", "config_options": ["width"]},
                    {"id": "c", "model": "talk"},
                ],
                "edges": [{"from": "a", "to": "b"}, {"from": "b", "to": "c"}],
            }
        },
    }  # fmt: skip


def test_the_sound_one_has_no_faults() -> None:
    result = check_mapping(sound())
    assert (result.faults, result.warnings) == ((), ())
    assert result.config is not None


Spoil = Callable[[dict[str, Any]], object]


def spoil_model(**fields: Any) -> Spoil:
    return lambda config: config["models"]["talk"].update(fields)


def spoil_picture(**fields: Any) -> Spoil:
    return lambda config: config["models"]["paint"].update(fields)


def spoil_workflow(**fields: Any) -> Spoil:
    return lambda config: config["workflows"]["w1"].update(fields)


def spoil_top(**fields: Any) -> Spoil:
    return lambda config: config.update(fields)


def spoil_node(**fields: Any) -> Spoil:
    return lambda config: config["workflows"]["w1"]["nodes"][1].update(fields)


def add_edge(start: Any, end: Any) -> Spoil:
    return lambda config: config["workflows"]["w1"]["edges"].append({"from": start, "to": end})


MANY = "x" * 3000

CASES: dict[str, tuple[Spoil, str, str]] = {
    "negative memory": (spoil_model(memory_gb=-1), "models.talk.memory_gb", "is -1"),
    "no memory": (spoil_model(memory_gb=0), "models.talk.memory_gb", "is 0"),
    "memory missing": (spoil_model(memory_gb=None), "models.talk.memory_gb", "is missing"),
    "memory text": (spoil_model(memory_gb="14"), "models.talk.memory_gb", 'is "14"'),
    "memory true": (spoil_model(memory_gb=True), "models.talk.memory_gb", "is true"),
    "NaN": (spoil_model(memory_gb=float("nan")), "models.talk.memory_gb", "is NaN"),
    "infinite": (spoil_model(memory_gb=float("inf")), "models.talk.memory_gb", "is Infinity"),
    "half a GPU": (spoil_model(gpus_required=1.5), "models.talk.gpus_required", "is 1.5"),
    "negative GPUs": (spoil_model(gpus_required=-1), "models.talk.gpus_required", "is -1"),
    "GPUs missing": (spoil_model(gpus_required=None), "models.talk.gpus_required", "is missing"),
    "GPUs true": (spoil_model(gpus_required=True), "models.talk.gpus_required", "is true"),
    "speed 0": (spoil_model(tokens_per_second=0), "models.talk.tokens_per_second", "is 0"),
    "negative spread": (spoil_model(token_std=-2), "models.talk.token_std", "is -2"),
    "correlation": (spoil_model(token_correlation=1.01), "models.talk.token_correlation", "1.01"),
    "negative load": (spoil_model(load_time_seconds=-3), "models.talk.load_time_seconds", "-3"),
    "law": (spoil_model(token_law="nomal"), "models.talk.token_law", "nomal"),
    "prompt tokens": (
        spoil_model(input_tokens={"std": 3}), "models.talk.input_tokens.mean", "is missing"),
    "prompt tokens type": (spoil_model(input_tokens=7), "models.talk.input_tokens", "is 7"),
    "bounds of tokens": (
        spoil_model(token_min=9, token_max=8), "models.talk.token_min", "above token_max"),
    "endless call": (
        spoil_model(tokens_per_second=1e-9), "models.talk", "takes 1e+11 s"),
    "type": (spoil_model(type=["llm"]), "models.talk.type", "is a list"),
    "missing base": (spoil_model(base_model="pait"), "models.talk.base_model", "'pait'"),
    "own base": (spoil_model(base_model="talk"), "models.talk.base_model", "talk → talk"),
    "model no map": (
        lambda config: config["models"].update(talk=3), "models.talk", "is 3"),
    "picture without time": (
        spoil_picture(inference_time_mean=None), "models.paint.inference_time_mean", "missing"),
    "bounds of time": (
        spoil_picture(inference_time_min=3, inference_time_max=1),
        "models.paint.inference_time_min", "above inference_time_max"),
    "spread of gamma": (
        spoil_picture(time_law="gamma", inference_time_std=None),
        "models.paint.inference_time_std", "missing"),
    "mean of gamma": (
        spoil_picture(time_law="gamma", inference_time_mean=0),
        "models.paint.inference_time_mean", "is 0"),
    "option no list": (spoil_picture(config=["width"]), "models.paint.config", "is a list"),
    "choice of lists": (
        spoil_picture(config={"width": [[1, 2]]}), "models.paint.config.width", "a list"),
    "choice NaN": (
        spoil_picture(config={"width": [float("nan")]}), "models.paint.config.width", "NaN"),
    "factor 0": (
        spoil_picture(option_time_factors={"width": {"512": 0}}),
        "models.paint.option_time_factors.width.512", "is 0"),
    "per a text": (
        spoil_picture(config={"m": ["x"]}, option_time_factors={"m": {"per": 2}}),
        "models.paint.option_time_factors.m", 'a choice is "x"'),
    "factor too large": (
        spoil_picture(config={"n": [10**400]}, option_time_factors={"n": {"per": 2}}),
        "models.paint.option_time_factors.n", "makes a factor of"),
    "factor too small": (
        spoil_picture(config={"n": [5e-324]}, option_time_factors={"n": {"per": 2}}),
        "models.paint.option_time_factors.n", "makes a factor of 0 for"),
    "power": (
        spoil_picture(option_time_factors={"width": {"per": 2, "power": 1.5}}),
        "models.paint.option_time_factors.width.power", "is 1.5"),
    "no models": (spoil_top(models={}), "models", "there are no models"),
    "models a list": (spoil_top(models=[]), "models", "is an empty list"),
    "no workflows": (spoil_top(workflows=None), "workflows", "there are no workflows"),
    "workflow no map": (spoil_top(workflows={"w1": []}), "workflows.w1", "an empty list"),
    "no nodes": (spoil_workflow(nodes=[], edges=[]), "workflows.w1.nodes", "empty list"),
    "nodes missing": (spoil_workflow(nodes=None, edges=[]), "workflows.w1.nodes", "is missing"),
    "nodes a map": (spoil_workflow(nodes={"a": {}}, edges=[]), "workflows.w1.nodes", "is a map"),
    "edges a map": (spoil_workflow(edges={"a": "b"}), "workflows.w1.edges", "is a map"),
    "edge a list": (
        lambda config: config["workflows"]["w1"]["edges"].append(["a", "b"]),
        "workflows.w1.edges[2]", "is a list"),
    "edge without end": (add_edge("a", None), "workflows.w1.edges[2].to", "is missing"),
    "node without id": (
        lambda config: config["workflows"]["w1"]["nodes"].append({"model": "talk"}),
        "workflows.w1.nodes[3].id", "is missing"),
    "node without model": (spoil_node(model=None), "workflows.w1.nodes[1].model", "is missing"),
    "unknown model": (spoil_node(model="piant"), "workflows.w1.nodes[1].model", "'piant'"),
    "duplicate node": (
        lambda config: config["workflows"]["w1"]["nodes"].append({"id": "a", "model": "talk"}),
        "workflows.w1.nodes[3].id", "two nodes have the id 'a'"),
    "dangling from": (add_edge("z", "a"), "workflows.w1.edges[2].from", "missing node 'z'"),
    "dangling to": (add_edge("a", MANY), "workflows.w1.edges[2].to", "missing node 'xxx"),
    "self edge": (add_edge("a", "a"), "workflows.w1.edges[2]", "'a' waits for itself"),
    "cycle": (add_edge("c", "a"), "workflows.w1.edges", "cycle a → b → c → a"),
    "weight": (spoil_workflow(weight=-1), "workflows.w1.weight", "is -1"),
    "all weights 0": (spoil_workflow(weight=0), "workflows", "all weights are 0"),
    "priority": (spoil_workflow(priority=0.5), "workflows.w1.priority", "is 0.5"),
    "SLO factor": (spoil_workflow(slo_factor=0), "workflows.w1.slo_factor", "is 0"),
    "tenants a list": (spoil_top(tenants=["t"]), "tenants", "is a list"),
    "tenant weight": (
        spoil_top(tenants={"t": {"weight": "2"}}), "tenants.t.weight", 'is "2"'),
    "tenants' weights 0": (
        spoil_top(tenants={"t": {"weight": 0}}), "tenants", "all weights are 0"),
    "mix unknown": (
        spoil_top(tenants={"t": {"mix": {"w2": 1}}}), "tenants.t.mix.w2", "workflow 'w2'"),
    "mix alias unknown": (
        spoil_top(tenants={"t": {"workflows": ["w2"]}}), "tenants.t.workflows.w2", "'w2'"),
    "mix twice": (
        spoil_top(tenants={"t": {"workflows": ["w1"], "mix": {"w1": 1}}}), "tenants.t", "both"),
    "mix weights 0": (
        spoil_top(tenants={"t": {"mix": {"w1": 0}}}), "tenants.t.mix", "all weights are 0"),
    "arrivals key": (
        spoil_top(arrivals={"rate": 3}), "arrivals.rate", "no key of arrivals"),
    "arrivals kind": (
        spoil_top(arrivals={"profile": {"kind": "dirunal"}}), "arrivals.profile", "dirunal"),
    "arrivals no kind": (
        spoil_top(arrivals={"profile": {}}), "arrivals.profile", "states no 'kind'"),
    "arrivals amplitude": (
        spoil_top(arrivals={"profile": {"kind": "diurnal", "amplitude": 3}}),
        "arrivals.profile.amplitude", "is 3"),
    "arrivals cv": (spoil_top(arrivals={"cv": 2}), "arrivals", "use gamma or weibull"),
    "arrivals of a tenant": (
        spoil_top(tenants={"t": {"arrivals": {"rate_per_second": 0}}}),
        "tenants.t.arrivals.rate_per_second", "is 0"),
    "replay": (
        spoil_top(arrivals={"replay": "nowhere.txt"}), "arrivals.replay", "'nowhere.txt'"),
    "placeholder": (spoil_top(prompts="for {x}"), "prompts", "placeholder {x}"),
    "no placeholder": (spoil_top(prompts="for {}"), "prompts", "placeholder {}"),
    "format": (spoil_top(prompts="{i:04d}"), "prompts", "gives {i} a format"),
    "brace": (spoil_top(prompts="{i"), "prompts", "is no template"),
    "prompt file": (
        spoil_top(prompts={"file": "nowhere.txt"}), "prompts.file", "cannot read 'nowhere.txt'"),
    "prompts twice": (
        spoil_top(prompts={"file": "nowhere.txt", "template": "x"}), "prompts", "both"),
    "prompts": (spoil_top(prompts=4), "prompts", "is 4"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_fault_is_found_where_it_stands(case: str) -> None:
    spoil, path, problem = CASES[case]
    config = sound()
    spoil(config)
    result = check_mapping(config)
    assert result.config is None
    found = [fault for fault in result.faults if fault.path == path and problem in str(fault)]
    assert found, [str(fault) for fault in result.faults]
    allowed = 2 if case == "prompts twice" else 1  # the file that is stated is missing, too
    assert len(result.faults) == allowed, [str(fault) for fault in result.faults]
    assert "\n" not in str(found[0])


def test_all_faults_come_at_once() -> None:
    """Spoil everything that can be spoilt without hiding another fault."""
    config = sound()
    cases = ["half a GPU", "factor 0", "dangling from", "dangling to", "self edge", "weight",
             "mix unknown", "arrivals cv", "placeholder"]  # fmt: skip
    for case in cases:
        CASES[case][0](config)
    result = check_mapping(config)
    assert {fault.path for fault in result.faults} >= {
        "models.talk.gpus_required", "models.paint.option_time_factors.width.512",
        "workflows.w1.edges[2].from", "workflows.w1.edges[3].to", "workflows.w1.edges[4]",
        "workflows.w1.weight", "tenants.t.mix.w2", "arrivals", "prompts",
    }  # fmt: skip
    assert len(result.faults) == len(cases)


FAULTY = """\
models:
  talk: {memory_gb: 10, gpus_required: 1, tokens_per_second: 50, token_mean: 100}

workflows:
  pipeline:
    nodes:
      - {id: summary, model: talk}
      - {id: title, model: tlak}
    edges:
      - from: summary
        to: titel
      - {from: draft, to: title}
"""


def test_faults_have_lines_and_nearest_names(tmp_path: Path) -> None:
    path = tmp_path / "faulty.yaml"
    path.write_text(FAULTY)
    faults = check_files([path]).faults
    assert [(fault.line, fault.path) for fault in faults] == [
        (8, "workflows.pipeline.nodes[1].model"),
        (11, "workflows.pipeline.edges[0].to"),
        (12, "workflows.pipeline.edges[1].from"),
    ]
    assert str(faults[0]) == (
        f"{path}, line 8: workflows.pipeline.nodes[1].model: names the unknown model 'tlak' "
        "(did you mean 'talk'?)"
    )
    assert str(faults[1]) == (
        f"{path}, line 11: workflows.pipeline.edges[0].to: the edge 'summary' → 'titel' of "
        "workflow 'pipeline' needs the missing node 'titel' (did you mean 'title'?)"
    )


def test_error_carries_all_faults_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "faulty.yaml"
    path.write_text(FAULTY)
    with pytest.raises(ConfigError) as caught:
        read_config([path])
    assert isinstance(caught.value, InputError)
    assert caught.value.exit_code == 2
    assert len(caught.value.faults) == 3
    message = str(caught.value)
    assert message.startswith("3 faults in the configuration: ")
    assert "\n" not in message
    assert all(str(fault) in message for fault in caught.value.faults)


def test_a_very_long_error_says_how_many_more() -> None:
    faults = [Fault("f", None, "", f"problem {number}") for number in range(250)]
    assert str(ConfigError(faults)).endswith("problem 99; and 150 more")


@pytest.mark.parametrize(
    ("nodes", "edges", "dangling"),
    [
        # The shapes of the published files with faults: edges that name what is not there.
        ("abcde", ["ab", "bc", "cd", "dx"], ["edges[3].to"]),
        ("abcde", ["ab", "ac", "xd", "bd", "cd", "dy", "de"], ["edges[2].from", "edges[5].to"]),
        ("abcdefg", ["ab", "xy", "bc", "cd", "de", "ef", "fg", "ga", "az"],
         ["edges", "edges[1].from", "edges[1].to", "edges[8].to"]),
    ],
)  # fmt: skip
def test_the_three_faulty_shapes(
    tmp_path: Path, nodes: str, edges: list[str], dangling: list[str]
) -> None:
    config = sound()
    config["workflows"]["w1"] = {
        "nodes": [{"id": node, "model": "talk"} for node in nodes],
        "edges": [{"from": start, "to": end} for start, end in edges],
    }
    path = tmp_path / "shape.json"
    path.write_text(json.dumps(config, indent=1))
    faults = check_files([path]).faults
    assert sorted(fault.path for fault in faults) == [f"workflows.w1.{end}" for end in dangling]
    for fault in faults:  # the line shows what the fault is about
        text = path.read_text().splitlines()[(fault.line or 0) - 1]
        assert fault.path.rpartition(".")[2].partition("[")[0] in text


def test_duplicate_ids_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "twice.json"
    text = json.dumps(sound(), indent=1)
    path.write_text(text.replace('"paint": {', '"talk": {', 1))
    faults = check_files([path]).faults
    twice = next(fault for fault in faults if "twice" in fault.problem)
    assert (twice.path, twice.line) == ("models.talk", 10)
    assert twice.problem == "stands there twice, first in line 3"


def test_circle_of_bases_is_reported_once() -> None:
    config = sound()
    config["models"] |= {
        "x": {"base_model": "y"}, "y": {"base_model": "z"}, "z": {"base_model": "x"},
        "child": {"base_model": "z"},
    }  # fmt: skip
    config["workflows"]["w1"]["nodes"][0]["model"] = "child"
    faults = check_mapping(config).faults
    assert [fault.problem for fault in faults] == ["inherits in a circle: x → y → z → x"]


def test_a_wrong_inherited_field_is_reported_once_at_the_base() -> None:
    config = sound()
    config["models"]["talk"]["memory_gb"] = -4
    config["models"]["heir"] = {"base_model": "talk"}
    config["workflows"]["w1"]["nodes"][0]["model"] = "heir"
    assert [fault.path for fault in check_mapping(config).faults] == ["models.talk.memory_gb"]


def test_an_edge_to_a_node_with_faults_does_not_dangle() -> None:
    config = sound()
    config["workflows"]["w1"]["nodes"][1]["config_options"] = 5.5
    config["workflows"]["w1"]["nodes"][1]["inputs"] = [["x"]]
    faults = check_mapping(config).faults
    assert [fault.path for fault in faults] == ["workflows.w1.nodes[1].inputs[0]"]


def test_two_cycles_are_both_drawn() -> None:
    config = sound()
    config["workflows"]["w1"] = {
        "nodes": [{"id": node, "model": "talk"} for node in "abcde"],
        "edges": [{"from": a, "to": b} for a, b in ["ab", "bc", "cb", "cd", "de", "ed"]],
    }
    faults = check_mapping(config).faults
    assert [fault.problem for fault in faults] == [
        "has the cycle b → c → b",
        "has the cycle d → e → d",
    ]
