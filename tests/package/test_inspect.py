"""Inspecting a package: what it holds, without running or trusting it."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

import pytest

import fedloom.package
from fedloom.errors import PackageError
from fedloom.package.archive import create_archive
from fedloom.package.content import PackedFile
from fedloom.package.inspect import inspect_package

PROJECT = """\
python_env: python_env.yaml
owner: me
entry_points:
  build: python model.py
  train:
    command: python train.py
"""
ENVIRONMENT = "name: mine\ndependencies:\n  - numpy\n  - fedn\n"


@pytest.fixture
def client(tmp_path: Path) -> Path:
    folder = tmp_path / "client"
    folder.mkdir()
    (folder / "scaleout.yaml").write_text(PROJECT)
    (folder / "python_env.yaml").write_text(ENVIRONMENT)
    (folder / "train.py").write_text("raise SystemExit('never run')")
    (folder / "data").mkdir()
    (folder / "data" / "mnist.npz").write_bytes(b"x" * 100)
    (folder / ".ignore").write_text("data/\n")
    return folder


def test_a_folder_and_its_archive_are_described_alike(client: Path, tmp_path: Path) -> None:
    archive = create_archive(client, tmp_path / "package.tgz")
    folder_report, archive_report = inspect_package(client), inspect_package(archive.path)
    for report, path in ((folder_report, client), (archive_report, archive.path)):
        assert report.path == path
        assert report.sha256 == archive.sha256
        assert report.project_file == "scaleout.yaml"
        assert report.entry_points == {"build": "python model.py", "train": "python train.py"}
        assert report.environment is not None
        assert report.environment.path == Path("python_env.yaml")
        assert report.environment.name == "mine"
        assert report.environment.dependencies == ("numpy",)
        assert report.files == archive.files
        assert report.size_bytes == sum(file.size_bytes for file in archive.files)
        assert report.warnings == (
            f"{path}/scaleout.yaml, line 2: unknown key 'owner' is not read",
        )
    assert (folder_report.is_archive, archive_report.is_archive) == (False, True)
    assert folder_report.left_out == ("data/",)
    assert archive_report.left_out == ()


def test_what_may_be_there_by_mistake_is_warned_of(client: Path) -> None:
    (client / ".ignore").write_text("*.tmp\n!keep.tmp\n")
    (client / ".env").write_text("TOKEN=1")
    with (client / "weights.bin").open("wb") as file:
        file.truncate(20 * 1024**2)
    (client / "scaleout.yaml").write_text("entry_points: {validate: x}")
    report = inspect_package(client)
    assert report.environment is None
    assert report.warnings == (
        f"{client}/scaleout.yaml has no entry point 'train': no client can learn with it",
        ".env looks like a secret, and goes wherever the package goes",
        "data/mnist.npz (100 bytes) looks like data: is it to leave?",
        "weights.bin is large: 20,971,520 bytes",
        "ignore line '!keep.tmp': what another line names stays out, because the systems that "
        "packages come from know no '!'",
    )


def test_an_archive_of_others_shows_all_its_files(client: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "theirs.tgz", "w:gz") as tar:
        tar.add(client, ".")
    report = inspect_package(tmp_path / "theirs.tgz")
    assert PackedFile("data/mnist.npz", 100) in report.files
    assert any("looks like data" in warning for warning in report.warnings)


def test_a_fault_names_the_package_and_leaves_nothing(
    client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    (client / "scaleout.yaml").write_text("entry_points:\n  train: 5\n")
    with tarfile.open(tmp_path / "p.tgz", "w:gz") as tar:
        tar.add(client, ".")
    for path, file in ((client, client / "scaleout.yaml"), (tmp_path / "p.tgz",) * 2):
        with pytest.raises(PackageError) as caught:
            inspect_package(path)
        assert str(caught.value).startswith(str(file))
        assert ", line 2: key 'entry_points.train' is 5" in str(caught.value)
    with pytest.raises(PackageError, match="does not exist"):
        inspect_package(tmp_path / "none.tgz")
    with pytest.raises(PackageError, match="at most 10"):
        inspect_package(client, limit_bytes=10)
    assert not list(scratch.iterdir())


def test_every_name_of_the_package_is_there() -> None:
    for name in fedloom.package.__all__:
        assert getattr(fedloom.package, name).__doc__, name
    assert set(fedloom.package.__all__) <= set(dir(fedloom.package))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = fedloom.package.nothing
