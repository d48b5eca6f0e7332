"""ComfyUI workflows: both forms, what does not run, unknown nodes, models and options."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from fedloom.errors import InputError
from fedloom.workload.traces.comfyui.importer import read_graph
from fedloom.workload.traces.imported import Imported
from fedloom.workload.traces.registry import detect_kind, import_trace

CHECKPOINT = "SDXL\\dream_v2.safetensors"

API: dict[str, Any] = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": CHECKPOINT}},
    "5": {"class_type": "EmptyLatentImage",
          "inputs": {"width": 1024, "height": 768, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a barn", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
    "3": {"class_type": "KSampler",
          "inputs": {"seed": 1, "steps": 20, "cfg": 7.0, "sampler_name": "heun",
                     "scheduler": "normal", "denoise": 1.0, "model": ["4", 0],
                     "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x", "images": ["8", 0]}},
}  # fmt: skip


def slots(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "type": "*"} for name in names]


def ui(nodes: list[dict[str, Any]], links: list[Any], **more: Any) -> dict[str, Any]:
    return {"last_node_id": 99, "nodes": nodes, "links": links, "version": 0.4, **more}


def ui_of_api() -> dict[str, Any]:
    """The same workflow as `API`, as the editor saves it."""
    widgets = {
        "4": [CHECKPOINT],
        "5": [1024, 768, 1],
        "6": ["a barn"],
        "7": ["blurry"],
        "3": [1, "randomize", 20, 7.0, "heun", "normal", 1.0],
        "8": [],
        "9": ["x"],
    }
    nodes: list[dict[str, Any]] = []
    links: list[Any] = []
    for node_id, node in API.items():
        wired = [name for name, value in node["inputs"].items() if isinstance(value, list)]
        nodes.append(
            {"id": int(node_id), "type": node["class_type"], "mode": 0, "inputs": slots(*wired),
             "outputs": slots("OUT"), "widgets_values": widgets[node_id]}
        )  # fmt: skip
        for slot, name in enumerate(wired):
            source, output = node["inputs"][name]
            links.append([len(links) + 1, int(source), output, int(node_id), slot, "*"])
    return ui(nodes, links)


def put(folder: Path, name: str, data: object) -> Path:
    (folder / name).write_text(data if isinstance(data, str) else json.dumps(data))
    return folder / name


def load(*paths: Path) -> Imported:
    imported = import_trace("auto", list(paths))
    assert list(imported.requests) == []
    return imported


def edges(workflow: dict[str, Any]) -> set[tuple[str, str]]:
    return {(edge["from"], edge["to"]) for edge in workflow["edges"]}


def valid(config: dict[str, Any], folder: Path) -> tuple[str, ...]:
    from fedloom.workload.config.read import read_config
    from fedloom.workload.config.write import write_config

    write_config(config, folder / "written.json")
    return read_config([folder / "written.json"]).warnings


EDGES = {
    ("4", "3"), ("4", "6"), ("4", "7"), ("4", "8"), ("5", "3"), ("6", "3"), ("7", "3"),
    ("3", "8"), ("8", "9"),
}  # fmt: skip


@pytest.mark.parametrize("form", ["api", "ui", "prompt", "extra"])
def test_all_forms_by_hand(form: str, tmp_path: Path) -> None:
    data = {
        "api": API,
        "ui": ui_of_api(),
        "prompt": {"prompt": API, "client_id": "x"},
        "extra": {"workflow": ui_of_api()},
    }[form]
    imported = load(put(tmp_path, "barn.json", data))
    assert imported.warnings == []
    workflow = imported.config["workflows"]["barn"]
    assert edges(workflow) == EDGES
    assert {node["id"]: node["model"] for node in workflow["nodes"]} == {
        "4": "utility_CheckpointLoaderSimple",
        "5": "utility_EmptyLatentImage",
        "6": "embedding_SDXL/dream_v2",
        "7": "embedding_SDXL/dream_v2",
        "3": "image_generation_SDXL/dream_v2",
        "8": "image_processing_SDXL/dream_v2",
        "9": "utility_SaveImage",
    }
    assert imported.config["models"]["image_generation_SDXL/dream_v2"] == {
        "name": "SDXL/dream_v2",
        "type": "image_generation",
        "memory_gb": 8.0,
        "gpus_required": 1,
        "load_time_seconds": 2.5,
        "inference_time_mean": 3.0,
        "inference_time_std": 0.8,
        "config": {
            "width": [768, 1024, 1280],
            "height": [576, 768, 960],
            "steps": [10, 20, 30],
            "sampler_name": ["heun", "euler", "dpmpp_2m"],
            "cfg": [6.0, 7.0, 8.0],
        },
        "option_time_factors": {
            "width": {"per": 1024},
            "height": {"per": 768},
            "steps": {"per": 20},
            "sampler_name": {"heun": 1.0, "euler": 0.5, "dpmpp_2m": 0.5},
        },
    }
    sampler = next(node for node in workflow["nodes"] if node["id"] == "3")
    assert sampler["config_options"] == ["width", "height", "steps", "sampler_name", "cfg"]
    assert sampler["inputs"] == ["model", "positive", "negative", "latent_image"]
    assert valid(imported.config, tmp_path) == ()


def test_the_configuration_generates_and_scales_time(tmp_path: Path) -> None:
    from fedloom.workload.config.read import read_config

    valid(load(put(tmp_path, "barn.json", API)).config, tmp_path)
    config = read_config([tmp_path / "written.json"]).config
    options = config.models["image_generation_SDXL/dream_v2"].options
    assert options["steps"].factors == (0.5, 1.0, 1.5)
    assert options["width"].factors == (0.75, 1.0, 1.25)
    assert options["sampler_name"].factors == (1.0, 0.5, 0.5)
    assert options["cfg"].factors == (1.0, 1.0, 1.0)


def test_utilities_need_no_gpu(tmp_path: Path) -> None:
    models = load(put(tmp_path, "barn.json", API)).config["models"]
    utility = models["utility_SaveImage"]
    assert (utility["gpus_required"], utility["memory_gb"]) == (0, 1.0)
    assert (utility["inference_time_mean"], utility["inference_time_std"]) == (0.1, 0.05)


def test_unknown_nodes_stay_with_their_links(tmp_path: Path) -> None:
    data = API | {
        "10": {"class_type": "Glitter 3000", "inputs": {"images": ["8", 0], "n": 3}},
        "11": {"class_type": "Glitter 3000", "inputs": {"images": ["10", 0]}},
    }
    imported = load(put(tmp_path, "barn.json", data))
    assert edges(imported.config["workflows"]["barn"]) == EDGES | {("8", "10"), ("10", "11")}
    assert imported.config["models"]["utility_Glitter_3000"]["gpus_required"] == 0
    assert imported.warnings == [
        "barn.json: unknown node 'Glitter 3000' (10, 11) is kept as a utility node"
    ]
    valid(imported.config, tmp_path)


def test_links_as_objects(tmp_path: Path) -> None:
    data = ui_of_api()
    data["links"] = [
        {"id": number, "origin_id": source, "origin_slot": out, "target_id": target,
         "target_slot": slot, "type": kind}
        for number, source, out, target, slot, kind in data["links"]
    ]  # fmt: skip
    assert edges(load(put(tmp_path, "w.json", data)).config["workflows"]["w"]) == EDGES


def chain(middle: dict[str, Any], links: list[Any] | None = None) -> dict[str, Any]:
    """Load → middle → save, the middle node being 2."""
    nodes = [
        {"id": 1, "type": "LoadImage", "outputs": slots("IMAGE"), "widgets_values": ["a.png"]},
        {"id": 2, "inputs": slots("image"), "outputs": slots("IMAGE"), **middle},
        {"id": 3, "type": "SaveImage", "inputs": slots("images")},
    ]
    return ui(nodes, links or [[1, 1, 0, 2, 0, "IMAGE"], [2, 2, 0, 3, 0, "IMAGE"]])


@pytest.mark.parametrize(
    "middle", [{"type": "Reroute"}, {"type": "ImageInvert", "mode": 4}, {"type": "X", "mode": 4}]
)
def test_links_pass_through_what_does_not_run(middle: dict[str, Any], tmp_path: Path) -> None:
    imported = load(put(tmp_path, "w.json", chain(middle)))
    workflow = imported.config["workflows"]["w"]
    assert [node["id"] for node in workflow["nodes"]] == ["1", "3"]
    assert edges(workflow) == {("1", "3")}
    assert imported.warnings == []


def test_reroutes_in_a_row(tmp_path: Path) -> None:
    data = ui(
        [
            {"id": 4, "type": "Reroute", "inputs": slots(""), "outputs": slots("")},
            {"id": 1, "type": "LoadImage", "outputs": slots("IMAGE")},
            {"id": 2, "type": "Reroute", "inputs": slots(""), "outputs": slots("")},
            {"id": 3, "type": "SaveImage", "inputs": slots("images")},
            {"id": 5, "type": "PreviewImage", "inputs": slots("images")},
        ],
        [[1, 1, 0, 2, 0, "*"], [2, 2, 0, 4, 0, "*"], [3, 4, 0, 3, 0, "IMAGE"],
         [4, 4, 0, 5, 0, "IMAGE"]],
    )  # fmt: skip
    assert edges(load(put(tmp_path, "w.json", data)).config["workflows"]["w"]) == {
        ("1", "3"),
        ("1", "5"),
    }


def test_set_and_get_nodes_are_a_link(tmp_path: Path) -> None:
    data = ui(
        [
            {"id": 1, "type": "LoadImage", "outputs": slots("IMAGE")},
            {"id": 2, "type": "SetNode", "inputs": slots("IMAGE"), "widgets_values": ["pic"]},
            {"id": 3, "type": "GetNode", "outputs": slots("IMAGE"), "widgets_values": ["pic"]},
            {"id": 4, "type": "SaveImage", "inputs": slots("images")},
        ],
        [[1, 1, 0, 2, 0, "IMAGE"], [2, 3, 0, 4, 0, "IMAGE"]],
    )
    workflow = load(put(tmp_path, "w.json", data)).config["workflows"]["w"]
    assert edges(workflow) == {("1", "4")}


def test_muted_nodes_are_left_out_with_a_warning(tmp_path: Path) -> None:
    imported = load(put(tmp_path, "w.json", chain({"type": "ImageInvert", "mode": 2})))
    assert edges(imported.config["workflows"]["w"]) == set()
    (warning,) = imported.warnings
    assert "node 2 (ImageInvert) is muted" in warning
    assert "node 3" in warning


def test_a_bypassed_node_without_such_an_input(tmp_path: Path) -> None:
    links = [[1, 1, 0, 2, 0, "MASK"], [2, 2, 0, 3, 0, "IMAGE"]]
    imported = load(put(tmp_path, "w.json", chain({"type": "X", "mode": 4}, links)))
    assert ["bypassed" in warning for warning in imported.warnings] == [True]


def test_notes_and_primitives_do_not_run(tmp_path: Path) -> None:
    data = ui_of_api()
    data["nodes"] += [
        {"id": 20, "type": "Note", "widgets_values": ["hello"]},
        {"id": 21, "type": "PrimitiveNode", "outputs": slots("INT"), "widgets_values": [20]},
    ]
    data["links"].append([77, 21, 0, 3, 0, "INT"])
    imported = load(put(tmp_path, "w.json", data))
    assert edges(imported.config["workflows"]["w"]) == EDGES
    assert imported.warnings == []


def test_a_subgraph_is_one_node(tmp_path: Path) -> None:
    data = chain({"type": "1b2c-uuid"})
    data["definitions"] = {"subgraphs": [{"id": "1b2c-uuid", "name": "Face fix", "nodes": []}]}
    imported = load(put(tmp_path, "w.json", data))
    assert edges(imported.config["workflows"]["w"]) == {("1", "2"), ("2", "3")}
    assert imported.warnings == [
        "w.json: unknown node 'subgraph Face fix' (2) is kept as a utility node"
    ]


def test_dangling_links_are_reported(tmp_path: Path) -> None:
    links = [[1, 1, 0, 2, 0, "IMAGE"], [2, 2, 0, 3, 0, "IMAGE"], [9, 2, 0, 44, 0, "IMAGE"]]
    imported = load(put(tmp_path, "w.json", chain({"type": "ImageInvert"}, links)))
    assert imported.warnings == [
        "w.json: link 9 names node 44, which the file does not have; it is left out"
    ]
    broken = API | {"12": {"class_type": "SaveImage", "inputs": {"images": ["99", 0]}}}
    (warning,) = load(put(tmp_path, "v.json", broken)).warnings
    assert "input images of node 12 comes from node 99" in warning


def test_circles_are_refused(tmp_path: Path) -> None:
    links = [[1, 1, 0, 2, 0, "IMAGE"], [2, 2, 0, 3, 0, "IMAGE"], [3, 3, 0, 1, 0, "IMAGE"]]
    with pytest.raises(InputError, match=r"w\.json: nodes \d → \d → \d → \d wait") as caught:
        load(put(tmp_path, "w.json", chain({"type": "ImageInvert"}, links)))
    around = re.findall(r"\d", str(caught.value).split("nodes")[1])
    assert "".join(around) in ("1231", "2312", "3123")


def test_steps_and_sampler_of_custom_sampling(tmp_path: Path) -> None:
    data = {
        "1": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux.gguf"}},
        "2": {"class_type": "BasicGuider", "inputs": {"model": ["1", 0]}},
        "3": {"class_type": "BasicScheduler", "inputs": {"steps": 4, "model": ["1", 0]}},
        "4": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
        "5": {"class_type": "EmptySD3LatentImage", "inputs": {"width": 512, "height": 512}},
        "6": {"class_type": "SamplerCustomAdvanced",
              "inputs": {"guider": ["2", 0], "sampler": ["4", 0], "sigmas": ["3", 0],
                         "latent_image": ["5", 0]}},
    }  # fmt: skip
    model = load(put(tmp_path, "w.json", data)).config["models"]["image_generation_flux"]
    assert model["config"] == {
        "width": [384, 512, 640],
        "height": [384, 512, 640],
        "steps": [2, 4, 6],
        "sampler_name": ["euler", "dpmpp_2m"],
    }
    assert "sampler_name" not in model["option_time_factors"]


def test_the_size_of_prompts_is_not_that_of_the_image(tmp_path: Path) -> None:
    data = json.loads(json.dumps(API))
    data["6"] = {"class_type": "CLIPTextEncodeSDXL",
                 "inputs": {"width": 4096, "height": 4096, "clip": ["4", 1]}}  # fmt: skip
    model = load(put(tmp_path, "w.json", data)).config["models"]["image_generation_SDXL/dream_v2"]
    assert model["config"]["width"] == [768, 1024, 1280]


def test_a_sampler_of_video_latents_makes_a_video(tmp_path: Path) -> None:
    data = json.loads(json.dumps(API))
    data["5"] = {"class_type": "EmptyHunyuanLatentVideo",
                 "inputs": {"width": 848, "height": 480, "length": 33}}  # fmt: skip
    models = load(put(tmp_path, "w.json", data)).config["models"]
    assert models["video_generation_SDXL/dream_v2"]["inference_time_mean"] == 15.0


def test_several_files_and_folders_share_models(tmp_path: Path) -> None:
    folder = tmp_path / "all"
    (folder / "sub").mkdir(parents=True)
    second = json.loads(json.dumps(API))
    second["3"]["inputs"] |= {"steps": 30, "sampler_name": "euler"}
    put(folder, "a.json", API)
    put(folder / "sub", "a.json", second)
    put(folder, "other.json", {"unrelated": 1})
    imported = load(folder)
    assert detect_kind(folder) == "comfyui"
    assert list(imported.config["workflows"]) == ["a", "a_2"]
    model = imported.config["models"]["image_generation_SDXL/dream_v2"]
    assert model["config"]["steps"] == [10, 15, 20, 30, 45]
    (warning,) = imported.warnings
    assert "other.json is no ComfyUI workflow" in warning
    assert valid(imported.config, tmp_path) == ()


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[]", "no ComfyUI workflow"),
        ("{}", "no ComfyUI workflow"),
        ({"nodes": [], "links": []}, "no node that runs"),
        ({"nodes": [{"id": 1}], "links": []}, r"nodes\[0\] has no id or no type"),
        ({"nodes": [{"id": 1, "type": "A"}, {"id": "1", "type": "B"}]}, "node id 1 stands twice"),
        ({"nodes": [{"id": 1, "type": "A"}], "links": [[1, 2]]}, r"links\[0\] is \[1, 2\]"),
        ({"nodes": [{"id": 1, "type": "A"}], "links": 3}, "links"),
        ({"1": {"class_type": "A", "inputs": []}}, "inputs of node 1"),
        ({"1": {"class_type": "A"}, "2": {}}, "node 2 has no class_type"),
        ({"1": {"class_type": "A"}, "2": None}, "node 2 has no class_type"),
    ],
)
def test_rubbish_is_refused(data: object, match: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=match) as caught:
        import_trace("comfyui", [put(tmp_path, "w.json", data)])
    assert "w.json" in str(caught.value)


def test_a_folder_without_workflows(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no ComfyUI workflow in"):
        import_trace("comfyui", [tmp_path])


def test_cut_anywhere_is_refused(tmp_path: Path) -> None:
    text = json.dumps(API)
    for length in range(0, len(text), 7):
        with pytest.raises(InputError):
            import_trace("comfyui", [put(tmp_path, "w.json", text[:length])])


ODD: tuple[Any, ...] = (None, 3, "x", [], {}, [None], True, {"a": [1]}, -1.5)


@pytest.mark.parametrize("key", ["inputs", "outputs", "widgets_values", "mode", "type", "id"])
def test_odd_nodes_give_a_graph_or_a_clear_error(key: str, tmp_path: Path) -> None:
    for odd in ODD:
        data = ui_of_api()
        data["nodes"][4][key] = odd
        with contextlib.suppress(InputError):
            load(put(tmp_path, "w.json", data))


@pytest.mark.parametrize("key", ["links", "definitions", "nodes"])
def test_odd_files_give_a_graph_or_a_clear_error(key: str, tmp_path: Path) -> None:
    for odd in ODD:
        with contextlib.suppress(InputError):
            load(put(tmp_path, "w.json", ui_of_api() | {key: odd}))


def test_links_are_counted_in_the_graph(tmp_path: Path) -> None:
    graph = read_graph(put(tmp_path, "w.json", API))
    assert len(graph.links) == 9
