"""The lines of values in JSON, YAML and TOML, and texts that are none of these."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fedloom.workload.config.check import check_files, check_mapping
from fedloom.workload.config.faults import KeyPath, spell_path
from fedloom.workload.config.json_text import parse_json
from fedloom.workload.config.places import Parsed, Repeated, SourceError
from fedloom.workload.config.toml_text import parse_toml
from fedloom.workload.config.wording import show
from fedloom.workload.config.yaml_text import parse_yaml


def test_lines_of_json() -> None:
    parsed = parse_json('{"a": {\n\n"b,{": [1,\n{"c": "}\\"]"},\n[]]}, "d":\n null\n,"e": {}}')
    assert parsed.value == {"a": {"b,{": [1, {"c": '}"]'}, []]}, "d": None, "e": {}}
    assert parsed.lines == {
        ("a",): 1, ("a", "b,{"): 3, ("a", "b,{", 0): 3, ("a", "b,{", 1): 4,
        ("a", "b,{", 1, "c"): 4, ("a", "b,{", 2): 5, ("d",): 5, ("e",): 7,
    }  # fmt: skip


def test_lines_of_yaml() -> None:
    parsed = parse_yaml("a:\n  - x: 1\n    y: [3,\n4]\n  - null\nno: 1:30\n1e3: -2.5E+1\n")
    assert parsed.value == {"a": [{"x": 1, "y": [3, 4]}, None], "no": 90, "1e3": -25.0}
    assert parsed.lines == {
        ("a",): 1, ("a", 0): 2, ("a", 0, "x"): 2, ("a", 0, "y"): 3, ("a", 0, "y", 0): 3,
        ("a", 0, "y", 1): 4, ("a", 1): 5, ("no",): 6, ("1e3",): 7,
    }  # fmt: skip


def test_lines_of_toml() -> None:
    text = (
        '# c\n[models."a.b"]\nmemory_gb = 1\nconfig.size = [1,\n2]\ntext = """\n[models.x]\n'
        'y = 1"""\nlast = 2\n[[workflows.w.nodes]]\nid = "a"\n[[workflows.w.nodes]]\nid = "b"\n'
        "[workflows.w.nodes.extra]\nk = 1\n"
    )
    lines = dict(parse_toml(text).lines)
    assert lines == {
        ("models", "a.b"): 2, ("models", "a.b", "memory_gb"): 3,
        ("models", "a.b", "config", "size"): 4, ("models", "a.b", "text"): 6,
        ("models", "a.b", "last"): 9,
        ("workflows", "w", "nodes", 0): 10, ("workflows", "w", "nodes", 0, "id"): 11,
        ("workflows", "w", "nodes", 1): 12, ("workflows", "w", "nodes", 1, "id"): 13,
        ("workflows", "w", "nodes", 1, "extra"): 14,
        ("workflows", "w", "nodes", 1, "extra", "k"): 15,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("parse", "text"),
    [(parse_json, '{"a": {"x": 1,\n"y": 2,\n"x": 3}}'), (parse_yaml, "a:\n  x: 1\n  y: 2\n  x: 3")],
)
def test_keys_that_stand_twice(parse: Callable[[str], Parsed], text: str) -> None:
    parsed = parse(text)
    assert parsed.value == {"a": {"x": 3, "y": 2}}
    first = parsed.lines[("a",)] + (parse is parse_yaml)
    assert parsed.repeated == (Repeated(("a", "x"), first + 2, first),)


def test_merged_keys_are_not_repeated() -> None:
    text = "a: &a {x: 1, y: 2}\nb: &b {x: 3, z: 4}\nc:\n  <<: [*a, *b]\n  y: 5\n"
    parsed = parse_yaml(text)
    assert parsed.value["c"] == {"x": 1, "y": 5, "z": 4} == yaml.safe_load(text)["c"]
    assert parsed.repeated == ()
    assert (parsed.lines["c", "x"], parsed.lines["c", "y"], parsed.lines["c", "z"]) == (1, 5, 2)


KEYS = st.text(max_size=4) | st.sampled_from(['"', "{", "a: b", "\\", "é", "\n", "1"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


def walk(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    pairs = value.items() if isinstance(value, dict) else ()
    for key, inner in enumerate(value) if isinstance(value, list) else pairs:
        yield (*path, key)
        yield from walk(inner, (*path, key))


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_every_value_of_indented_json_has_a_line_of_its_own(value: dict[str, Any]) -> None:
    """With an indent, json.dumps starts a line for each key and item, in order."""
    text = json.dumps(value, indent=1)
    parsed = parse_json(text)
    assert list(parsed.lines) == list(walk(value))
    assert parsed.repeated == ()
    lines = text.split("\n")
    assert sorted(set(parsed.lines.values())) == list(parsed.lines.values())
    for path, line in parsed.lines.items():
        if isinstance(path[-1], str):
            assert lines[line - 1].lstrip().startswith(json.dumps(path[-1]) + ":")


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=4), st.booleans())
def test_yaml_finds_the_same_values_in_the_same_order(value: dict[str, Any], flow: bool) -> None:
    plain = json.loads(json.dumps(value))
    text = yaml.safe_dump(plain, sort_keys=False, default_flow_style=flow)
    parsed = parse_yaml(text)
    assert sorted(map(repr, parsed.lines)) == sorted(map(repr, walk(plain)))
    assert list(parsed.lines.values()) == sorted(parsed.lines.values())


@pytest.mark.parametrize(
    ("name", "text", "line", "problem"),
    [
        ("a.json", '{"models":\n }', 2, "no valid JSON: Expecting value, column 2"),
        ("a.json", "", None, "is empty"),
        ("a.json", " \n", None, "is empty"),
        ("a.json", "[1]", None, "holds a list"),
        ("a.json", '"x"', None, 'holds "x"'),
        ("a.json", '{"a": ' + "9" * 5000 + "}", None, "no valid JSON: Exceeds the limit"),
        ("a.json", "[" * 200 + "]" * 200, None, "nests deeper than 100 levels"),
        ("a.json", "[" * 1_000_000, None, "nests too deep"),
        ("a.json", '{"a": "\\ud800"}', None, "holds half of a character"),
        ("a.yaml", 'a: "\\ud800"', 1, "no valid YAML"),
        ("a.yaml", "# nothing\n", None, "is empty"),
        ("a.yaml", "a: [1,\n2", 3, "no valid YAML: did not find expected"),
        ("a.yaml", "a: 1\n---\nb: 2", 2, "no valid YAML: but found another document"),
        ("a.yaml", "a: !!python/name:os.system x", 1, "could not determine a constructor"),
        ("a.yaml", "a: !!int x", 1, "no valid YAML: invalid literal"),
        ("a.yaml", "[a]: 1", 1, "a key must be a name"),
        ("a.yaml", "a: \x01", None, "no valid YAML: unacceptable character"),
        ("a.yaml", "a: &a\n  - *a", 1, "nests deeper than 100 levels"),
        ("a.yaml", "a: &a {<<: *a}", 1, "nests deeper than 100 levels"),
        ("a.yaml", "a: {<<: 3}", 1, "<< must name a map"),
        ("a.yaml", "[" * 1_000_000, 1, "nests deeper than 100 levels"),
        ("a.yaml", "\n".join("  " * i + "a:" for i in range(500)), 101, "nests deeper than"),
        ("a.toml", "a = 1\na = 2\n", 2, "no valid TOML: Cannot overwrite a value"),
        ("a.toml", "a." * 500 + "b = 1", None, "nests deeper than 100 levels"),
        ("a.toml", "a = " + "[" * 100_000, None, "no valid TOML: maximum recursion"),
        ("a.txt", "a: 1", None, "has the suffix '.txt'"),
        ("a", "a: 1", None, "has the suffix ''"),
    ],
)  # fmt: skip
def test_rubbish_is_one_fault(
    tmp_path: Path, name: str, text: str, line: int | None, problem: str
) -> None:
    (tmp_path / name).write_text(text)
    (fault,) = check_files([tmp_path / name]).faults
    assert fault.line == line
    assert fault.problem.startswith(problem) or problem in fault.problem
    assert "\n" not in str(fault)


def test_aliases_of_aliases_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedloom.workload.config.yaml_text._MOST_VALUES", 5000)
    levels = [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9) if i else 1}]" for i in range(30)]
    with pytest.raises(SourceError, match="holds more than 5,000 values"):
        parse_yaml("\n".join(levels))


def test_paths_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes(b"\xff\xfe{")
    for path in (tmp_path / "latin.json", tmp_path / "a" / "b.json", "a\0b", "x" * 5000):
        (fault,) = check_files([path]).faults
        assert fault.line is None


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([parse_json, parse_yaml, parse_toml]), st.text(max_size=60))
def test_any_text_is_read_or_refused(parse: Callable[[str], Parsed], text: str) -> None:
    with suppress(SourceError):
        assert isinstance(parse(text), Parsed)


SECTIONS = st.sampled_from(["models", "workflows", "tenants", "arrivals", "prompts"])
FIELDS = st.sampled_from(
    ["m", "w", "nodes", "edges", "id", "model", "from", "to", "config", "option_time_factors",
     "per", "type", "memory_gb", "gpus_required", "token_mean", "input_tokens", "mix", "profile",
     "kind", "base_model", "template", "file", "weight", "inference_time_mean", "time_law", "std"]
)  # fmt: skip
ODD = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.integers()
    | st.sampled_from(["m", "w", "n", "", "llm", "normal", "diurnal", "{x}", "1"])
)  # fmt: skip
ANY = st.recursive(
    ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(SECTIONS, ANY, max_size=5))
def test_a_check_never_breaks(value: dict[str, Any]) -> None:
    result = check_mapping(value)
    assert (result.config is None) == bool(result.faults)
    for text in (*map(str, result.faults), *result.warnings):
        assert "\n" not in text


def test_paths_as_people_read_them() -> None:
    assert spell_path(("workflows", "w1", "edges", 2, "to")) == "workflows.w1.edges[2].to"
    assert spell_path(("models", "a.b", "x\ny", "")) == 'models["a.b"]["x\\ny"][""]'


def test_values_on_one_short_line() -> None:
    assert show("a\nb") == '"a\\nb"'
    assert show("é") == '"é"'
    assert len(show("x" * 1000)) == 60
    assert (show({}), show([]), show([1]), show({1})) == (
        "a map", "an empty list", "a list", "of type set",
    )  # fmt: skip
