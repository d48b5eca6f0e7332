"""A run of a study: order, outcomes, going on, the lock, the manifest, what accompanies it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from fedloom.bench.manifest import find_manifest_faults, write_manifest
from fedloom.bench.outcome import CellStatus, read_outcome
from fedloom.bench.places import RunPlace
from fedloom.bench.run import StudyRun, choose_run, find_newest_run
from fedloom.bench.run_lock import lock_run
from fedloom.errors import DataError, InputError, NotFoundError, OutputError, RunFailedError
from fedloom.files import write_text

from .bench_world import FakeProvider, small_study

STUDY = small_study(strategy=("FedAvg", "FedAvgM", "FedAdam"))
CELLS = [cell.id for cell in STUDY.cells()]


@pytest.fixture
def place(tmp_path: Path) -> RunPlace:
    return RunPlace(tmp_path / "runs" / "one")


def carry_out(place: RunPlace, *, resume: bool = False, **how: Any) -> FakeProvider:
    """Carry out what is left of the study, and return the provider."""
    run = StudyRun(STUDY, place)
    provider = FakeProvider(STUDY, place, **how)
    with run.opened(resume=resume):
        run.carry_out(provider)
    return provider


def test_cells_are_carried_out_in_order_and_written_down(place):
    provider = carry_out(place)
    assert provider.carried_out == CELLS
    assert provider.entered == 0
    assert [o.status for o in StudyRun(STUDY, place).outcomes()] == [CellStatus.FINISHED] * 3
    assert find_manifest_faults(place) == []
    listed = json.loads(place.manifest.read_text())["files"]
    assert set(listed) == {
        "study.yaml",
        *(f"jax/{name}/2/cell.json" for name in ("FedAvg", "FedAvgM", "FedAdam")),
    }


def test_a_cell_that_fails_or_diverges_keeps_nobody_else(place):
    ends = {CELLS[0]: CellStatus.FAILED, CELLS[1]: CellStatus.DIVERGED}
    provider = carry_out(place, ends=ends)
    assert provider.carried_out == CELLS
    statuses = [outcome.status for outcome in StudyRun(STUDY, place).outcomes()]
    assert statuses == ["failed", "diverged", "finished"]


def test_going_on_skips_whatever_has_an_outcome(place):
    with pytest.raises(KeyboardInterrupt):
        carry_out(place, dies_before=CELLS[1], ends={CELLS[0]: CellStatus.FAILED})
    provider = carry_out(place, resume=True)
    assert provider.carried_out == CELLS[1:]
    assert carry_out(place, resume=True).carried_out == []


def test_a_run_is_not_begun_over_another(place):
    carry_out(place)
    with pytest.raises(OutputError, match="--resume goes on with it, or choose another --run"):
        carry_out(place)
    run = StudyRun(small_study(num_rounds=9), place)
    with (
        pytest.raises(InputError, match="other values of strategy, num_rounds"),
        run.opened(resume=True),
    ):
        pass


def test_two_launchers_cannot_share_a_run(place):
    with lock_run(place.path), pytest.raises(OutputError, match="another 'fedloom bench'"):
        carry_out(place)
    carry_out(place)


def test_a_damaged_outcome_is_named_and_nothing_is_carried_out_again(place):
    carry_out(place)
    broken = place.cell(next(STUDY.cells())).outcome
    broken.write_text('{"run": ')
    with pytest.raises(DataError, match=r"cell\.json cannot be read as a cell's outcome; remove"):
        carry_out(place, resume=True)


def test_baselines_follow_the_last_cell_of_their_group(place):
    study = small_study(strategy=("FedAvg", "FedAvgM"), n_client_instances=(2, 3))
    seen: list[Any] = []
    run = StudyRun(study, place)

    def measure(group: Any) -> None:
        seen.append((group, len(run.outcomes())))
        write_text(place.baselines(*group), "{}")

    run.measure_group = measure
    with run.opened(resume=False):
        run.carry_out(FakeProvider(study, place))
    assert seen == [(("jax", 2, 1), 2), (("jax", 3, 1), 4)]
    assert "jax/baselines-3.json" in json.loads(place.manifest.read_text())["files"]


def test_groups_in_which_nothing_was_learnt_have_no_baselines(place):
    run = StudyRun(STUDY, place)
    run.measure_group = lambda _: pytest.fail("nobody needs it")
    with run.opened(resume=False):
        run.carry_out(FakeProvider(STUDY, place, ends=dict.fromkeys(CELLS, CellStatus.FAILED)))


def test_what_accompanies_a_study_cannot_end_it(place):
    run = StudyRun(STUDY, place)

    def refuse(*_: Any) -> None:
        raise RunFailedError("no server answers")

    run.after_cell = run.measure_group = refuse
    with run.opened(resume=False):
        assert len(run.carry_out(FakeProvider(STUDY, place))) == 3
    assert "jax-FedAvg-2 is not in MLflow: no server answers" in run.warnings
    assert any("baselines of jax, 2 clients, repeat 1" in said for said in run.warnings)


def test_runs_are_named_by_time_and_found_by_age(tmp_path):
    with pytest.raises(NotFoundError, match="begin one without --resume"):
        find_newest_run(tmp_path)
    first = choose_run(tmp_path, None)
    first.path.mkdir()
    second = choose_run(tmp_path, None)
    assert first.path != second.path
    for number, place in enumerate((first, second)):
        write_text(place.study, "{}")
        os.utime(place.study, (1_000 + number, 1_000 + number))
    assert find_newest_run(tmp_path) == second
    for bad in ("../x", "a/b", "", ".hidden", "x" * 65):
        with pytest.raises(InputError, match="run="):
            choose_run(tmp_path, bad)


def test_a_manifest_tells_what_is_missing_changed_or_new(place):
    carry_out(place)
    gone, changed, longer = (place.cell(cell).outcome for cell in STUDY.cells())
    gone.unlink()
    text = changed.read_text()
    os.utime(changed)
    changed.write_text(text.replace("finished", "finisheD"))
    longer.write_text(longer.read_text() + " ")
    write_text(place.path / "more.txt", "new")
    assert find_manifest_faults(place) == [
        f"jax/FedAdam/2/cell.json has {longer.stat().st_size} bytes, not "
        f"{longer.stat().st_size - 1}",
        "jax/FedAvg/2/cell.json is missing",
        "jax/FedAvgM/2/cell.json has other content than when it was written",
        "more.txt is not in the manifest",
    ]
    write_manifest(place)
    assert find_manifest_faults(place) == []
    place.manifest.write_text("[]")
    with pytest.raises(DataError, match=r"manifest\.json cannot be read"):
        find_manifest_faults(place)


def test_hidden_files_and_the_page_are_not_in_the_manifest(place):
    carry_out(place)
    write_text(place.report, "<html>")
    write_text(place.path / "jax" / ".server" / "secret", "x")
    write_manifest(place)
    listed = json.loads(place.manifest.read_text())["files"]
    assert not any("secret" in name or "report" in name for name in listed)


def test_an_outcome_that_was_never_written_is_none(tmp_path):
    assert read_outcome(tmp_path / "cell.json") is None
