"""Machines that are played by processes: their start-up script, their agent, and real cells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from fedloom.bench import CellStatus, RunPlace
from fedloom.bench.aws.journal import locate_journal, read_journal
from fedloom.bench.aws.waiting import wait_until
from fedloom.bench.outcome import CellOutcome
from fedloom.errors import RunFailedError
from fedloom.fleet.flower.certificates import CertificateFolder

from .aws_world import Machines, World, make_provider, open_world, serve_aws, small_study


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled_once: None) -> Iterator[World]:
    with serve_aws() as url, open_world(url, tmp_path, monkeypatch) as opened:
        yield opened


def test_real_cells_pass_from_one_end_to_the_other(world: World) -> None:
    study = small_study(strategy=["FedAvg", "FedAdam"])
    provider = make_provider(world, study, boot_limit_s=300.0, farewell_s=120.0)
    with Machines(world) as machines:
        try:
            with provider:
                outcomes = list(provider.carry_out(list(study.cells())))
        finally:
            print(machines.describe())
    assert [(o.cell, o.status, o.rounds) for o in outcomes] == [
        ("jax-FedAvg-2", CellStatus.FINISHED, 2),
        ("jax-FedAdam-2", CellStatus.FINISHED, 2),
    ]
    assert world.left() == {}
    for cell in study.cells():
        check_results(RunPlace(world.folder / "results/run-1"), world, cell.strategy)
    check_keys_stayed(world, machines)
    check_order(world)


def check_results(place: RunPlace, world: World, strategy: str) -> None:
    folder = place.path / "jax" / strategy / "2"
    assert (folder / "cell.json").exists()
    assert "FL finished" in (folder / "server_log.log").read_text()
    logs = sorted(folder.glob("client_i_*_log.log"))
    assert len(logs) == 2
    for log in logs:
        assert "SSL is enabled" in log.read_text() or "secure" in log.read_text()
        assert "insecure" not in log.read_text()
    assert (folder / "records/rounds.csv").read_text().count("\n") == 3
    assert not (folder / ".arriving").exists()


def check_keys_stayed(world: World, machines: Machines) -> None:
    """Private keys are on the server's machine, and were in no call and no object."""
    (home,) = machines.homes_with("certificates")
    folder = CertificateFolder(home / "work/certificates")
    key = folder.key("server").read_text().splitlines()[1]
    for machine in machines.homes.values():
        for path in machine.rglob("*"):
            if path.is_file() and path.suffix in {".pem", ".log", ".txt", ".json", ".sh"}:
                assert key not in path.read_text(errors="replace")
    said = [(h / "shutdown.txt").read_text().splitlines() for h in machines.homes.values()]
    assert all(lines[0].startswith("-P +360") and "-P now" in lines[-1] for lines in said)
    pip = [(h / "pip.txt").read_text() for h in machines.homes.values()]
    assert all("--require-hashes" in text and "--no-index" in text for text in pip)


def check_order(world: World) -> None:
    """The server answered before the first client's machine was asked for."""
    lines = read_journal(locate_journal(world.folder / "results/run-1"))
    steps = [f"{line['what']}:{line['state']}" for line in lines]
    assert steps.index("server:ready") < steps.index("client-machines:making")


def test_a_wrong_checksum_stops_the_start(world: World) -> None:
    """Nothing of a bundle that was tampered with is installed or run."""
    study = small_study()
    provider = make_provider(world, study, boot_limit_s=120.0)
    with provider:
        bucket = world.client("s3").list_buckets()["Buckets"][0]["Name"]
        key = "runs/run-1/bundle/fedloom-0-py3-none-any.whl"
        world.client("s3").put_object(Bucket=bucket, Key=key, Body=b"something else")
        with Machines(world) as machines, pytest.raises(RunFailedError) as raised:
            list(provider.carry_out(list(study.cells())))
    assert "a checksum is wrong" in str(raised.value)
    assert "fedloom-0-py3-none-any.whl" in str(raised.value)
    (home,) = machines.homes.values()
    assert not (home / "pip.txt").exists()
    assert not (home / "work").exists()
    assert world.left() == {}


def test_a_list_of_checksums_that_was_replaced_too_is_seen(world: World) -> None:
    study = small_study()
    provider = make_provider(world, study, boot_limit_s=120.0)
    with provider:
        bucket = world.client("s3").list_buckets()["Buckets"][0]["Name"]
        key = "runs/run-1/bundle/SHA256SUMS"
        world.client("s3").put_object(Bucket=bucket, Key=key, Body=b"")
        with Machines(world), pytest.raises(RunFailedError, match="a checksum is wrong"):
            list(provider.carry_out(list(study.cells())))
    assert world.left() == {}


@pytest.mark.parametrize("who", ["server", "client"])
def test_a_machine_that_dies_in_a_cell_is_reported_and_cleaned(who: str, world: World) -> None:
    study = small_study(num_rounds=500)
    provider = make_provider(world, study, boot_limit_s=300.0)
    outcomes: list[CellOutcome] = []
    journal = locate_journal(world.folder / "results/run-1")

    def started() -> list[str]:
        lines = read_journal(journal)
        return [
            machine
            for line in lines
            if line["state"] == "started" and line["what"].startswith(who)
            for machine in line["name"].split()
        ]

    with Machines(world) as machines:

        def in_cell() -> bool:
            lines = read_journal(journal)
            ready = any(f"{o['what']}:{o['state']}" == "client-machines:started" for o in lines)
            return ready and started()[-1] in machines.processes

        def kill() -> None:
            wait_until(in_cell, "the clients' machines", limit_s=300, poll_s=0.2)
            machines.lose(started()[-1])

        killer = Thread(target=kill)
        killer.start()
        with provider:
            outcomes += provider.carry_out(list(study.cells()))
        killer.join(10)
    (outcome,) = outcomes
    assert outcome.status is CellStatus.FAILED
    assert started()[-1] in outcome.reason
    assert list(world.left()) == ["buckets"]  # what there is of the cell can still be fetched
