from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from fedloom.package.environment.interpreter import find_interpreter
from fedloom.package.environment.python_request import PythonRequest

OTHER = 30
"""A minor version that no machine has, so that only what a test makes is found."""


def put_python(path: Path, version: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho CPython {version} x86_64\n")
    path.chmod(0o755)
    return path


def find(request: str | None) -> tuple[Path, str, list[str]]:
    warnings: list[str] = []
    found = find_interpreter(PythonRequest(request) if request else None, warnings.append)
    return found.path, found.version, warnings


@pytest.mark.parametrize("request_text", [None, "3", platform.python_version(), ">=3.11"])
def test_the_python_that_runs_fedloom_is_taken_if_it_will_do(request_text: str | None) -> None:
    assert find(request_text) == (Path(sys.executable), platform.python_version(), [])


def test_another_one_is_found_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    wanted = put_python(tmp_path / f"python3.{OTHER}", f"3.{OTHER}.2")
    put_python(tmp_path / f"python3.{OTHER - 1}", f"3.{OTHER - 1}.9")
    assert find(f"3.{OTHER}") == (wanted, f"3.{OTHER}.2", [])
    assert find(f">=3.{OTHER - 1}") == (wanted, f"3.{OTHER}.2", [])


def test_versions_of_pyenv_are_found_without_its_launchers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "shims"))
    name = f"python3.{OTHER}"
    (tmp_path / "shims").mkdir()
    (tmp_path / "shims" / name).write_text("#!/bin/sh\nexit 127\n")
    (tmp_path / "shims" / name).chmod(0o755)
    for patch in (9, 10):
        version = f"3.{OTHER}.{patch}"
        put_python(tmp_path / "versions" / version / "bin" / name, version)
    assert find(f"3.{OTHER}")[1:] == (f"3.{OTHER}.10", [])
    assert find(f"3.{OTHER}.9")[1:] == (f"3.{OTHER}.9", [])


def test_one_that_differs_in_the_last_number_only_is_taken_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    put_python(tmp_path / f"python3.{OTHER}", f"3.{OTHER}.2")
    _, version, warnings = find(f"3.{OTHER}.7")
    assert version == f"3.{OTHER}.2"
    assert warnings == [f"Python 3.{OTHER}.7 is asked for and not found: 3.{OTHER}.2 is taken"]


@pytest.mark.parametrize("script", ["exit 127", "echo nonsense", "echo a b c d"])
def test_without_a_right_one_the_current_one_is_taken_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    broken = put_python(tmp_path / f"python3.{OTHER}", "")
    broken.write_text(f"#!/bin/sh\n{script}\n")
    path, version, warnings = find(f"3.{OTHER}")
    assert (path, version) == (Path(sys.executable), platform.python_version())
    assert len(warnings) == 1
    assert find("2.7")[1:] == (version, [warnings[0].replace(f"3.{OTHER}", "2.7")])
