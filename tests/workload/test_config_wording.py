"""Faults name what belongs to the place where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedloom.workload.config.check import check_files

MODELS = """
models:
  m: {memory_gb: 1, gpus_required: 1, inference_time_mean: 1, type: embedding}
workflows:
  w: {nodes: [{id: n, model: m}]}
"""


@pytest.mark.parametrize(
    ("arrivals", "says"),
    [
        ("{amplitude: 0.5}", "arrivals.amplitude: is no key of arrivals (known are gaps, cv"),
        ("{ratee_per_second: 1}", "is no key of arrivals (did you mean 'rate_per_second'?)"),
        ("{profile: {kind: diurnal, amplitud: 1}}", "is no key of diurnal (did you mean 'amplit"),
        ("{profile: {kind: piecewise, steps: [{at_minute: 1, factor: 1}]}}", "no key of steps"),
        ("{closed_loop: {users: 1, think: 1}}", "is no key of closed_loop (did you mean 'think_"),
    ],
)
def test_an_unknown_key_of_arrivals_is_compared_with_those_of_its_section(
    tmp_path: Path, arrivals: str, says: str
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"{MODELS}arrivals: {arrivals}\n")
    faults = [str(fault) for fault in check_files([path]).faults]
    assert any(says in fault for fault in faults), faults


def test_a_section_that_stands_twice_is_one_fault(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    model = '{"memory_gb": 1, "gpus_required": 1, "inference_time_mean": 1}'
    path.write_text(
        f'{{"models": {{"m": {model}, "m": {model}}}, '
        '"workflows": {"w": {"nodes": [{"id": "n", "model": "m"}]}}}'
    )
    (fault,) = check_files([path]).faults
    assert "models.m: stands there twice" in str(fault)
