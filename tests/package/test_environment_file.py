from __future__ import annotations

from pathlib import Path

import pytest

from fedloom.errors import PackageError
from fedloom.package.environment import EnvironmentFile, read_environment_file
from fedloom.package.environment.python_request import PythonRequest


def read(folder: Path, text: str) -> EnvironmentFile:
    path = folder / "python_env.yaml"
    path.write_text(text, "utf-8")
    return read_environment_file(path)


def test_all_keys_are_read(tmp_path: Path) -> None:
    file = read(
        tmp_path,
        "name: mnist\npython: '3.11'\nbuild_dependencies: [pip, setuptools]\n"
        "dependencies:\n  - torch==2.4.1\n  - numpy\nscaleout: latest\n",
    )
    assert file == EnvironmentFile(
        path=tmp_path / "python_env.yaml",
        name="mnist",
        python=PythonRequest("3.11"),
        build_dependencies=("pip", "setuptools"),
        dependencies=("torch==2.4.1", "numpy"),
    )


def test_the_file_names_the_environment_where_it_gives_no_name(tmp_path: Path) -> None:
    assert read(tmp_path, "dependencies:\n").name == "python_env"


def test_a_key_without_a_value_is_as_good_as_absent(tmp_path: Path) -> None:
    text = "name:\npython:\nbuild_dependencies:\ndependencies:\n  # - six\n"
    path = tmp_path / "python_env.yaml"
    assert read(tmp_path, text) == EnvironmentFile(path=path, name="python_env")


@pytest.mark.parametrize("written", ["3.10", "'3.10'", '"3.10"'])
def test_a_python_that_looks_like_a_number_keeps_its_zero(tmp_path: Path, written: str) -> None:
    assert read(tmp_path, f"python: {written}\n").python == PythonRequest("3.10")


@pytest.mark.parametrize(
    ("line", "read_as"),
    [
        ("six # why", "six"),
        ("six==1.0;python_version>'3.8'", 'six==1.0; python_version > "3.8"'),
        ("Flask[async]  >=2 ,<3", "Flask[async]<3,>=2"),
        ("six==1.0 --hash=sha256:ab", "six==1.0 --hash=sha256:ab"),
        ("--only-binary=:all:", "--only-binary=:all:"),
        ("git+https://example.org/tool.git@v1", "git+https://example.org/tool.git@v1"),
        ("tool @ https://example.org/tool.whl", "tool@ https://example.org/tool.whl"),
    ],
)
def test_lines_are_brought_into_one_spelling(tmp_path: Path, line: str, read_as: str) -> None:
    assert read(tmp_path, f'dependencies:\n  - "{line}"\n').dependencies == (read_as,)


@pytest.mark.parametrize(
    "line",
    [
        "fedn",
        "FEDn==0.33.0",
        "scaleout[all]>=1; python_version>'3'",
        "scaleoututil",
        "ScaleoutUtil ~= 1.0",
        "fedn @ git+https://example.org/fedn.git",
        "git+https://example.org/fedn.git@master#egg=fedn&subdirectory=fedn",
        "git+https://example.org/vendor/fedn.git@v0.9",
        "# fedn",
        "",
    ],
)
def test_what_our_helpers_satisfy_is_left_out(tmp_path: Path, line: str) -> None:
    assert read(tmp_path, f'dependencies: ["{line}"]\n').dependencies == ()


@pytest.mark.parametrize("line", ["fedn-extras", "fednx", "scaleouts", "git+https://e.org/f.git"])
def test_what_only_looks_like_them_is_kept(tmp_path: Path, line: str) -> None:
    assert read(tmp_path, f"dependencies: ['{line}']\n").dependencies == (line,)


def test_files_that_lines_name_are_found(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a b.txt").write_text("-c bounds.txt # bounds\nsix\n", "utf-8")
    (tmp_path / "more" / "bounds.txt").write_text("six<2\n-r 'a b.txt'\n", "utf-8")
    (tmp_path / "tool-1-py3-none-any.whl").touch()
    file = read(tmp_path, "dependencies: ['-r \"more/a b.txt\"', ./tool-1-py3-none-any.whl]\n")
    assert file.files == (
        tmp_path / "more" / "a b.txt",
        tmp_path / "more" / "bounds.txt",
        tmp_path / "tool-1-py3-none-any.whl",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", r"python_env.yaml is empty: list the dependencies"),
        ("# only a comment\n", r"python_env.yaml is empty"),
        ("- six\n", r"line 1: a mapping with the keys"),
        ("name: a\n\ndependancies: []\n", r"line 3: unknown key 'dependancies': known are name, "),
        ("name: a\nname: b\n", r"line 2: key 'name' stands there twice"),
        ("name: [a]\n", r"line 1: 'name' is a list: text is wanted"),
        ("name: 5\n", r"line 1: 'name' is '5': text is wanted"),
        ("python: [3]\n", r"line 1: 'python' is a list"),
        ("python: true\n", r"line 1: 'python' is 'true'"),
        ("\npython: newest\n", r"line 2: 'python' is 'newest': a version as in 3.11"),
        ("dependencies: six\n", r"line 1: 'dependencies' is 'six': a list is wanted"),
        ("dependencies: {six: 1}\n", r"line 1: 'dependencies' is a mapping"),
        ("dependencies:\n  - six\n  - torch: 2\n", r"line 3: an item of 'dependencies' is a mapp"),
        ("dependencies:\n  - 3\n", r"line 2: an item of 'dependencies' is '3'"),
        ("build_dependencies:\n  -\n", r"line 2: an item of 'build_dependencies' is empty"),
        ("dependencies:\n  - six=1\n", r"line 2: 'six=1' in 'dependencies': "),
        ("dependencies:\n  - six; python>3\n", r"line 2: 'six; python>3' in 'dependencies': "),
        ("dependencies: [-r gone.txt]\n", r"line 1: '-r gone.txt' .*there is no file .*gone.txt"),
        ("dependencies: [./gone.whl]\n", r"there is no file .*gone.whl"),
        ("dependencies: [./]\n", r"a local folder is refused"),
        ("dependencies: ['-e .']\n", r"a local folder is refused"),
        ("a: [\n", r"python_env.yaml, line 2: no valid YAML"),
        ("a: *b\n", r"line 1: no valid YAML: found undefined alias"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(PackageError, match=problem) as caught:
        read(tmp_path, text)
    assert str(tmp_path / "python_env.yaml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_or_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"nowhere\.yaml does not exist"):
        read_environment_file(tmp_path / "nowhere.yaml")
    with pytest.raises(PackageError, match="cannot be read"):
        read_environment_file(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9\n")
    with pytest.raises(PackageError, match="cannot be read"):
        read_environment_file(tmp_path / "latin.yaml")


@pytest.mark.parametrize(
    ("text", "version", "accepted"),
    [
        ("3.11", "3.11.7", True),
        ("3.11", "3.12.0", False),
        ("3.1", "3.10.2", False),
        ("3", "3.12.0", True),
        ("3.11.7", "3.11.7", True),
        ("3.11.4", "3.11.7", False),
        (">=3.10,<3.12", "3.11.7", True),
        (">=3.12", "3.11.7", False),
        (">=3.13", "3.14.0rc1", True),
    ],
)
def test_a_request_accepts_what_it_means(text: str, version: str, accepted: bool) -> None:
    assert PythonRequest(text).accepts(version) is accepted


def test_a_request_knows_its_minor_versions() -> None:
    assert PythonRequest("3.10.12").minors() == [10]
    assert PythonRequest(">=3.9,<3.12").minors() == [11, 10, 9]
    assert PythonRequest(">3.9.17,<3.11,!=3.10.*").minors() == [9]
    assert PythonRequest(">3.9.2,<3.9.4").minors() == [9]
    assert PythonRequest("2.7").minors() == []
