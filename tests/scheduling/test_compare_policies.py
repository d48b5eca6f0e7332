"""Comparing policies, and saving what was found: all files, or none."""

from __future__ import annotations

import errno
import json
import os
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from fedloom.errors import InputError, OutputError
from fedloom.scheduling.check.log import check_log
from fedloom.scheduling.compare import Comparison, compare_policies, save_comparison
from fedloom.scheduling.log.read import read_log
from fedloom.scheduling.policies.registry import POLICIES, NamedPolicy, read_policies, read_policy
from fedloom.scheduling.policy import Policy
from fedloom.scheduling.problem import NEVER, Problem


@pytest.fixture
def problem(make_problem: Any) -> Problem:
    """Twenty calls of three models, one a gang, of two tenants, some with deadlines."""
    return make_problem(
        {"a": (1, 40, 2), "b": (1, 60, None), "g": (2, 50, 1), "u": (0, 1, None)},
        {"one": (["a"], []), "two": (["b", "a"], [(0, 1)]), "gang": (["u", "g"], [(0, 1)])},
        [
            (("one", "two", "gang")[n % 3], n * 0.7, [2.5, 1.25][: 1 if n % 3 == 0 else 2])
            for n in range(20)
        ],
        3,
        tenants={"x": 2, "y": 1},
        tenant=[n % 2 for n in range(20)],
        priority=[n % 3 for n in range(20)],
        deadline_s=[None if n % 4 == 0 else n * 0.7 + 12 for n in range(20)],
        estimates=[[2.0, 1.5][: 1 if n % 3 == 0 else 2] for n in range(20)],
    )


def compare(problem: Problem, *texts: str, **more: Any) -> Comparison:
    return compare_policies(problem, read_policies(texts), **more)


def left(folder: Path) -> list[str]:
    """Return all that is in a folder, hidden or not."""
    return sorted(path.name for path in folder.iterdir())


def test_all_policies_side_by_side(problem: Problem, tmp_path: Path) -> None:
    found = compare(problem, "all")
    assert found.sound
    assert [outcome.label for outcome in found.outcomes] == list(POLICIES)
    paths = save_comparison(found, tmp_path / "out" / "cmp", chrome=True)
    assert sorted(path.name for path in paths) == left(tmp_path / "out")
    assert len(paths) == 2 * len(POLICIES) + 2
    assert paths[-2:] == [tmp_path / "out/cmp_comparison.json", tmp_path / "out/cmp.html"]
    written = json.loads(paths[-2].read_text())
    assert list(written["policies"]) == list(POLICIES)
    assert (written["requests"], written["tasks"], written["gpus"]) == (20, problem.tasks, 3)
    assert all(entry["sound"] for entry in written["policies"].values())
    page = paths[-1].read_text()
    assert all(name in page for name in POLICIES)


@pytest.mark.parametrize("log_format", ["json", "parquet"])
def test_logs_pass_the_checker_with_and_without_the_problem(
    problem: Problem, tmp_path: Path, log_format: str
) -> None:
    paths = save_comparison(compare(problem, "all"), tmp_path / "p", log_format=log_format)
    logs = [path for path in paths if "_execution_log." in path.name]
    assert len(logs) == len(POLICIES)
    for path in logs:
        assert path.suffix == f".{log_format}"
        log = read_log(path)
        assert list(check_log(log, problem).violations) == []
        assert list(check_log(log, None).violations) == []


@pytest.mark.parametrize("offline", [False, True])
def test_the_same_seed_gives_the_same_bytes(
    problem: Problem, tmp_path: Path, offline: bool
) -> None:
    for folder in ("a", "b"):
        found = compare(problem, "all", "greedy:wait=2", seed=5, offline=offline)
        save_comparison(found, tmp_path / folder / "p")
    assert left(tmp_path / "a") == left(tmp_path / "b")
    for name in left(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    other = compare(problem, "random", seed=6).to_dict()
    assert other != compare(problem, "random", seed=5).to_dict()


def test_the_comparison_holds_numbers_that_json_knows(problem: Problem) -> None:
    found = compare(problem, "fifo", "random", until_s=0.5)

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for key, each in value.items():
                assert isinstance(key, str)
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)
        else:
            assert value is None or isinstance(value, str | bool | int) or isfinite(value)

    walk(found.to_dict())
    json.dumps(found.to_dict(), allow_nan=False)


def test_what_is_left_unfinished_is_not_sound(problem: Problem, tmp_path: Path) -> None:
    found = compare(problem, "fifo", "sjf", until_s=8.0)
    assert not found.sound
    for outcome in found.outcomes:
        assert not outcome.sound
        assert list(outcome.violations) == []
        assert outcome.metrics.unfinished_requests > 0
        assert "8.000000 s" in outcome.schedule.stopped
        assert outcome.schedule.end_us.max() <= 8_000_000
    paths = save_comparison(found, tmp_path / "p")
    for path in paths[:2]:
        report = check_log(read_log(path), problem)
        assert list(report.violations) == []
    entry = json.loads(paths[2].read_text())["policies"]["fifo"]
    assert (entry["sound"], entry["violations"]) == (False, [])
    assert entry["stopped"] == found.outcomes[0].schedule.stopped
    assert compare(problem, "fifo", until_s=1e9).sound


def test_nothing_at_all_may_be_finished(problem: Problem, tmp_path: Path) -> None:
    found = compare(problem, "fifo", until_s=0.001)
    assert (found.outcomes[0].schedule.end_us == NEVER).all()
    paths = save_comparison(found, tmp_path / "p", chrome=True)
    assert all(path.stat().st_size for path in paths)


@pytest.mark.parametrize("until_s", [0.0, -1.0, float("nan"), float("inf"), 1e12])
def test_an_end_that_is_no_time(problem: Problem, until_s: float) -> None:
    with pytest.raises(InputError, match=r"--until is .* give a positive time"):
        compare(problem, "fifo", until_s=until_s)


def test_comparing_nothing(problem: Problem) -> None:
    with pytest.raises(InputError, match="there are no policies to compare"):
        compare_policies(problem, [])


def test_progress_runs_over_all_policies(problem: Problem) -> None:
    heard: list[tuple[int, int]] = []
    compare(problem, "fifo", "sjf", "edf", progress=lambda *both: heard.append(both))
    assert {total for _, total in heard} == {3 * problem.tasks}
    done = [count for count, _ in heard]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, 3 * problem.tasks)


def test_a_violation_makes_a_comparison_unsound(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from fedloom.scheduling import compare as module

    def broken(*args: Any, **more: Any) -> Any:
        schedule = original(*args, **more)
        return replace(schedule, start_us=np.maximum(schedule.start_us - 1_000_000, 0))

    original = module.simulate
    monkeypatch.setattr(module, "simulate", broken)
    found = compare(problem, "fifo")
    assert not found.sound
    assert found.outcomes[0].violations
    lines = found.to_dict()["policies"]["fifo"]["violations"]
    assert lines == list(found.outcomes[0].violations.lines())


# Labels and names of files


def test_options_are_part_of_labels_and_of_names(problem: Problem, tmp_path: Path) -> None:
    texts = ["greedy:switch=0,wait=2", "greedy:switch=3", "greedy"]
    found = compare(problem, *texts)
    assert [outcome.label for outcome in found.outcomes] == texts
    assert [outcome.schedule.policy for outcome in found.outcomes] == texts
    assert [outcome.metrics.policy for outcome in found.outcomes] == texts
    save_comparison(found, tmp_path / "p")
    logs = [name for name in left(tmp_path) if "_log" in name]
    assert logs == [
        "p_greedy-switch-0-wait-2_execution_log.json",
        "p_greedy-switch-3_execution_log.json",
        "p_greedy_execution_log.json",
    ]
    summary = json.loads((tmp_path / logs[1]).read_text())["summary"]
    assert summary["policy"] == "greedy:switch=3"


def test_labels_that_look_alike_get_files_of_their_own(problem: Problem, tmp_path: Path) -> None:
    labels = ["a b", "a-b", "A_b", "a_B", "-a/b-", "…", "../../etc/x", "é", "x" * 300, "x" * 301]
    policies = [NamedPolicy(label, Policy, {}) for label in labels]
    paths = save_comparison(compare_policies(problem, policies), tmp_path / "in" / "p")
    assert len({path.name.casefold() for path in paths}) == len(labels) + 2
    assert left(tmp_path) == ["in"]
    assert left(tmp_path / "in") == sorted(path.name for path in paths)
    assert all(len(path.name.encode()) < 200 for path in paths)
    assert "p_etc-x_" not in "".join(left(tmp_path / "in"))


def test_the_same_label_twice_is_numbered(problem: Problem, tmp_path: Path) -> None:
    found = compare_policies(problem, [read_policy("fifo")] * 3)
    assert [outcome.label for outcome in found.outcomes] == ["fifo", "fifo (2)", "fifo (3)"]
    assert len(found.to_dict()["policies"]) == 3
    paths = save_comparison(found, tmp_path / "p")
    assert [path.name for path in paths[:3]] == [
        "p_fifo_execution_log.json",
        "p_fifo-2_execution_log.json",
        "p_fifo-3_execution_log.json",
    ]


def test_more_policies_than_a_page_shows(make_problem: Any, tmp_path: Path) -> None:
    problem = make_problem({"m": (1, 10, 1)}, {"w": (["m"], [])}, [("w", 0, [1])] * 3, 2)
    found = compare(problem, *(f"greedy:wait={number}" for number in range(33)))
    paths = save_comparison(found, tmp_path / "p")
    assert [path.name for path in paths if path.suffix == ".html"] == ["p.html", "p_2.html"]
    assert "greedy:wait=31" in (tmp_path / "p.html").read_text()
    assert "greedy:wait=32" in (tmp_path / "p_2.html").read_text()


def test_the_prefix_may_be_any_name(
    problem: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = compare(problem, "fifo")
    for prefix in ("plain", "a/b/deep", "with.dots.and spaces", "größe"):
        paths = save_comparison(found, Path(prefix))
        assert [str(path) for path in paths] == [
            f"{prefix}_fifo_execution_log.json",
            f"{prefix}_comparison.json",
            f"{prefix}.html",
        ]
        assert all(path.is_file() for path in paths)


# What goes wrong while saving


@pytest.mark.parametrize("which", ["p_fifo_execution_log.json", "p_comparison.json", "p.html"])
def test_a_folder_in_the_way(problem: Problem, tmp_path: Path, which: str) -> None:
    (tmp_path / which).mkdir()
    with pytest.raises(OutputError, match=f"cannot write .*{which}: it is a folder"):
        save_comparison(compare(problem, "fifo"), tmp_path / "p")
    assert left(tmp_path) == [which]


def test_a_file_in_place_of_the_folder(problem: Problem, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OutputError, match="cannot write"):
        save_comparison(compare(problem, "fifo"), tmp_path / "file" / "p")
    assert (tmp_path / "file").read_text() == "kept"


def test_an_unknown_format_of_logs(problem: Problem, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown format of logs 'csv'"):
        save_comparison(compare(problem, "fifo"), tmp_path / "p", log_format="csv")
    assert left(tmp_path) == []


@pytest.mark.parametrize("files", range(5))
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), OutputError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
    ids=["disk-full", "interrupted"],
)
def test_a_full_disk_and_an_interrupt_change_nothing(
    problem: Problem,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: int,
    error: BaseException,
    raised: type[BaseException],
) -> None:
    """After some files the disk is full: those of the run before are all there, as they were."""
    old = compare(problem, "fifo", "sjf")
    save_comparison(old, tmp_path / "p")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    synced = 0
    original = os.fsync

    def full(descriptor: int) -> None:
        nonlocal synced
        synced += 1
        if synced > files:
            raise error
        original(descriptor)

    new = compare(problem, "fifo", "sjf", until_s=9.0)
    monkeypatch.setattr(os, "fsync", full)
    if files == 4:
        save_comparison(new, tmp_path / "p")
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} != before
        return
    with pytest.raises(raised) as caught:
        save_comparison(new, tmp_path / "p")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    if raised is OutputError:
        message = str(caught.value)
        assert message.startswith(f"cannot write {tmp_path}/p")
        assert "No space left on device" in message
        assert ".fedloom-" not in message


def test_a_full_disk_that_the_parquet_writer_notices(
    problem: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise pl.exceptions.ComputeError("parquet: underlying IO error: No space left on device\n")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(OutputError, match=f"cannot write {tmp_path}/p_fifo_.*No space left") as e:
        save_comparison(compare(problem, "fifo"), tmp_path / "p", log_format="parquet")
    assert "\n" not in str(e.value)
    assert left(tmp_path) == []


def test_an_interrupt_while_simulating_writes_nothing(
    problem: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def interrupt(done: int, _: int) -> None:
        if done > problem.tasks:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(problem, "fifo", "sjf", "edf", progress=interrupt)
    assert left(tmp_path) == []
