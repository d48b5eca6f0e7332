"""What packages do wrong: the round goes on without that client, and the record says why."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import fedloom
import fedloom.records
from fedloom.errors import RunFailedError

from .light_packages import run_package, write_package

FAULTS = {
    "raises": ("raise ValueError('no such column')", "error", "no such column"),
    "exits without output": ("raise SystemExit(0)", "error", "was not written"),
    "exits with a code": ("print('last words'); raise SystemExit(7)", "error", "exit code 7"),
    "hangs": ("print('deep in thought', flush=True); time.sleep(60)", "timeout", "time limit"),
    "writes NaN": ("arrays = [w * np.nan]", "diverged", "NaN or infinity"),
    "writes another count": ("arrays = [w, w]", "rejected", "2 arrays"),
    "writes another shape": ("arrays = [np.zeros((2, 2))]", "rejected", "shape"),
    "writes objects": ("open(sys.argv[2], 'wb').write(b'PK'); raise SystemExit", "rejected", ""),
    "0 examples": ("examples = 0", "rejected", "num_examples"),
    "-5 examples": ("examples = -5", "rejected", "num_examples"),
    "ten examples": ("examples = 'ten'", "rejected", "num_examples"),
    "1e300 examples": ("examples = 1e300", "rejected", "num_examples"),
    "huge output": ("arrays = [np.zeros(2_000_000)]", "rejected", "bytes"),
    "is killed": ("os.kill(os.getpid(), 9)", "lost", "SIGKILL"),
    "disk full": ("raise OSError(28, 'No space left on device')", "error", "the disk is full"),
    "out of memory": ("raise MemoryError", "error", "out of memory"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_round_goes_on_without_a_client_that(name: str, tmp_path: Path) -> None:
    fault, failure, words = FAULTS[name]
    seconds = 2 if name == "hangs" else 60
    run = run_package(write_package(tmp_path, fault=fault), rounds=1, client_timeout_s=seconds)
    assert run.clients["failure"].to_list() == ["", failure, ""]
    assert run.rounds["participants"].to_list() == [2]
    # client_1 and client_3 alone: w = 0.06 Σ x² / Σ n
    assert run.weights(1)[0][0] == pytest.approx(0.06 * 15 / 4)
    log = (run.path / "run.log").read_text()
    assert f"client_2 {failure}" in log
    assert words in log


def test_a_hundred_megabytes_of_output_are_cut(tmp_path: Path) -> None:
    fault = "\n".join(["for _ in range(100):", "    sys.stdout.write('x' * 1_000_000)"])
    run = run_package(write_package(tmp_path, fault=fault), rounds=1)
    assert run.clients["participated"].all()
    assert (run.path / "logs/round_0001/client_0002.train.log").stat().st_size < 8_000_000


def test_a_client_that_hangs_costs_those_that_wait_nothing(tmp_path: Path) -> None:
    client = write_package(tmp_path, fault="time.sleep(60)")
    run = run_package(client, rounds=1, workers=1, client_timeout_s=2)
    assert run.clients["failure"].to_list() == ["", "timeout", ""]


def test_a_startup_that_fails_is_tried_again(tmp_path: Path) -> None:
    startup = f"""
        import os
        from pathlib import Path

        seen = Path({str(tmp_path)!r}, os.environ["FEDLOOM_CLIENT_INDEX"])
        first = not seen.exists()
        seen.touch()
        if first and seen.name == "1":
            raise SystemExit("no data yet")
    """
    run = run_package(write_package(tmp_path / "p", startup=startup))
    assert run.clients["failure"].to_list() == ["", "error", "", "", "", ""]
    assert run.clients["num_examples"].to_list() == [1, 0, 3, 1, 2, 3]
    assert "startup ended with exit code 1: no data yet" in (run.path / "run.log").read_text()


@pytest.mark.parametrize(
    "validate",
    ["raise SystemExit(1)", "pass", "import sys; open(sys.argv[2], 'w').write('{')"],
)
def test_a_validation_that_fails_costs_the_score_alone(tmp_path: Path, validate: str) -> None:
    run = run_package(write_package(tmp_path, validate=validate), rounds=1)
    assert run.clients["participated"].all()
    assert run.rounds["global_loss"].null_count() == 1


def test_a_score_that_is_no_number_is_left_out(tmp_path: Path) -> None:
    validate = """
        import os, sys
        from scaleoututil.helpers.helpers import save_metrics

        bad = os.environ["FEDLOOM_CLIENT_INDEX"] == "0"
        save_metrics({"accuracy": float("nan") if bad else 0.5, "loss": "low"}, sys.argv[2])
    """
    run = run_package(write_package(tmp_path, validate=validate), rounds=1)
    assert run.rounds["global_score"].to_list() == [0.5]
    assert run.rounds["global_loss"].to_list() == [None]


def test_a_run_in_which_all_fail_says_so(tmp_path: Path) -> None:
    client = write_package(tmp_path, train="raise SystemExit('nothing works')")
    with pytest.raises(RunFailedError, match=r"every client failed.*nothing works"):
        run_package(client)


def test_the_command_line_shows_a_failed_client_s_last_lines(tmp_path: Path) -> None:
    client = write_package(tmp_path, fault="print('one'); print('two'); raise SystemExit(4)")
    flags = ["--package", str(client), "--clients", "2", "--rounds", "2", "--output", "x"]
    ended = subprocess.run(
        [sys.executable, "-m", "fedloom", "generate", *flags],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    told = "round 1: client_2: train ended with exit code 4: two\n  | one\n  | two\n"
    assert told in ended.stderr
    assert ended.stderr.count("client_2") == 1
    assert "round 2/2: score 0.0000, 1 failed" in ended.stderr


def test_rows_are_known_again_after_resuming(tmp_path: Path) -> None:
    fault = "if settings['round'] > 1: raise SystemExit(1)"
    client = write_package(tmp_path, fault=fault)
    options = {"rounds": 3, "observer": stop_after_one}
    with pytest.raises(StoppedError):
        run_package(client, **options)
    run = run_package(client, rounds=3, resume=True)
    assert run.started_after == 1
    assert run.clients["num_examples"].to_list() == [1, 2, 3] * 3


class StoppedError(Exception):
    """What the observer raises."""


def stop_after_one(record: fedloom.records.RoundRecord, _: fedloom.Plan) -> None:
    if record.round == 1:
        raise StoppedError
