"""Runs whose clients are packages: their numbers, records, folders, and how they go on."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import fedloom
from fedloom.errors import InputError, PackageError
from fedloom.package import create_archive

from .light_packages import run_package, write_package
from .tiny_runs import records_of, start_program, weights_of

SHOW = """
    import os
    from pathlib import Path

    number = int(os.environ["FEDLOOM_CLIENT_INDEX"]) + 1
    folder = Path("data", "clients", str(number))
    folder.mkdir(parents=True)
    (folder / "part.bin").write_bytes(b"")
    count = Path("../starts")
    count.write_text(count.read_text() + "x" if count.exists() else "x")
"""
SAY = """
    import os, sys
    from pathlib import Path
    from scaleoututil.helpers.helpers import get_helper, load_metadata, save_metadata

    names = ["FEDLOOM_CLIENT_INDEX", "FEDLOOM_NUM_CLIENTS", "FEDLOOM_SEED", "FEDN_DATA_PATH",
             "SCALEOUT_DATA_PATH", "FEDN_NUM_DATA_SPLITS", "SCALEOUT_NUM_DATA_SPLITS"]
    said = {name: os.environ[name] for name in names}
    said |= {"cwd": os.getcwd(), "settings": load_metadata(sys.argv[1])}
    said["starts"] = len(Path("../starts").read_text())
    helper = get_helper("numpyhelper")
    helper.save(helper.load(sys.argv[1]), sys.argv[2])
    save_metadata({"num_examples": 1, **said}, sys.argv[2])
"""


def hand_weights(rounds: int) -> float:
    """FedAvg of the three clients of `light_packages`, by hand."""
    w = 0.0
    for _ in range(rounds):
        sums = {1: 1.0, 2: 5.0, 3: 14.0}  # of x² over 1 … n
        moved = {n: w - 0.01 * 2 * (w - 3) * s / n for n, s in sums.items()}
        w = sum(n * value for n, value in moved.items()) / 6
    return w


def metrics_of(run: fedloom.Run) -> pl.DataFrame:
    table = run.metrics
    assert table.equals(pl.read_parquet(run.path / "metrics.parquet"))
    return table


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("plain")
    client = write_package(folder / "my project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield run_package(client, output_dir=str(folder))


def test_weights_are_the_mean_by_hand_in_float64(plain_run: fedloom.Run) -> None:
    for number in (1, 2):
        (found,) = plain_run.weights(number)
        assert found.dtype == np.float64
        assert found[0] == pytest.approx(hand_weights(number), rel=1e-12)
    (own,) = plain_run.weights(1, "client_3")
    assert own[0] == pytest.approx(0.02 * 3 * 14 / 3)


def test_records_say_what_the_clients_said(plain_run: fedloom.Run) -> None:
    clients, rounds = plain_run.clients, plain_run.rounds
    assert clients["num_examples"].to_list() == [1, 2, 3] * 2
    assert clients["participated"].all()
    assert set(clients["train_loss"]) == {0.5}
    assert clients["local_loss"].null_count() == clients.height
    first = clients.row(0, named=True)
    names = ("dataset", "task", "model", "backend", "partition", "label_counts")
    assert [first[name] for name in names] == [
        "package:my project",
        "",
        "my project",
        "package",
        "",
        "{}",
    ]
    assert first["upload_bytes"] == 8
    assert rounds["num_examples"].to_list() == [6, 6]
    weights = [hand_weights(1), hand_weights(2)]
    assert rounds["global_loss"].to_list() == pytest.approx([w + (2 + 6) / 6 for w in weights])
    assert rounds["global_score"].to_list() == pytest.approx([0.8 / 6] * 2)


def test_every_number_and_document_of_a_client_is_kept(plain_run: fedloom.Run) -> None:
    table = metrics_of(plain_run)
    assert table.columns == ["run_id", "round", "client_id", "phase", "name", "value"]
    assert table.height == 2 * 3 * (1 + 3)
    row = table.filter(round=2, client_id="client_3", phase="validate", name="deep.a")
    assert row["value"].to_list() == [1.0]
    folder = plain_run.path / "metrics" / "round_0001"
    assert json.loads((folder / "client_0003.json").read_text())["labels"] == ["x"]
    assert json.loads((folder / "client_0003.train.json").read_text())["note"] == "kept"
    assert (plain_run.path / "logs/round_0001/client_0002.train.log").is_file()


def test_a_report_can_be_made(plain_run: fedloom.Run, tmp_path: Path) -> None:
    assert plain_run.report(tmp_path / "report.html").stat().st_size > 10_000


def test_the_seed_and_the_package_s_digest_are_kept(plain_run: fedloom.Run) -> None:
    with np.load(plain_run.path / "seed.npz") as arrays:
        assert arrays["0"].tolist() == [0.0]
    archive = create_archive(Path(plain_run.plan.package or ""), plain_run.path / "../p.tgz")
    assert plain_run.plan.package_digest == archive.sha256
    again = fedloom.open_run(plain_run.path)
    assert again.run_id == plain_run.run_id


def test_an_archive_gives_the_same_run(plain_run: fedloom.Run, tmp_path: Path) -> None:
    create_archive(Path(plain_run.plan.package or ""), tmp_path / "p.tgz")
    packed = run_package(tmp_path / "p.tgz", cold=False, workers=1)
    assert packed.run_id == plain_run.run_id
    assert weights_of(packed.path) == weights_of(plain_run.path)


def test_clients_differ_by_folder_and_variables_and_start_once(tmp_path: Path) -> None:
    client = write_package(tmp_path / "p", startup=SHOW, train=SAY, validate=None)
    before = sorted(p.relative_to(tmp_path) for p in (tmp_path / "p").rglob("*"))
    run = run_package(client, clients=2, epochs=7, seed=5)
    folder = run.path / "metrics" / "round_0002"
    one, two = (json.loads((folder / f"client_000{i}.train.json").read_text()) for i in (1, 2))
    assert (one["FEDLOOM_CLIENT_INDEX"], two["FEDLOOM_CLIENT_INDEX"]) == ("0", "1")
    assert {one["cwd"], two["cwd"]}.isdisjoint({str(client)})
    assert one["cwd"] != two["cwd"]
    assert Path(two["FEDN_DATA_PATH"]) == Path(two["cwd"], "data/clients/2/part.bin")
    assert one["SCALEOUT_NUM_DATA_SPLITS"] == one["FEDN_NUM_DATA_SPLITS"] == "2"
    assert one["FEDLOOM_NUM_CLIENTS"] == "2"
    assert two["settings"] == {"round": 2, "seed": 5, "epochs": 7}
    assert (one["starts"], two["starts"]) == (1, 1)
    assert sorted(p.relative_to(tmp_path) for p in (tmp_path / "p").rglob("*")) == before
    assert run.rounds["global_loss"].null_count() == 2
    assert not Path(one["cwd"]).exists()


def test_a_package_that_changes_meanwhile_does_not_matter(tmp_path: Path) -> None:
    client = write_package(tmp_path)

    def spoil(*_: object) -> None:
        (client / "train.py").write_text("raise SystemExit(3)")

    run = run_package(client, rounds=3, observer=spoil)
    assert run.clients["participated"].all()
    with pytest.raises(InputError, match="differs in package"):
        run_package(client, rounds=3, resume=True)
    with pytest.raises(PackageError, match="it has changed, or is another one"):
        fedloom.simulate(plan=run.path / "plan.yaml", output="y")


def test_weights_may_come_from_the_user(tmp_path: Path) -> None:
    client = write_package(tmp_path / "p", build=None)
    with pytest.raises(PackageError, match=r"no entry point 'build' and no seed\.npz"):
        run_package(client)
    for value in (1.0, 2.0):
        np.savez(tmp_path / "seed.npz", **{"0": np.array([value])})
        run = run_package(client, seed_model=tmp_path / "seed.npz", rounds=1, overwrite=True)
        expected = value + 0.02 * (3 - value) * 20 / 6
        assert run.weights(1)[0][0] == pytest.approx(expected)
        digests = (run.plan.package_digest or "").split("+")
        assert len(digests) == 2


@pytest.mark.parametrize("algorithm", ["FedAdam", "FedMedian", "Krum", "DPFedAvg"])
def test_other_algorithms_work(tmp_path: Path, algorithm: str) -> None:
    run = run_package(write_package(tmp_path), clients=5, rounds=1, algorithm=algorithm)
    assert run.rounds["participants"].to_list() == [5]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"algorithm": "FedProx"}, "FedProx: it corrects every gradient"),
        ({"algorithm": "Scaffold"}, "Scaffold: it corrects every gradient"),
        ({"dataset": "iris"}, "dataset: does not go with package"),
        ({"partition": "shard"}, "partition: does not go with package"),
        ({"model": "cnn"}, "model: does not go with package"),
        ({"devices": "mobile"}, "devices: does not go with package"),
        ({"fleet": "process"}, "fleet: does not go with package"),
        ({"seed_model": "nowhere.npz"}, "there is no such file"),
        ({"package": "nowhere"}, "package nowhere does not exist"),
        ({"package": None}, "cold: belongs to package alone"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    client = write_package(tmp_path / "p")
    with pytest.raises(InputError, match=words):
        run_package(client, **options)
    assert not Path("outputs").exists()


@pytest.mark.parametrize(
    ("build", "words"),
    [
        ("raise SystemExit('no luck')", "build ended with exit code 1: no luck"),
        ("pass", "build ended well but wrote no seed model"),
        ("open('../seed.npz', 'w').write('x')", "seed.npz"),
        (
            "import numpy as np; np.savez('../seed.npz', **{'0': np.zeros(1, bool)})",
            "has the type bool",
        ),
    ],
)
def test_a_build_that_fails_says_so(tmp_path: Path, build: str, words: str) -> None:
    with pytest.raises(PackageError, match=words):
        run_package(write_package(tmp_path, build=build))
    assert not Path("outputs").exists()


def test_a_partition_of_a_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="bring their own data"):
        fedloom.partition(**{"package": str(write_package(tmp_path))})  # type: ignore[misc]


def test_sigkill_and_resume_lose_no_finished_round(tmp_path: Path) -> None:
    client = write_package(tmp_path)
    flags = ["--package", str(client), "--clients", "3", "--rounds", "6", "--cohort", "2"]
    process = start_program("generate", *flags, "--output", "killed")
    assert process.stderr is not None
    with process:
        for line in process.stderr:
            if line.startswith("round 2/6"):
                break
        os.killpg(process.pid, signal.SIGKILL)
    options = {"rounds": 6, "cohort": 2, "cold": False}
    run = run_package(client, **options, output="killed", resume=True)
    assert 2 <= run.started_after < 6
    other = run_package(client, **options, output="whole")
    for ours, theirs in zip(records_of(run.path), records_of(other.path), strict=True):
        assert ours.equals(theirs)
    assert weights_of(run.path) == weights_of(other.path)
    assert metrics_of(run).equals(metrics_of(other))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_a_run_and_its_commands(tmp_path: Path, number: int) -> None:
    fault = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    client = write_package(tmp_path / "p", fault=fault)
    process = start_program("generate", "--package", str(client), "--clients", "2", "--output", "x")
    with process:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert process.poll() is None
        os.kill(process.pid, number)
        assert process.wait(timeout=20) == 130
    assert not Path("/proc", (tmp_path / "pid").read_text()).exists()
