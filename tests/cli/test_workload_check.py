"""`fedloom workload check` and `configs`; and how its commands explain and complete themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from fedloom.cli import main, program
from fedloom.cli.printing import spell_size
from fedloom.workload.config.shipped import shipped_configs

FAULTY = """{
  "models": {
    "a": {"name": "A", "type": "llm", "memory_gb": 1, "tokens_per_second": 0},
    "b": {"name": "B", "type": "x", "memory_gb": 1, "gpus_required": 1, "base_model": "c"}
  },
  "workflows": {
    "w": {
      "nodes": [{"id": "n", "model": "a"}, {"id": "m", "model": "d"}],
      "edges": [{"from": "n", "to": "k"}, {"from": "n", "to": "m"}, {"from": "m", "to": "n"}]
    }
  }
}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# Checks


def test_every_fault_has_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    Path("faulty.json").write_text(FAULTY)
    assert main(["workload", "check", "faulty.json"]) == 2
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    faults = [line for line in lines if line.startswith("fault: faulty.json, line ")]
    assert len(faults) >= 5
    assert captured.err == f"fedloom: error: {len(faults)} faults found\n"
    for words in ("tokens_per_second", "'c'", "'d'", "'k'", "n → m → n"):
        assert any(words in fault for fault in faults), words


def test_faults_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    Path("faulty.json").write_text(FAULTY)
    assert main(["workload", "check", "faulty.json", "--json"]) == 2
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)["faults"]) >= 5
    assert captured.err.endswith("faults found\n")


def test_a_right_configuration_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["workload", "check", "test_baseline.json"]) == 0
    assert capsys.readouterr() == ("test_baseline.json: 6 models, 2 workflows, no fault\n", "")


def test_several_files_are_checked_together(capsys: pytest.CaptureFixture[str]) -> None:
    Path("models.yaml").write_text("models: {m: {type: x, memory_gb: 1, gpus_required: 1,"
                                   " inference_time_mean: 1}}\n")  # fmt: skip
    Path("flows.toml").write_text('[workflows.w]\nnodes = [{id = "n", model = "m"}]\n')
    assert main(["workload", "check", "models.yaml"]) == 2
    capsys.readouterr()
    assert main(["workload", "check", "models.yaml", "flows.toml"]) == 0
    assert capsys.readouterr().out == "models.yaml + flows.toml: 1 models, 1 workflows, no fault\n"
    Path("broken.json").write_text("{")
    assert main(["workload", "check", "broken.json", "nowhere.json", "flows.toml"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["fault"] * 2
    assert "broken.json, line 1" in lines[0]
    assert "nowhere.json" in lines[1]


def test_nothing_to_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["workload", "check"]) == 2
    assert capsys.readouterr().err.startswith("fedloom: error: name a configuration to check")


def test_the_schema_describes_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["workload", "check", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    for name, definition in schema["$defs"].items():
        assert definition.get("description") or "enum" in definition, name
        for field, content in definition.get("properties", {}).items():
            assert content.get("description"), f"{name}.{field}"


# The configurations in the box


def test_the_configurations_in_the_box_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["workload", "configs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(shipped_configs())
    assert any(line.endswith("6 models, 2 workflows") for line in lines)
    assert main(["workload", "configs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["minimal.json"] == {"models": 3, "workflows": 2}


@pytest.mark.parametrize("name", ["tenants.yaml", "tenants", "Tenants.yaml"])
def test_a_configuration_is_printed_to_start_from(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["workload", "configs", name]) == 0
    assert capsys.readouterr().out == shipped_configs()["tenants.yaml"].read_text()


def test_an_unknown_configuration_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["workload", "configs", "tenant.yml"]) == 2
    assert "did you mean 'tenants.yaml'?" in capsys.readouterr().err


# Help and completion


def commands() -> list[str]:
    group = program._load("workload")
    assert isinstance(group, click.Group)
    return list(group.commands)


@pytest.mark.parametrize("name", ["", *commands()])
@pytest.mark.parametrize("width", [80, 120])
def test_the_help_fits_the_terminal_and_has_examples(
    name: str, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["workload", *([name] if name else []), "--help"]) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines)) <= width
    assert " For example:" in lines
    # Nothing of the text is broken in the middle of a line: each begins at its own margin.
    begin = lines.index(" For example:") + 1
    examples = [line for line in lines[begin : begin + 14] if line.startswith(" ")]
    assert all(line.startswith(("   fedloom ", "       --")) for line in examples), examples


def completed(words: str) -> list[str]:
    env = os.environ | {
        "_FEDLOOM_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    ended = subprocess.run(
        [sys.executable, "-c", "import sys; from fedloom.cli import main; sys.exit(main())"],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.stderr == ""
    return ended.stdout.split()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("fedloom workload ", commands()),
        ("fedloom workload ex", ["export"]),
        ("fedloom workload generate --pro", ["--prompts"]),
        ("fedloom workload generate --gaps g", ["gamma"]),
        ("fedloom workload generate --format j", ["json", "jsonl"]),
        ("fedloom workload import azure", ["azure-llm", "azure-copilot", "azure-functions"]),
        ("fedloom workload export s", ["servegen", "swf"]),
        ("fedloom schedule --policy b", ["best-fit", "backfill"]),
        ("fedloom schedule --log-format p", ["parquet"]),
    ],
)
def test_a_shell_completes_names_and_values(words: str, found: list[str]) -> None:
    assert completed(words) == found


def test_what_is_completed_is_what_there_is() -> None:
    from fedloom.cli import schedule, workload_import
    from fedloom.cli.workload_options import REQUEST_FORMATS
    from fedloom.scheduling.policies.registry import POLICIES
    from fedloom.workload.formats.file_format import FileFormat
    from fedloom.workload.traces.clusters.nodes import CLUSTERS
    from fedloom.workload.traces.registry import AUTO, EXPORTS, IMPORTS

    assert set(workload_import._KINDS) == {AUTO, *IMPORTS}
    assert set(workload_import._CLUSTERS) == set(CLUSTERS)
    assert tuple(FileFormat) == REQUEST_FORMATS
    assert set(schedule._POLICIES) == {"all", *POLICIES}
    assert set(completed("fedloom workload export ")) == {*EXPORTS, *FileFormat}


def test_no_help_imports_anything_heavy() -> None:
    code = (
        "import json, sys; from fedloom.cli import main\n"
        "for words in json.loads(sys.argv[1]): assert main([*words, '--help']) == 0\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    lines = [["schedule"], ["workload"], *(["workload", name] for name in commands())]
    output = subprocess.run(
        [sys.executable, "-c", code, json.dumps(lines)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    loaded = set(json.loads(output.splitlines()[-1]))
    assert not loaded & {"numpy", "polars", "pydantic", "scipy", "numba", "plotly", "yaml"}


@pytest.mark.parametrize(
    ("size", "spelt"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"),
     (2_100_000, "2.1 MB"), (5 * 10**9, "5.0 GB"), (10**16, "10000.0 TB")],
)  # fmt: skip
def test_sizes(size: int, spelt: str) -> None:
    assert spell_size(size) == spelt
