"""Where results lie, what weights are called, and how a locked folder behaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedloom.errors import DataError, OutputError
from fedloom.experiment.folder import RunFolder, locate_run
from fedloom.experiment.weights_store import WeightsStore, name_client_file

OUTPUTS = Path("outputs")


@pytest.mark.parametrize(
    ("output", "output_dir", "expected"),
    [
        ("x", None, "outputs/runs/x.csv"),
        ("x.csv", None, "outputs/runs/x.csv"),
        ("X.CSV", None, "outputs/runs/X.CSV"),
        ("a/b.c", None, "outputs/runs/a/b.c.csv"),
        ("outputs/runs/x.csv", None, "outputs/runs/x.csv"),
        ("../other/x", None, "outputs/other/x.csv"),
        ("x", "there", "there/x.csv"),
        ("there/x", "there", "there/x.csv"),
        ("a/../x", "there", "there/x.csv"),
    ],
)
def test_an_output_lies_under_outputs_or_the_user_s_own_folder(
    output: str, output_dir: str | None, expected: str
) -> None:
    folder = locate_run(output, output_dir=output_dir, default_dir=OUTPUTS)
    assert folder.client_csv.resolve() == Path(expected).resolve()
    assert folder.path.resolve() == Path(expected).with_suffix("").resolve()
    assert not list(Path.cwd().iterdir())


def test_an_absolute_path_within_is_fine() -> None:
    inside = Path.cwd() / "outputs" / "x.csv"
    assert locate_run(str(inside), output_dir=None, default_dir=OUTPUTS).client_csv == inside


@pytest.mark.parametrize("output", ["../x", "/tmp/x", "a/../../x"])
def test_the_user_s_own_folder_is_a_fence_too(output: str) -> None:
    with pytest.raises(OutputError, match="leaves the folder there"):
        locate_run(output, output_dir="there", default_dir=OUTPUTS)


def test_one_at_a_time_may_write() -> None:
    folder = RunFolder(Path("x.csv"))
    with (
        folder.lock(),
        pytest.raises(OutputError, match="another run is writing to x"),
        RunFolder(Path("x.csv")).lock(),
    ):
        pass
    with folder.lock():
        pass


def test_a_folder_in_which_nothing_was_written_goes_again() -> None:
    folder = RunFolder(Path("a/x.csv"))
    with folder.lock():
        assert folder.path.is_dir()
        assert not folder.exists()
    assert not folder.path.exists()


def test_what_a_death_at_the_beginning_left_is_nothing() -> None:
    folder = RunFolder(Path("x.csv"))
    folder.path.mkdir()
    (folder.path / ".plan.yaml.abc").write_text("run_")
    (folder.path / ".lock").touch()
    folder.refuse_existing(overwrite=False, resume=False)
    with folder.lock():
        folder.remove()
        assert [p.name for p in folder.path.iterdir()] == [".lock"]


def test_links_in_a_run_are_removed_not_followed(tmp_path: Path) -> None:
    Path("precious").mkdir()
    Path("precious/file").touch()
    folder = RunFolder(Path("x.csv"))
    folder.path.mkdir()
    folder.plan_file.touch()
    (folder.path / "weights").symlink_to(Path("precious").absolute())
    folder.remove()
    assert Path("precious/file").exists()
    assert not folder.exists()


# Weights


@pytest.mark.parametrize(
    ("client_id", "name"),
    [
        ("client_1", "client_0001"),
        ("client_12345", "client_12345"),
        ("client_01", "named_client_01"),
        ("ward/3", "named_ward%2F3"),
        ("..", "named_%2E%2E"),
    ],
)
def test_clients_have_files_of_their_own(client_id: str, name: str) -> None:
    assert name_client_file(client_id) == name


def test_a_round_s_folder_appears_when_it_is_finished() -> None:
    store = WeightsStore(Path("w"), ["client_1", "b"])
    sink = store.sink(3)
    sink(1, [np.float32([1, 2]), np.float32([3])])
    assert not store.round_folder(3).exists()
    store.finish(3, [np.float32([0, 0]), np.float32([0])])
    assert sorted(p.name for p in store.round_folder(3).iterdir()) == ["global.npz", "named_b.npz"]
    assert [a.tolist() for a in store.read(3, "b")] == [[1.0, 2.0], [3.0]]


def test_arrays_come_back_in_the_model_s_order_beyond_ten() -> None:
    store = WeightsStore(Path("w"), [])
    store.finish(1, [np.float32([n]) for n in range(12)])
    assert [a.tolist() for a in store.read(1)] == [[float(n)] for n in range(12)]


def test_only_rounds_are_removed() -> None:
    store = WeightsStore(Path("w"), ["client_1"])
    for number in (1, 2):
        store.finish(number, [np.float32([1])])
    store.sink(2)(0, [np.float32([1])])
    (Path("w") / "round_best").mkdir()
    store.remove_after(1)
    assert sorted(p.name for p in Path("w").iterdir()) == ["round_0001", "round_best"]


def test_damaged_weights_are_said_to_be_damaged() -> None:
    store = WeightsStore(Path("w"), [])
    store.finish(1, [np.float32([1])])
    (store.round_folder(1) / "global.npz").write_bytes(b"PK\x03\x04junk")
    with pytest.raises(DataError, match="cannot be read"):
        store.read(1)
