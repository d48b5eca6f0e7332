from __future__ import annotations

import json
import socket
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from fedloom.cli import checks, main
from fedloom.cli.findings import Finding, State
from fedloom.cli.requirements import check_dependencies, check_extras, unmet_requirements
from fedloom.settings import Settings


def read_json(capsys: pytest.CaptureFixture[str]) -> dict[tuple[str, str], Finding]:
    found = json.loads(capsys.readouterr().out)["findings"]
    return {(f["group"], f["name"]): Finding(**f) for f in found}


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, tuple[str, list[str]]]], None]:
    """Install other packages than those of this machine: name → version and requirements."""

    def install(installed: dict[str, tuple[str, list[str]]]) -> None:
        def version(name: str) -> str:
            if name not in installed:
                raise metadata.PackageNotFoundError(name)
            return installed[name][0]

        monkeypatch.setattr(metadata, "version", version)
        monkeypatch.setattr(metadata, "requires", lambda name: installed[name][1])

    return install


def test_a_sound_machine_ends_with_0_and_shows_every_group(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    groups = ["dependencies", "machine", "data sets", "pages", "ports", "services"]
    assert [line for line in lines if line in groups] == groups
    assert any(line.split() == ["ok", "keras", metadata.version("keras")] for line in lines)


def test_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    found = read_json(capsys)
    assert found["data sets", "in the box"].detail.startswith("digits, iris")
    assert all(finding.remedy == "" for finding in found.values() if finding.state == State.OK)


def test_deep_lists_the_devices(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--deep", "--json"]) == 0
    assert any(group == "devices" for group, _ in read_json(capsys))


def test_a_missing_dependency_ends_with_1_and_the_line_that_brings_it(
    packages: Callable[[dict[str, tuple[str, list[str]]]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    packages({"fedloom": ("1", ["keras>=3.12", "numpy>=2"]), "numpy": ("1.9", [])})
    assert main(["doctor"]) == 1
    words = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["missing", "keras", "lacks", "keras>=3.12"] in words
    assert ["missing", "numpy", "lacks", "numpy>=2"] in words
    assert ["keras", "pip", "install", "'keras>=3.12'"] in words
    assert ["data", "sets"] not in words  # looking there needs what is missing


def test_an_extra_is_met_when_all_that_it_leads_to_is_there(
    packages: Callable[[dict[str, tuple[str, list[str]]]], None],
) -> None:
    jax = ("1", ["plugin==2; extra == 'gpu'", "numpy", "other; extra == 'tpu'"])
    requires = ["jax", "jax[gpu]>=1; extra == 'cuda'"]
    packages({"fedloom": ("1", requires), "jax": jax, "plugin": ("1", [])})
    cuda = Requirement("fedloom[cuda]")
    assert [str(unmet) for unmet in unmet_requirements(cuda)] == ['plugin==2; extra == "gpu"']
    packages({"fedloom": ("1", requires), "jax": jax, "plugin": ("2", [])})
    assert unmet_requirements(cuda) == []


def test_extras_are_optional() -> None:
    for finding in check_extras():
        assert finding.state is not State.MISSING
        assert finding.state is State.OK or finding.remedy.startswith("pip install 'fedloom[")


def test_sources_without_an_installation_are_named(
    packages: Callable[[dict[str, tuple[str, list[str]]]], None],
) -> None:
    packages({})
    (finding,) = check_dependencies()
    assert (finding.name, finding.state) == ("fedloom", State.MISSING)
    assert list(check_extras()) == []


def test_the_disk_is_that_of_the_nearest_folder(tmp_path: Path) -> None:
    found = {finding.name: finding for finding in checks.check_machine(tmp_path / "a" / "b")}
    assert found[f"disk for {tmp_path}/a/b/"].state is State.OK


def test_a_folder_that_cannot_be_written_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    *_, disk = checks.check_machine(tmp_path)
    assert (disk.state, disk.remedy) == (State.MISSING, f"chmod u+w {tmp_path}")


@pytest.mark.parametrize(
    ("unmet", "state", "remedy"),
    [([], State.OK, ""), ([Requirement("plugin")], State.ABSENT, "pip install 'fedloom[cuda]'")],
)
def test_a_gpu_wants_its_build_of_jax(
    unmet: list[Requirement],
    state: State,
    remedy: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(checks, "unmet_requirements", lambda requirement: unmet)
    found = {finding.name: finding for finding in checks.check_machine(tmp_path)}
    assert (found["NVIDIA GPU"].state, found["NVIDIA GPU"].remedy) == (state, remedy)


def test_data_sets_are_found_where_they_lie_and_nothing_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedloom.data.idx_sets.fetch", lambda *_: pytest.fail("downloads"))
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (folder / f"{part}-ubyte.gz").touch()
    settings = Settings(data_dir=tmp_path, cache_dir=tmp_path / "cache")
    found = {finding.name: finding for finding in checks.check_data(settings)}
    assert (found["mnist"].state, found["mnist"].detail) == (State.OK, str(folder))
    nowhere = Settings(cache_dir=tmp_path / "cache")
    found = {finding.name: finding for finding in checks.check_data(nowhere)}
    assert found["mnist"].state is State.ABSENT
    assert "FEDLOOM_DATA_DIR" in found["mnist"].remedy


def test_a_wrong_data_folder_is_told(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "none", cache_dir=tmp_path)
    found = {finding.name: finding for finding in checks.check_data(settings)}
    assert "FEDLOOM_DATA_DIR" in found["mnist"].detail
    assert found["mnist"].state is State.ABSENT


def test_a_browser_is_found_by_name_or_told_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEDLOOM_CHROMIUM", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    (finding,) = checks.check_page()
    assert (finding.state, finding.remedy) == (State.ABSENT, "apt-get install chromium")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    (finding,) = checks.check_page()
    assert (finding.state, finding.detail) == (State.OK, "/usr/bin/chromium")


@pytest.mark.parametrize("answers", [True, False])
def test_ports_should_be_free_and_services_should_answer(
    answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "_answers", lambda port: answers)
    port, *services = checks.check_network()
    assert port.state is (State.ABSENT if answers else State.OK)
    for service in services:
        assert service.state is (State.OK if answers else State.ABSENT)
        assert bool(service.remedy) is not answers


def test_answering_is_listening() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert checks._answers(port)
    assert not checks._answers(port)
