from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fedloom.cli import main
from fedloom.package import template

from .small_package import make_package


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    make_package(folder / "client")
    monkeypatch.chdir(folder)
    return folder


def read_json(capfd: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    assert main(["package", *arguments, "--json"]) == code
    return json.loads(capfd.readouterr().out)


# create, inspect, schema


def test_create_prints_what_it_made(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["package", "create", "--path", "client"]) == 0
    first, second = capfd.readouterr().out.splitlines()
    assert first.startswith("package.tgz: ")
    assert first.endswith(" bytes, 5 files")
    made = read_json(capfd, "create", "-p", "client", "-n", "mine.tgz", "-o", "dist")
    assert made["path"] == "dist/mine.tgz"
    assert made["size_bytes"] == (project / "dist" / "mine.tgz").stat().st_size
    assert second == f"sha256: {made['sha256']}"
    assert "train.py" in made["files"]
    named = read_json(capfd, "create", "-p", "client", "-o", "dist/other.tar.gz")
    assert (named["path"], named["sha256"]) == ("dist/other.tar.gz", made["sha256"])


def test_create_of_nothing(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["package", "create", "--path", "nowhere"]) == 2
    assert "nowhere does not exist" in capfd.readouterr().err


def test_inspect_says_the_same_of_folder_and_archive(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    main(["package", "create", "--path", "client"])
    capfd.readouterr()
    folder, archive = (read_json(capfd, "inspect", path) for path in ("client", "package.tgz"))
    assert archive["is_archive"]
    for key in ("sha256", "entry_points", "files", "size_bytes", "dependencies"):
        assert folder[key] == archive[key]
    assert main(["package", "inspect", "package.tgz"]) == 0
    out = capfd.readouterr().out
    assert "  train     python train.py\n" in out
    assert f"sha256: {archive['sha256']}" in out


def test_schema_is_the_one_that_is_shipped(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["package", "schema"]) == 0
    assert json.loads(capfd.readouterr().out)["required"] == ["entry_points"]


# env


def test_env_names_what_activates_it(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["package", "env", "--path", "client"]) == 0
    activate = capfd.readouterr().out.splitlines()[-1].removeprefix("activate: ")
    by_hand = f"{activate} && cd client && python model.py && python train.py ../seed.npz ../u.npz"
    subprocess.run(["bash", "-c", by_hand], check=True, timeout=60, cwd=project)
    assert (project / "u.npz").is_file()
    capfd.readouterr()
    found = read_json(capfd, "env", "--path", "client")
    assert (found["folder"], found["created"]) == (None, False)
    assert Path(found["python"]).samefile(sys.executable)


# check


def test_check_runs_the_whole_contract(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["package", "check", "--path", "client"]) == 0
    rows = [line.split()[:2] for line in capfd.readouterr().out.splitlines()]
    names = ["project", "environment", "build", "seed", "startup", "train", "validate"]
    assert rows == [*(["ok", name] for name in names), ["absent", "predict"]]
    assert sorted(path.name for path in project.iterdir()) == ["client", "seed.npz"]


@pytest.mark.parametrize(
    ("script", "states", "reason"),
    [
        ("model", "ok ok failed absent skipped skipped absent", "build ended with exit code 1"),
        ("data", "ok ok ok ok failed skipped skipped absent", "startup ended with exit code 1"),
        ("train", "ok ok ok ok ok failed ok absent", "train ended with exit code 1"),
        ("validate", "ok ok ok ok ok ok failed absent", "validate ended with exit code 1"),
    ],
)
def test_check_says_what_failed_and_shows_its_last_lines(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    script: str,
    states: str,
    reason: str,
) -> None:
    make_package(tmp_path / "client", **{script: "print('before')\nraise ValueError('mine')"})
    found = read_json(capfd, "check", "--path", str(tmp_path / "client"), code=1)
    assert not found["ok"]
    if script == "model":
        states = "ok ok failed ok skipped skipped absent"
    assert [step["state"] for step in found["steps"]] == states.split()
    (failed,) = [step for step in found["steps"] if step["state"] == "failed"]
    assert failed["detail"] == f"{reason}: ValueError: mine"
    assert failed["tail"][0] == "before"


def test_check_prints_the_last_lines_beneath_the_step(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make_package(tmp_path / "client", train="print('epoch 1')\nprint('epoch 2')")
    assert main(["package", "check", "--path", str(tmp_path / "client"), "--verbose"]) == 1
    out, err = capfd.readouterr()
    assert "failed  train" in out
    assert "        | epoch 1\n        | epoch 2\n" in out
    assert "fedloom: epoch 1\n" in err


def test_check_without_build_takes_a_model_that_is_named(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    main(["run", "build", "--path", "client"])
    file = project / "client" / "scaleout.yaml"
    file.write_text(file.read_text().replace("  build:\n    command: python model.py\n", ""))
    capfd.readouterr()
    assert read_json(capfd, "check", "--path", "client")["ok"]
    (project / "seed.npz").rename(project / "model.npz")
    missing = read_json(capfd, "check", "--path", "client", code=1)
    (failed,) = [step for step in missing["steps"] if step["state"] == "failed"]
    assert "there is no seed model" in failed["detail"]
    assert read_json(capfd, "check", "--path", "client", "--input", "model.npz")["ok"]


def test_check_of_a_project_file_that_is_wrong(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (project / "client" / "scaleout.yaml").write_text("entry_points: 3\n")
    found = read_json(capfd, "check", "--path", "client", code=1)
    (step,) = found["steps"]
    assert "entry_points" in step["detail"]


def test_a_hanging_step_is_stopped(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make_package(tmp_path / "client", data="import time; time.sleep(60)")
    path = ("check", "--path", str(tmp_path / "client"), "--timeout", "2")
    steps = {step["name"]: step for step in read_json(capfd, *path, code=1)["steps"]}
    assert "startup was stopped at its time limit" in steps["startup"]["detail"]
    assert steps["train"]["detail"] == "because startup failed"


# init


@pytest.fixture
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "templates"
    make_package(home / "small" / "client")
    (home / "small" / "client" / ".ignore").write_text("data\n")
    (home / "small" / "client" / "__pycache__").mkdir()
    (home / "small" / "client" / "__pycache__" / "x.pyc").touch()
    (home / "__pycache__").mkdir()
    monkeypatch.setattr(template, "_HOME", home)
    return home


def test_init_copies_a_template(
    templates: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "deep" / "mine"
    made = read_json(capfd, "init", str(folder), "--template", "small")
    assert "client/.ignore" in made["files"]
    assert not any("pycache" in name for name in made["files"])
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]
    assert main(["package", "check", "--path", str(folder / "client")]) == 0


def test_init_of_an_empty_folder(templates: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert main(["package", "init", str(tmp_path / "mine"), "-t", "small"]) == 0
    assert (tmp_path / "mine" / "client" / "scaleout.yaml").is_file()


def test_init_leaves_what_is_there(
    templates: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").touch()
    assert main(["package", "init", str(tmp_path / "mine"), "-t", "small"]) == 2
    assert "is not an empty folder" in capfd.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["precious"]


def test_init_of_an_unknown_template(
    templates: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["package", "init", str(tmp_path / "mine"), "-t", "smal"]) == 2
    assert "unknown template 'smal': did you mean 'small'?" in capfd.readouterr().err
    assert not (tmp_path / "mine").exists()
