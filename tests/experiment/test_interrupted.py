"""Runs that are killed or interrupted from outside, at a moment of nobody's choice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

import fedloom

from .tiny_runs import TINY, assert_same_run, flags_of, start_program


@pytest.mark.parametrize("seed", [1, 2])
def test_sigkill_at_any_moment_loses_no_finished_round(seed: int) -> None:
    options = TINY | {"algorithm": "Scaffold", "cohort": 2, "rounds": 80, "output": "killed"}
    process = start_program("generate", *flags_of(options))
    assert process.stderr is not None
    with process:
        for line in process.stderr:
            number = int(line.split()[1].split("/")[0])
            if number >= 2 and random.Random(seed * 1000 + number).random() < 0.1:
                break
        process.kill()
    kept = fedloom.open_run("outputs/runs/killed").rounds
    assert kept.height >= number
    run = fedloom.simulate(**options, resume=True)
    assert number <= run.started_after <= 80
    assert run.rounds["round"].to_list() == list(range(1, 81))
    other = fedloom.simulate(**options | {"output": "whole"})
    assert_same_run(run.path, other.path)


# Ctrl-C


def children_of(pid: int) -> list[str]:
    listing = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return listing.stdout.split()


@pytest.mark.parametrize("fleet", ["simulated", "process"])
def test_an_interrupt_ends_a_run_in_one_line(fleet: str) -> None:
    rounds = 2000 if fleet == "simulated" else 300
    options = TINY | {"rounds": rounds, "fleet": fleet, "output": "x", "weights": "none"}
    process = start_program("generate", *flags_of(options))
    assert process.stderr is not None
    with process:
        assert process.stderr.readline().startswith(f"round 1/{rounds}: score ")
        children = children_of(process.pid)
        os.kill(process.pid, signal.SIGINT)
        *_, last = process.stderr.read().splitlines()
        assert process.wait(timeout=30) == 130
    assert last == "fedloom: interrupted"
    assert (fleet == "process") == bool(children)
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert fedloom.open_run("outputs/runs/x").rounds.height >= 1
