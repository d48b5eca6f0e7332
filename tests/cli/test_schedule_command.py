"""`fedloom schedule`: policies side by side in one command, and all that can be asked wrongly."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fedloom.cli import main

EVERY = "fifo sjf srcp edf priority fair-share affinity best-fit greedy backfill random".split()
MINE = """
from fedloom.scheduling.policy import Policy


class Mine(Policy):
    name = "meine schöne 排程 policy"


class Idle(Policy):
    name = "idle"

    def choose(self, queue, devices):
        return []
"""


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small workload of three tenants."""
    folder = tmp_path_factory.mktemp("workload")
    flags = "-c tenants.yaml --format jsonl --num-requests 60 --duration 20 --quiet -o"
    assert main(["workload", "generate", *flags.split(), str(folder / "w")]) == 0
    return folder / "w_requests.jsonl"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workload: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.jsonl").write_bytes(workload.read_bytes())


def schedule(*flags: str) -> int:
    return main(["schedule", "-c", "tenants.yaml", "-r", "r.jsonl", *flags])


def files() -> list[str]:
    return sorted(str(p) for p in Path().rglob("*") if p.is_file() and p.name != "r.jsonl")


def test_the_basic_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert schedule("--gpus", "4") == 0
    assert files() == [
        "schedule.html",
        "schedule_comparison.json",
        "schedule_fifo_execution_log.json",
    ]
    captured = capsys.readouterr()
    assert captured.err == ""
    first, head, row, title, *names = captured.out.splitlines()
    assert re.fullmatch(
        r"60 requests, \d+ tasks, 4 GPUs; no schedule takes less than [\d,.]+ s", first
    )
    assert head.split()[:4] == ["policy", "makespan", "s", "÷"]
    assert row.startswith("fifo ")
    assert "*" not in row  # nothing is best of one
    assert title == "Files:"
    assert [name.split(":")[0].strip() for name in names] == [
        "schedule_fifo_execution_log.json",
        "schedule_comparison.json",
        "schedule.html",
    ]


def test_all_policies_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert schedule("--gpus", "4", "--policy", "all", "--output-prefix", "out/all") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:13]] == EVERY
    assert sum(line.count("*") for line in lines[2:13]) >= 8
    assert {f"out/all_{name}_execution_log.json" for name in EVERY} <= set(files())
    found = json.loads(Path("out/all_comparison.json").read_text())
    assert list(found["policies"]) == EVERY
    assert all(policy["sound"] for policy in found["policies"].values())


def test_options_offline_and_other_outputs(capsys: pytest.CaptureFixture[str]) -> None:
    flags = "--gpus 4 -p fifo -p greedy:switch=3,wait=2 --offline --estimate-error 0.4"
    flags += " --log-format parquet --chrome -o cmp --json"
    assert schedule(*flags.split()) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    found: dict[str, Any] = json.loads(captured.out)
    assert sorted(found["files"]) == files()
    assert list(found["policies"]) == ["fifo", "greedy:switch=3,wait=2"]
    assert found["policies"]["fifo"]["mode"] == "offline"
    assert pl.read_parquet("cmp_fifo_execution_log.parquet").height == found["tasks"]
    assert json.loads(Path("cmp_fifo_trace.json").read_text())


def test_a_cluster_of_a_file_and_a_policy_of_one_s_own(capsys: pytest.CaptureFixture[str]) -> None:
    Path("cluster.yaml").write_text("servers:\n  - {name: a, gpus: 4, gpu_memory_gb: 80}\n")
    Path("mine.py").write_text(MINE)
    flags = ["--cluster", "cluster.yaml", "-p", "mine.py:Mine", "-p", "sjf"]
    assert schedule(*flags) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("meine schöne 排程 policy  ")
    assert lines[3].startswith("sjf" + " " * (24 - 3 + 2))  # the two wide characters count double
    log = json.loads(Path("schedule_meine-schöne-排程-policy_execution_log.json").read_text())
    assert log["summary"]["total_requests"] == 60


def test_a_long_name_is_cut_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.py").write_text(MINE.replace("meine schöne 排程 policy", "x" * 90))
    assert schedule("--gpus", "4", "-p", "mine.py:Mine") == 0
    assert capsys.readouterr().out.splitlines()[2].startswith("x" * 39 + "…  ")


def test_a_thousand_gpus(capsys: pytest.CaptureFixture[str]) -> None:
    assert schedule("--gpus", "1000", "-p", "fifo", "-p", "affinity") == 0
    assert "1,000 GPUs" in capsys.readouterr().out.splitlines()[0]


def test_the_same_line_gives_the_same_bytes() -> None:
    flags = "--gpus 4 -p random -p greedy --estimate-error 0.5 --seed 7 -q -o".split()
    assert schedule(*flags, "a") == schedule(*flags, "b") == 0
    assert Path("a_comparison.json").read_bytes() == Path("b_comparison.json").read_bytes()
    logs = [Path(f"{name}_random_execution_log.json").read_bytes() for name in "ab"]
    assert logs[0] == logs[1]


def test_warnings_of_the_configuration_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    Path("more.json").write_text('{"modles": {}}')
    assert schedule("-c", "more.json", "--gpus", "4") == 0
    assert capsys.readouterr().err.startswith("fedloom: warning: more.json")
    assert schedule("-c", "more.json", "--gpus", "4", "-q") == 0
    assert capsys.readouterr() == ("", "")


# What is not finished


def test_unfinished_requests_are_never_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert schedule("--gpus", "4", "--until", "60") == 1
    captured = capsys.readouterr()
    assert re.match(r"fedloom: warning: fifo: \d\d requests unfinished: .* 60\.0", captured.err)
    assert "÷ bound" not in captured.out
    assert schedule("--gpus", "4", "--until", "0.000001", "--json") == 1
    captured = capsys.readouterr()
    found = json.loads(captured.out)["policies"]["fifo"]
    assert (found["unfinished_requests"], found["sound"]) == (60, False)
    assert "60 requests unfinished" in captured.err
    assert schedule("--gpus", "4", "--until", "60", "--quiet") == 1
    assert capsys.readouterr() == ("", "")


def stars(line: str) -> list[bool]:
    return [figure.endswith("*") for figure in re.findall(r"–|\d[\d,.]*(?: %)?\*?", line)]


def test_who_left_work_undone_wins_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.py").write_text(MINE)
    assert schedule("--gpus", "4", "-p", "mine.py:Idle", "-p", "fifo", "-p", "srcp") == 1
    _, heads, idle, *others = capsys.readouterr().out.splitlines()[:5]
    assert heads.split()[:3] == ["policy", "unfinished", "makespan"]
    assert not any(stars(idle))
    assert [stars(line)[0] for line in others] == [True, True]
    assert "fairness" in heads
    assert "1.000" not in idle
    # The page has the same winners, of the figures that both have.
    won = re.findall(r'<td class="(?:first )?win" title="the best">([^<]+)<', page_of())
    assert won.count("0") == 2


def page_of() -> str:
    (path,) = (p for p in Path().glob("*.html"))
    return path.read_text()


def test_nothing_unfinished_has_no_column(capsys: pytest.CaptureFixture[str]) -> None:
    assert schedule("--gpus", "4", "-p", "fifo", "-p", "srcp") == 0
    assert "unfinished" not in capsys.readouterr().out


def test_a_policy_that_places_nothing_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.py").write_text(MINE)
    assert schedule("--gpus", "4", "-p", "mine.py:Idle", "-p", "fifo") == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("fedloom: warning: idle: 60 requests unfinished: ")
    assert captured.err.count("\n") == 1


# A narrow terminal


def test_the_table_goes_on_below_on_a_narrow_terminal() -> None:
    ours, theirs = pty.openpty()
    command = "schedule -c tenants.yaml -r r.jsonl --gpus 4 -p fifo -p sjf".split()
    process = subprocess.Popen(
        [sys.executable, "-m", "fedloom", *command],
        env=os.environ | {"TERM": "xterm", "COLUMNS": "60"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    assert process.wait(timeout=60) == 0
    os.close(ours)
    lines = shown.decode().split("\r\n")
    table = lines[1 : lines.index("Files:")]
    assert max(map(len, table)) <= 60
    heads = [line for line in table if line.startswith("policy")]
    assert len(heads) > 1
    assert sum(line.startswith("sjf") for line in table) == len(heads)
    assert "makespan s" in heads[0]
    assert "goodput /s" in heads[-1]


# What cannot be


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("", "give a --cluster or a number of --gpus; or a log to --check"),
        ("--gpus 0", "--gpus is 0; give at least 1"),
        ("--gpus -2", "--gpus is -2; give at least 1"),
        ("--gpus 1", "model 'chat_34b' needs 34 GB on each of 2 GPUs, but the cluster has 1"),
        ("--gpus 999999", "at most 100,000 GPUs"),
        ("--gpus 4 --gpu-memory 20", "but the largest has 20 GB"),
        ("--gpus 4 --gpu-memory nan", "--gpu-memory is nan GB; give a number above 0"),
        ("--gpus 4 --gpus-per-server 0", "--gpus-per-server is 0; give at least 1"),
        ("--gpus 4 --cluster c.yaml", "give a --cluster file or a number of --gpus, not both"),
        ("--cluster nowhere.yaml", "cluster file nowhere.yaml does not exist"),
        ("--cluster .", "Is a directory"),
        ("--cluster rubbish", "rubbish"),
        ("--cluster empty", "empty"),
        ("--gpus 4 --policy fiffo", "unknown policy 'fiffo': did you mean 'fifo'?"),
        ("--gpus 4 -p sjf -p sjf", "sjf is given twice"),
        ("--gpus 4 --policy nowhere.py:X", "nowhere.py"),
        ("--gpus 4 --policy greedy:what=3", "'what'"),
        ("--gpus 4 --policy rubbish:X", "unknown policy"),
        ("--gpus 4 --until -1", "--until is -1 s; give a time above 0"),
        ("--gpus 4 --until nan", "--until is nan s"),
        ("--gpus 4 --estimate-error -1", "--estimate-error is -1; give a number from 0 to 10"),
        ("--gpus 4 --estimate-error nan", "--estimate-error is nan"),
        ("--gpus 4 --log-format csv", "unknown format of logs 'csv'"),
        ("--gpus 4 --output-prefix out/", "--output-prefix 'out/' is no beginning"),
        ("--gpus 4 --output-prefix empty/x", "empty is no folder; choose another place"),
        ("--gpus 4 --requests nowhere", "cannot read nowhere"),
        ("--gpus 4 --requests .", "Is a directory"),
        ("--gpus 4 --requests empty", "empty: the file is empty"),
        ("--gpus 4 --requests rubbish", "rubbish"),
        ("--gpus 4 --requests cut.jsonl", "cut.jsonl"),
        ("--gpus 4 --config nowhere.json", "nowhere.json: does not exist"),
    ],
)
def test_one_line_says_what_is_wrong_and_nothing_is_written(
    flags: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("rubbish").write_bytes(bytes(range(1, 256)))
    Path("empty").write_bytes(b"")
    Path("cut.jsonl").write_bytes(Path("r.jsonl").read_bytes()[:1000])
    before = files()
    assert schedule(*flags.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("fedloom: error: ")
    assert captured.err.count("\n") == 1
    assert words in captured.err
    assert files() == before


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("-c minimal.json -r r.jsonl --gpus 8", "unknown workflow"),
        ("-r r.jsonl --gpus 8", "give --config; or a log to --check"),
        ("-c tenants.yaml --gpus 8", "give --requests; or a log to --check"),
        ("", "give --config, --requests and a --cluster or a number of --gpus"),
    ],
)
def test_parts_that_are_missing_or_do_not_go_together(
    flags: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schedule", *flags.split()]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["x_comparison.json", "x_fifo_execution_log.json", "x_sjf_trace.json"]
)
def test_what_is_read_is_never_replaced(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(name).write_bytes(Path("r.jsonl").read_bytes())
    assert schedule("--gpus", "4", "-r", name, "-o", "x") == 2
    assert f"{name} would replace what is read" in capsys.readouterr().err


def test_without_chromium_everything_else_is_there_and_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fedloom.errors import InputError
    from fedloom.page import picture

    def fail(*_: object, **__: object) -> None:
        raise InputError("no Chromium")

    monkeypatch.setattr(picture, "save_png", fail)
    assert schedule("--gpus", "4", "--png", "--json") == 2
    captured = capsys.readouterr()
    assert sorted(json.loads(captured.out)["files"]) == files()
    assert captured.err == "fedloom: error: no Chromium\n"


@pytest.mark.parametrize("width", [80, 120])
def test_the_help_fits_the_terminal(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["schedule", "--help"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width
    text = "\n".join(line.rstrip() for line in out.splitlines())
    assert "\n   fedloom schedule --check compare_fifo_execution_log.json\n" in text
    assert "\n       --cluster cluster.yaml --policy fifo --policy affinity \\\n" in text
    assert all(f" {name}" in out for name in EVERY)
