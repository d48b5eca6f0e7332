"""The benchmarks of a real federation: their arithmetic and their tables."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from federation.stock import _build_bundle, _read
from harness.children import Ended
from harness.federation import read_federation_report, render_federation
from harness.federation_times import (
    FEDERATION_FIGURES,
    FederationTimes,
    describe_federation,
    judge_federation,
    print_federation,
)
from harness.result import Result, load_result
from harness.stopwatch import MARK

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
STEP = FederationTimes("step-4mb", (0.4, 0.5, 0.3), (8.0, 6.0, 7.0))


def test_a_step_is_judged_by_itself_and_against_stock_flower() -> None:
    own, ratio = judge_federation(STEP)
    assert (own.wanted, own.measured, own.met) == ("< 0.5 s", "0.4 s", True)
    # The medians are 0.4 and 7: 17.5 times as much.
    assert (ratio.wanted, ratio.measured, ratio.met) == ("≥ 15×", "17.5×", True)
    assert not judge_federation(FederationTimes("step-4mb", (0.4,), (5.0,)))[1].met
    assert not judge_federation(FederationTimes("step-4mb", (0.4,)))[1].met
    assert not judge_federation(FederationTimes("api-posts", (299.0,)))[0].met
    assert judge_federation(FederationTimes("round-200", (9.0,))) == []
    assert judge_federation(FederationTimes("idle-100", failure="no"))[0].measured == "no"


def test_what_was_measured_is_told_kept_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_federation(STEP)
    printed = capsys.readouterr().out
    assert printed.startswith(MARK)
    ended = Ended(0, printed, "", 1.0, 0.0)
    assert read_federation_report("steps", "4mb", ended, 9.0) == [STEP]
    late = read_federation_report("steps", "4mb", Ended(None, "", "", 9.0, 0.0), 9.0)
    assert late == [FederationTimes("step-4mb", failure="more than 9 s")]
    assert describe_federation(STEP).endswith("0.4 s, stock Flower 7, 17.5×")
    result = Result({"cores": 2}, federation=[STEP, late[0]])
    assert result.failed
    result.save(tmp_path / "latest.json")
    assert load_result(tmp_path / "latest.json").federation == [STEP, late[0]]
    assert "| a step, 2 nodes, 4 MB of weights" in result.render()
    assert list(render_federation([])) == []


def test_every_figure_has_a_module() -> None:
    for figure in FEDERATION_FIGURES:
        assert (BENCHMARKS / "federation" / f"{figure.module}.py").exists(), figure


def test_rounds_of_stock_flower_are_counted_from_the_second_on() -> None:
    told = {"moments": [1.0, 4.0, 6.0, 9.0], "first": [0.0, 1.0, 2.0, 3.0]}
    assert _read(told, 2) == [2.0, 3.0]
    with pytest.raises(SystemExit, match="3 rounds"):
        _read(told, 3)


def test_the_bundle_of_stock_flower_is_one_that_it_installs(tmp_path: Path) -> None:
    from flwr.cli.install import install_from_fab

    bundle = _build_bundle("stock_app", {"nodes": 2})
    installed = install_from_fab(bundle, tmp_path, skip_prompt=True)
    assert (installed / "stock_app" / "client_app.py").exists()


def test_our_own_bundle_is_one_that_a_supernode_installs(tmp_path: Path) -> None:
    from flwr.cli.install import install_from_fab

    from fedloom.fleet.flower.bundle import build_bundle

    text = (
        install_from_fab(build_bundle(), tmp_path, skip_prompt=True) / "pyproject.toml"
    ).read_text()
    assert "fedloom.platform.client.stock:client" in text
