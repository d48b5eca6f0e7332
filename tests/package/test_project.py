"""Project files: what is accepted, and what each fault says."""

from __future__ import annotations

import json
import pickle
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedloom.errors import PackageError
from fedloom.package.project import PROJECT_FILES, EntryPoint, find_project_folder, read_project
from fedloom.package.schema import SCHEMA_FILE, package_schema, render_schema
from fedloom.package.yaml_lines import read_lined_yaml

GUIDE = """\
python_env: python_env.yaml

entry_points:
    build:
        command: python model.py
    startup:
        command: python data.py
    train:
        command: python train.py
    validate:
        command: python validate.py
"""


def write(folder: Path, text: str, name: str = "scaleout.yaml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, "utf-8")
    return folder


def fault(folder: Path) -> str:
    with pytest.raises(PackageError) as caught:
        read_project(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


# What is accepted


@pytest.mark.parametrize("name", PROJECT_FILES)
def test_the_three_names_are_read_the_same(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path / "client", GUIDE, name)
    (folder / "python_env.yaml").write_text("name: x\n")
    project = read_project(folder)
    assert project.folder == folder.resolve()
    assert project.file == folder.resolve() / name
    assert project.python_env == folder.resolve() / "python_env.yaml"
    assert dict(project.entry_points) == {
        "build": EntryPoint("build", "python model.py"),
        "startup": EntryPoint("startup", "python data.py"),
        "train": EntryPoint("train", "python train.py"),
        "validate": EntryPoint("validate", "python validate.py"),
    }
    assert project.warnings == ()
    assert pickle.loads(pickle.dumps(project)) == project


def test_a_text_is_a_command_and_further_entry_points_have_their_names(tmp_path: Path) -> None:
    write(tmp_path, "entry_points:\n  train: python train.py\n  on: {command: ' echo 1 '}\n")
    project = read_project(tmp_path)
    assert project.require("train").command == "python train.py"
    assert project.require("on").command == "echo 1"
    assert project.python_env is None
    assert project.warnings == ()


def test_anchors_and_merges_are_read(tmp_path: Path) -> None:
    text = """\
entry_points:
  build: &shared {command: x}
  train: {<<: *shared}
  other: {<<: *shared, command: y}
"""
    project = read_project(write(tmp_path, text))
    assert [e.command for e in project.entry_points.values()] == ["x", "x", "y"]
    assert project.warnings == ()


def test_of_several_project_files_the_first_is_read_with_a_warning(tmp_path: Path) -> None:
    for name in reversed(PROJECT_FILES):
        write(tmp_path, f"entry_points: {{train: {name}}}", name)
    project = read_project(tmp_path)
    assert project.file.name == "fedloom.yaml"
    passed_over = [w for w in project.warnings if "is not read, because fedloom.yaml" in w]
    assert len(passed_over) == 2


def test_the_project_is_found_in_the_nearest_folder_below(tmp_path: Path) -> None:
    write(tmp_path / "a" / "deep", GUIDE)
    write(tmp_path / ".venv", GUIDE)
    write(tmp_path / "env", GUIDE)
    (tmp_path / "env" / "pyvenv.cfg").touch()
    near = write(tmp_path / "z", GUIDE)
    assert find_project_folder(tmp_path) == near
    assert find_project_folder(near) == near


def test_what_is_unknown_or_repeated_is_warned_of_and_never_refused(tmp_path: Path) -> None:
    text = """\
name: mine
entry_point: 1
entry_points:
  trian: python train.py
  build:
    comand: x
    command: python build.py
  startup: startup.py
  build: python model.py
"""
    project = read_project(write(tmp_path, text))
    file = tmp_path / "scaleout.yaml"
    assert project.entry_points["build"].command == "python model.py"
    assert project.warnings == (
        f"{file}, line 9: key 'entry_points.build' stands there twice; the last counts",
        f"{file}, line 1: unknown key 'name' is not read",
        f"{file}, line 2: unknown key 'entry_point' is not read: did you mean 'entry_points'?",
        f"{file}, line 4: entry point 'trian': did you mean 'train'?",
        f"{file}, line 8: 'startup.py' is no command: did you mean `python …`?",
    )


def test_an_unknown_key_of_an_entry_point_is_warned_of(tmp_path: Path) -> None:
    text = "entry_points:\n  train:\n    command: x\n    comand: y\n"
    (warning,) = read_project(write(tmp_path, text)).warnings
    assert warning.endswith(
        "line 4: unknown key 'entry_points.train.comand' is not read: did you mean 'command'?"
    )


# What each fault says


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "the file is empty: wanted is a mapping"),
        ("[1, 2]", 1, "the file is [1, 2]: wanted is a mapping"),
        ("python_env: x\n", 1, "key 'entry_points' is missing"),
        ("\nentry_points:\n", 2, "key 'entry_points' is empty"),
        ("entry_points: {}", 1, "key 'entry_points' is empty"),
        ("entry_points: [a]", 1, "key 'entry_points' is ['a']: wanted is a mapping of names"),
        ("entry_points:\n\n  train:\n", 3, "key 'entry_points.train' is empty"),
        ("entry_points:\n  train: {}", 2, "key 'entry_points.train.command' is missing"),
        ("entry_points:\n  train: 5", 2, "key 'entry_points.train' is 5"),
        ("entry_points:\n  train: ''", 2, "key 'entry_points.train.command' is empty"),
        ("entry_points:\n  train:\n    command: ' '", 3, "key 'entry_points.train.command' is ' '"),
        ("entry_points:\n  train:\n    command: [a]", 3, "is ['a']: wanted is text"),
        ("entry_points:\n  train:\n    command: 1.5", 3, "is 1.5: wanted is text"),
        ('entry_points:\n  train: "a\\0"', 2, "wanted is text"),
        ("python_env: [1]\nentry_points: {train: x}", 1, "key 'python_env' is [1]: wanted is the"),
        ("\npython_env: env.yaml\nentry_points: {train: x}", 2, "env.yaml is no file"),
        ("python_env: ../e.yaml\nentry_points: {train: x}", 1, "must lie inside the package"),
        ("python_env: /etc/passwd\nentry_points: {train: x}", 1, "must lie inside the package"),
        ("a: [", 1, "no valid YAML"),
        ("a: 1\n\tb: 2", 2, "no valid YAML"),
        ("a: !python/object:os.system x", 1, "no valid YAML"),
        ("a: 1\n? [b]\n: c", 2, "a key must be a name"),
        ("entry_points: &a {x: *a}", 1, "no valid YAML"),
    ],
)
def test_a_fault_names_file_line_and_key(tmp_path: Path, text: str, line: int, words: str) -> None:
    message = fault(write(tmp_path, text))
    assert message.startswith(f"{tmp_path / 'scaleout.yaml'}, line {line}")
    assert words in message


@pytest.mark.parametrize("text", ["a: 2020-99-99", "[" * 2_000, "a: \x01"])
def test_yaml_without_a_place_is_refused_too(tmp_path: Path, text: str) -> None:
    assert "no valid YAML" in fault(write(tmp_path, text))


def test_a_project_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "fedn.yaml").write_bytes(b"entry_points: {train: \xff}")
    assert "is no UTF-8 text" in fault(tmp_path)
    (tmp_path / "fedn.yaml").write_bytes(b"#" * 100_000)
    assert "larger than 64 KiB" in fault(tmp_path)
    with pytest.raises(PackageError, match=r"env file .*none does not exist"):
        read_lined_yaml(tmp_path / "none", "env file")
    with pytest.raises(PackageError, match="cannot be read"):
        read_lined_yaml(tmp_path, "env file")


def test_a_folder_without_a_project_says_what_is_wanted(tmp_path: Path) -> None:
    assert "fedloom.yaml, scaleout.yaml or fedn.yaml" in fault(tmp_path)
    assert "does not exist" in fault(tmp_path / "none")
    write(tmp_path, GUIDE)
    assert "is a file: name the folder that holds it" in fault(tmp_path / "scaleout.yaml")


def test_a_required_entry_point_that_is_missing_is_named(tmp_path: Path) -> None:
    project = read_project(write(tmp_path, "entry_points: {build: x, validate: y}"))
    with pytest.raises(PackageError) as caught:
        project.require("train")
    assert "key 'entry_points.train' is missing" in str(caught.value)
    assert str(caught.value).endswith("there are build, validate")


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["entry_points", "train", "command", "python_env", "x"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_document_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, document: object
) -> None:
    folder = write(tmp_path_factory.mktemp("any"), json.dumps(document))
    with suppress(PackageError):
        read_project(folder)
        return
    assert fault(folder)


# The schema


def test_the_shipped_schema_is_current() -> None:
    assert SCHEMA_FILE.read_text("utf-8") == render_schema(), (
        "write render_schema() to src/fedloom/package/schema.json"
    )


def test_the_schema_allows_text_sections_and_unknown_keys() -> None:
    schema = package_schema()
    assert schema["required"] == ["entry_points"]
    assert schema["additionalProperties"] is True
    section, text = schema["$defs"]["EntryPointSection"]["anyOf"]
    assert text["type"] == "string"
    assert section["type"] == "object"
    assert section["required"] == ["command"]
    assert section["additionalProperties"] is True
