"""The JSON Schema, and writing configurations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedloom.errors import InputError, OutputError
from fedloom.workload.config.check import check_mapping
from fedloom.workload.config.json_schema import config_schema
from fedloom.workload.config.read import read_config
from fedloom.workload.config.shipped import shipped_configs
from fedloom.workload.config.source import read_document
from fedloom.workload.config.write import render_config, write_config
from fedloom.workload.config.yaml_text import parse_yaml

TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
    "integer": int, "number": (int, float),
}  # fmt: skip


def misfits(value: Any, schema: dict[str, Any], root: dict[str, Any], path: str = "") -> list[str]:
    """Say where a value breaks a JSON Schema: as much of the standard as is used here."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    for union in ("anyOf", "oneOf"):
        if union in schema and all(misfits(value, one, root, path) for one in schema[union]):
            return [f"{path} fits none of {union}"]
    found = []
    kind = schema.get("type")
    truth = isinstance(value, bool) and kind != "boolean"
    if kind and (truth or not isinstance(value, TYPES[kind])):
        return [f"{path} is no {kind}"]
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        found.append(f"{path} is none of the values")
    number = value if isinstance(value, int | float) else 0
    if kind in ("number", "integer") and (
        number < schema.get("minimum", number)
        or number > schema.get("maximum", number)
        or ("exclusiveMinimum" in schema and number <= schema["exclusiveMinimum"])
    ):
        found.append(f"{path} is out of range")
    if isinstance(value, list):
        for position, item in enumerate(value):
            found += misfits(item, schema.get("items", {}), root, f"{path}[{position}]")
    if isinstance(value, dict):
        found += [
            f"{path}.{key} is missing" for key in schema.get("required", []) if key not in value
        ]
        fields, more = schema.get("properties", {}), schema.get("additionalProperties", {})
        for key, inner in value.items():
            rest = {"const": "nothing"} if more is False else {} if more is True else more
            found += misfits(inner, fields.get(key, rest), root, f"{path}.{key}")
    return found


@pytest.mark.parametrize("name", shipped_configs())
def test_shipped_configurations_fit_the_schema(name: str) -> None:
    schema = config_schema()
    assert misfits(read_document(name).value, schema, schema) == []


@pytest.mark.parametrize(
    ("spoilt", "where"),
    [
        ({"models": {}}, ".workflows is missing"),
        ({"models": {"m": {"memory_gb": "1"}}, "workflows": {}}, ".models.m.memory_gb"),
        ({"models": {}, "workflows": {"w": {"nodes": [{"id": "n"}]}}}, ".nodes[0].model is miss"),
        ({"models": {}, "workflows": {}, "arrivals": {"rate": 1}}, ".arrivals.rate"),
    ],
)
def test_the_schema_refuses(spoilt: dict[str, Any], where: str) -> None:
    schema = config_schema()
    assert any(where in misfit for misfit in misfits(spoilt, schema, schema))


def test_the_schema_takes_the_short_forms() -> None:
    short = {
        "models": {"m": {"type": "vae", "gpus_required": 0, "config": {"a": 1, "b": [None]}}},
        "workflows": {"w": {"nodes": [{"id": 1, "model": "m", "inputs": "x"}]}},
        "tenants": {"t": {"mix": ["w"]}},
        "prompts": "{i}",
    }
    schema = config_schema()
    assert misfits(short, schema, schema) == []
    assert check_mapping(short).faults == ()


def test_every_field_of_ours_is_described() -> None:
    schema = config_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    ours = [name for name in schema["$defs"] if name.endswith("Section")]
    assert sorted(ours) == [
        "EdgeSection", "ModelSection", "NodeSection", "PromptSection", "TenantSection",
        "TokenSection", "WorkflowSection",
    ]  # fmt: skip
    for definition in (schema, *(schema["$defs"][name] for name in ours)):
        for field in definition["properties"].values():
            assert field["description"]
            assert "\n" not in field["description"]
    json.dumps(schema, allow_nan=False)


# --- writing -----------------------------------------------------------------------------------

CONFIG = {
    "models": {
        "1e3": {"memory_gb": 1e-7, "gpus_required": 1, "type": "on", "inference_time_mean": 2},
        "né:#": {"base_model": "1e3", "config": {"a": ["1e3", "no", "2024-01-01", 1e30, None]}},
    },
    "workflows": {"w": {"nodes": [{"id": "null", "model": "né:#", "config_options": ["a"]}]}},
}


@pytest.mark.parametrize("suffix", [".json", ".yaml", ".yml"])
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"new/c{suffix}"
    write_config(CONFIG, path)
    assert read_document(path).value == CONFIG
    config = read_config([path]).config
    assert config.models["né:#"].memory_gb == 1e-7
    assert config.models["né:#"].options["a"].choices == ("1e3", "no", "2024-01-01", 1e30, None)


def test_written_json_is_indented_by_two() -> None:
    assert render_config({"a": {"b": "é"}}, ".json") == '{\n  "a": {\n    "b": "é"\n  }\n}\n'
    assert render_config({"b": {"a": [1, "1e3"]}}, ".yaml") == "b:\n  a:\n  - 1\n  - '1e3'\n"


@pytest.mark.parametrize(
    ("config", "name", "message"),
    [
        ({"a": float("nan")}, "c.json", "cannot be written"),
        ({"a": {1, 2}}, "c.yaml", "cannot be written"),
        ({}, "c.toml", "not '.toml'"),
    ],
)
def test_what_cannot_be_written(
    tmp_path: Path, config: dict[str, Any], name: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        write_config(config, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        write_config({}, tmp_path / "file" / "c.json")


ODD = "\x85\u2028\u2029\x7f\xa0\ufeff\r\n\t \x00'\"\\#:-"
SCALARS = (
    st.none() | st.booleans() | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(ODD), max_size=8)
    | st.sampled_from(["1e3", ".5e-3", "1.e+2", "yes", "~", "0x1f", "1_000", "12:30", "<<", "="])
)  # fmt: skip
KEYS = st.sampled_from(["a", "1", "1e3", "on", "null", "x y", "<<", "=", "0x1", *ODD])


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(KEYS, SCALARS | st.lists(SCALARS) | st.dictionaries(KEYS, SCALARS)))
def test_yaml_that_is_written_is_read_back(config: dict[str, Any]) -> None:
    read = parse_yaml(render_config(config, ".yaml")).value
    assert read == config
    assert repr(read) == repr(config)
