"""The commands about AWS: what they print, refuse, and leave."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedloom.bench.aws.journal import locate_journal, read_journal
from fedloom.bench.aws.waiting import wait_until
from fedloom.cli import main

from .aws_paper import PaperMachines
from .aws_world import World, open_world, quick_options, serve_aws

LINE = ["bench", "--provider", "aws", "--backend", "jax", "--n_client_instances", "2"]
SMALL = ["--strategy", "FedAvg", "--num_rounds", "1", "--dataset", "iris", "--model", "logistic"]


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with serve_aws() as url:
        yield url


@pytest.fixture
def world(aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with open_world(aws, tmp_path, monkeypatch) as opened:
        yield opened


@pytest.fixture
def no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.chdir(tmp_path)


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_a_dry_run_needs_no_login(no_login: None, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run([*LINE, *SMALL, "--dry-run", "--max-hours", "2"], capsys)
    assert code == 0
    assert "at most 3 machines at a time" in text
    assert "nothing was started" in text
    code, text = run([*LINE, *SMALL, "--dry-run", "--region", "us-east-1", "--json"], capsys)
    # Three r5.large for six hours, with disk and address: 3 x 6 x (0.126 + 0.1x32/730 + 0.005).
    assert json.loads(text)["cost_usd"] == pytest.approx(3 * 6 * (0.126 + 3.2 / 730 + 0.005))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "no AWS region"),
        (["--region", "eu-west-7"], "did you mean 'eu-west-"),
        (["--region", "eu-west-1"], "no AWS credentials"),
        (["--region", "eu-west-1", "--max-cost", "0.5"], "cost up to"),
        (["--max-hours", "0"], "max_hours=0"),
        (["--price", "r5.large"], "write r5.large=0.126"),
        (["--config", "none.yaml"], "none.yaml"),
        (["--region", "eu-west-1", "--provider", "local"], "for --provider aws only"),
    ],
)
def test_what_cannot_be_is_one_line_before_anything_starts(
    more: list[str], message: str, no_login: None, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = run([*LINE, *SMALL, *more], capsys)
    assert code != 0
    assert message in text
    assert "Traceback" not in text


def test_check_tries_the_credentials(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, text = run(["bench", "check", "--region", "eu-west-1", "--json"], capsys)
    assert (code, json.loads(text)["region"]) == (0, "eu-west-1")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    code, text = run(["bench", "check", "--region", "eu-west-1"], capsys)
    assert code == 1
    assert "bench init" in text


def test_credentials_in_dot_env_are_used_and_the_shell_goes_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fedloom.bench.aws import open_cloud

    (world.folder / ".env").write_text(
        "AWS_ACCESS_KEY_ID=from-file\nAWS_SECRET_ACCESS_KEY=s\nAWS_REGION=eu-north-1\n"
    )
    assert open_cloud().session.get_credentials().access_key == "test"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    cloud = open_cloud()
    assert (cloud.session.get_credentials().access_key, cloud.region) == ("from-file", "eu-north-1")
    assert "AWS_ACCESS_KEY_ID" not in os.environ


def test_init_writes_what_can_be_read_again(
    no_login: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from fedloom.bench.aws import Ec2Config, read_ec2_config

    assert run(["bench", "init"], capsys)[0] == 0
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert read_ec2_config(tmp_path / "ec2_config.yaml") == Ec2Config()
    (tmp_path / "ec2_config.yaml").unlink()
    (tmp_path / ".env").write_text("mine\n")
    assert run(["bench", "init"], capsys)[0] == 0
    assert (tmp_path / ".env").read_text() == "mine\n"
    code, text = run(["bench", "init"], capsys)
    assert code == 2
    assert "already" in text


def start_launcher(world: World) -> subprocess.Popen[str]:
    options = quick_options(world.folder)
    command = [sys.executable, "-m", "fedloom", *LINE, *SMALL, "--run", "first"]
    command += ["--region", "eu-west-1", "--no-baselines", "--quiet"]
    command += ["--wheel", str(options.wheel), "--requirements", str(options.requirements)]
    command += ["--wheels", str(options.wheels)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)


def await_step(world: World, what: str, state: str) -> None:
    journal = locate_journal(world.folder / "federated-learning-results/first")

    def there() -> bool:
        return any((one["what"], one["state"]) == (what, state) for one in read_journal(journal))

    wait_until(there, f"{what} {state}", limit_s=180, poll_s=0.1)


def test_one_command_carries_a_study_out(world: World) -> None:
    with PaperMachines(world):
        process = start_launcher(world)
        _, errors = process.communicate(timeout=240)
    assert (process.returncode, "Traceback" in errors) == (0, False), errors
    assert world.left() == {}
    place = world.folder / "federated-learning-results/first"
    assert (place / "jax/FedAvg/2/cell.json").exists()
    listed = json.loads((place / "manifest.json").read_text())["files"]
    assert "jax/FedAvg/2/cell.json" in listed


def test_a_launcher_killed_for_good_is_cleaned_up_after_by_tags(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    process = start_launcher(world)
    await_step(world, "server-machines", "started")
    process.kill()
    process.communicate(timeout=30)
    assert world.living()
    code, text = run(["bench", "status", "--region", "eu-west-1"], capsys)
    assert (code, "machine" in text, "first" in text) == (0, True, True)
    code, text = run(["bench", "clean", "--run", "first", "--yes"], capsys)  # region: its journal's
    assert (code, world.left()) == (0, {}), text
    code, text = run(["bench", "clean", "--region", "eu-west-1"], capsys)
    assert (code, "nothing is left" in text) == (0, True)


def test_a_request_to_end_leaves_nothing(world: World) -> None:
    process = start_launcher(world)
    await_step(world, "server-machines", "started")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert world.left() == {}
