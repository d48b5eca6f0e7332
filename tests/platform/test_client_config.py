"""A node's configuration: file, environment, command line; and what is shown of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fedloom.errors import InputError
from fedloom.platform.client.config import (
    NodeConfig,
    example_config,
    load_node_config,
    show_config,
)
from fedloom.platform.client.policy import Policy

TEXT = """
name: hospital-a
token: very-secret
state: state
datasets:
  iris: {path: data/iris.csv, label: class, test: data/test.csv}
  scans: {path: /srv/scans}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "node.yaml"
    path.write_text(TEXT)
    return path


def test_paths_of_the_file_start_in_its_folder(file: Path) -> None:
    config = load_node_config(file, environment={})
    folder = file.parent
    assert config.state == folder / "state"
    assert config.policy_path == folder / "state" / "policy.yaml"
    assert config.audit_path == folder / "state" / "audit.jsonl"
    assert config.datasets["iris"].path == folder / "data" / "iris.csv"
    assert config.datasets["iris"].test == folder / "data" / "test.csv"
    assert config.datasets["scans"].path == Path("/srv/scans")


def test_the_environment_goes_before_the_file_and_flags_before_both(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {
        "FEDLOOM_CLIENT_NAME": "b",
        "FEDLOOM_CLIENT_SLOTS": "4",
        "FEDLOOM_CLIENT_INSECURE": "true",
        "FEDLOOM_CLIENT_STATE": "elsewhere",
        "NODE_NAME": "old",
    }
    monkeypatch.chdir(file.parent.parent)
    config = load_node_config(file, {"slots": 7, "api": None}, variables)
    assert (config.name, config.slots, config.insecure) == ("b", 7, True)
    assert config.state == file.parent.parent / "elsewhere"
    assert config.api is None


def test_variables_of_the_original(tmp_path: Path) -> None:
    variables = {"NODE_NAME": "node-1", "DATA_PATH": str(tmp_path / "data.csv")}
    config = load_node_config(environment=variables)
    assert config.name == "node-1"
    assert config.datasets["iris"].path == tmp_path / "data.csv"


def test_data_sets_by_variable(tmp_path: Path) -> None:
    text = "{iris: {path: d.csv, label: class}}"
    config = load_node_config(environment={"FEDLOOM_CLIENT_DATASETS": text})
    assert config.datasets["iris"].label == "class"


def test_secrets_are_hidden(file: Path) -> None:
    config = load_node_config(file, environment={})
    assert config.token is not None
    assert config.token.get_secret_value() == "very-secret"
    shown = show_config(config)
    assert "very-secret" not in shown + repr(config)
    document = yaml.safe_load(shown)
    assert document["name"] == "hospital-a"
    assert document["token"] == "**********"
    assert document["datasets"]["iris"]["min_examples"] == 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("nmae: x", "nmae"),
        ("slots: 0", "slots"),
        ("name: ''", "name"),
        ("name: ' x'", "name"),
        ("token: [very-secret]", "token"),
        ("datasets: {iris: {path: d.csv}}", "datasets.iris"),
        ("datasets: [x]", "datasets"),
        ("client_index: 3", "client_index"),
        ("- x", "mapping"),
        ("a: [", "line 1 is no YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "node.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=named) as caught:
        load_node_config(path, environment={})
    assert "\n" not in str(caught.value)
    assert "very-secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["a/b", "..", ".", "a\nb", "a\x00", " a"])
def test_a_name_is_a_part_of_addresses(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"name: .*must"):
        load_node_config(None, {"name": name}, {})
    use_case = {"a/b": {"path": str(tmp_path / "x.csv"), "label": "b"}}
    assert load_node_config(None, {"datasets": use_case}, {}).name == "client"


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_node_config(tmp_path / "node.yaml", environment={})


def test_the_example_is_right(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    path.write_text(example_config())
    config = load_node_config(path, environment={})
    assert set(config.datasets) == {"iris", "scans"}
    named = [line.split("#")[0].split(":")[0].strip() for line in example_config().splitlines()]
    assert {name for name in named if name} >= {"name", "superlink", "ca", "api", "state"}
    comment = example_config().partition("#   mode")[2].replace("#", "")
    keys = {line.split(":")[0].strip() for line in comment.splitlines() if ":" in line}
    assert keys - {""} <= {*Policy.model_fields}


def test_nothing_is_required() -> None:
    config = load_node_config(environment={})
    assert config == NodeConfig().resolve(Path.cwd())
