"""A launcher that is interrupted or killed at any step leaves nothing in AWS."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fedloom.bench import Study
from fedloom.bench.aws import clean_up, find_leftovers
from fedloom.bench.aws.journal import locate_journal
from fedloom.bench.aws.provider import AwsProvider

from .aws_paper import PaperMachines
from .aws_steps import STEPS, carry_out, spell
from .aws_world import World, make_provider, open_world, serve_aws, small_study

KILLED_AT = [
    step
    for before, step in zip(["", *STEPS], STEPS, strict=False)
    # Between the end of a step and the beginning of the next one AWS is not called.
    if not (step.endswith(("making", "removing")) and before.endswith(("made", "removed")))
]


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with serve_aws() as url:
        yield url


@pytest.fixture
def world(aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with open_world(aws, tmp_path, monkeypatch, shared=True) as opened:
        yield opened


@pytest.mark.parametrize("step", STEPS)
def test_an_interrupt_at_any_step_leaves_nothing(step: str, world: World) -> None:
    study = small_study()
    provider = make_provider(world, study)
    sent = []

    def interrupt(line: dict[str, str]) -> None:
        if spell(line) == step and not sent:
            sent.append(step)
            signal.raise_signal(signal.SIGINT)

    provider.journal._notify = interrupt
    # A signal while things are undone is heeded afterwards.
    with PaperMachines(world), pytest.raises(KeyboardInterrupt):
        carry_out(provider, study)
    assert sent
    assert world.left() == {}


@pytest.mark.parametrize("step", KILLED_AT)
def test_a_launcher_killed_at_any_step_is_cleaned_up_after(step: str, world: World) -> None:
    study = small_study()
    provider = make_provider(world, study)

    class KilledError(BaseException):
        """Nothing of the launcher runs after it."""

    def kill(line: dict[str, str]) -> None:
        if spell(line) == step:
            raise KilledError

    provider.journal._notify = kill
    provider._leave = lambda _: None  # type: ignore[method-assign]
    with PaperMachines(world), suppress(KilledError):
        carry_out_unprotected(provider, study)
    locate_journal(world.folder / "results/run-1").unlink()  # tags alone have to do
    found = find_leftovers(world.cloud, "run-1")
    assert clean_up(world.cloud, found, limit_s=30, poll_s=0.05) == []
    assert world.left() == {}
    assert find_leftovers(world.cloud) == []


def carry_out_unprotected(provider: AwsProvider, study: Study) -> None:
    provider.__enter__()
    list(provider.carry_out(list(study.cells())))
    provider._undo.run()
