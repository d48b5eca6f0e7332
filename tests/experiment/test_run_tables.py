"""What a run leaves behind: tables, weights, a plan that repeats it."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

import fedloom
from fedloom.errors import DataError
from fedloom.records import ClientRecord, RoundRecord, column_names

from .tiny_runs import TINY, assert_same_run, drop_measured, records_of, run_tiny

MLAAS = (
    "run_id round client_id dataset task_type model_type participated round_fail_reason "
    "distribution_type distribution_param data_Distribution samples_count Computation_Time "
    "quality_Factor reliability_Score"
).split()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> fedloom.Run:
    """One run with an output, for tests that only look."""
    return run_tiny(output="tiny", output_dir=str(tmp_path_factory.mktemp("runs")))


def test_both_tables_are_there_as_csv_and_parquet_in_the_columns_of_the_schema(
    tiny: fedloom.Run,
) -> None:
    assert tiny.client_csv.read_bytes() == (tiny.path / "clients.csv").read_bytes()
    for name, table, rows in (("clients", ClientRecord, 6), ("rounds", RoundRecord, 2)):
        text = pl.read_csv(tiny.path / f"{name}.csv")
        typed = pl.read_parquet(tiny.path / f"{name}.parquet")
        assert text.columns == typed.columns == column_names(table)
        assert text.height == typed.height == rows


def test_client_rows_say_who_did_what(tiny: fedloom.Run) -> None:
    clients = tiny.clients
    assert clients["round"].to_list() == [1, 1, 1, 2, 2, 2]
    assert clients["client_id"].to_list()[:3] == ["client_1", "client_2", "client_3"]
    assert clients["num_examples"].to_list()[:3] == [40, 40, 40]
    counts = [json.loads(text) for text in clients["label_counts"]]
    assert [sum(c.values()) for c in counts] == clients["num_examples"].to_list()
    assert clients["participated"].all()
    assert clients["failure"].unique().to_list() == [""]
    assert (clients["divergence"] > 0).all()
    assert ((clients["local_score"] > 0) & (clients["local_score"] <= 1)).all()
    assert (clients["train_seconds"] > 0).all()
    assert clients["upload_bytes"].unique().to_list() == [(4 * 3 + 3) * 4]
    same = ("dataset", "task", "model", "algorithm", "backend", "partition")
    assert clients.select(same).row(0) == (
        "iris",
        "classification",
        "logistic",
        "FedAvg",
        "jax",
        "iid",
    )


def test_round_rows_agree_with_client_rows(tiny: fedloom.Run) -> None:
    rounds, clients = tiny.rounds, tiny.clients
    assert rounds["participants"].to_list() == [3, 3]
    assert rounds["num_examples"].to_list() == [120, 120]
    for number in (1, 2):
        ours = clients.filter(round=number)
        row = rounds.row(number - 1, named=True)
        mean = (ours["train_loss"] * ours["num_examples"]).sum() / 120
        assert row["train_loss"] == pytest.approx(mean)
        assert ours["global_score"].to_list() == [row["global_score"]] * 3
    assert (rounds["update_norm"] > 0).all()


def test_weights_lie_in_a_folder_per_round(tiny: fedloom.Run) -> None:
    files = sorted(str(p.relative_to(tiny.path)) for p in tiny.path.rglob("*.npz"))
    names = ("client_0001", "client_0002", "client_0003", "global")
    rounds = [f"weights/round_000{n}/{name}.npz" for n in (1, 2) for name in names]
    assert files == ["checkpoint.npz", *rounds]
    with np.load(tiny.path / "weights/round_0002/client_0001.npz") as arrays:
        assert arrays.files == ["0", "1"]
        assert [arrays[name].shape for name in arrays.files] == [(4, 3), (3,)]


def test_global_weights_are_the_mean_of_the_clients(tiny: fedloom.Run) -> None:
    clients = [tiny.weights(1, f"client_{k}") for k in (1, 2, 3)]
    for index, array in enumerate(tiny.weights(1)):
        mean = np.mean([c[index] for c in clients], axis=0)
        np.testing.assert_allclose(array, mean, rtol=1e-5, atol=1e-6)


def test_weights_that_are_not_there_are_said_to_be_missing(tiny: fedloom.Run) -> None:
    with pytest.raises(DataError, match=r"no weights at .*round_0009"):
        tiny.weights(9)
    with pytest.raises(DataError, match=r"no weights at .*named_ann"):
        tiny.weights(1, "ann")


@pytest.mark.parametrize(
    ("weights", "kept"),
    [("none", []), ("GLOBAL", ["round_0001/global.npz", "round_0002/global.npz"])],
)
def test_fewer_weights_may_be_kept(weights: str, kept: list[str]) -> None:
    run = run_tiny(output="w", weights=weights)
    folder = run.path / "weights"
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*.npz")) == kept


def test_the_same_seed_gives_the_same_records_and_another_one_others(tiny: fedloom.Run) -> None:
    again = run_tiny(output="again")
    assert_same_run(tiny.path, again.path)
    assert again.run_id == tiny.run_id
    other = run_tiny(output="other", seed=1)
    assert other.run_id != tiny.run_id
    assert other.rounds["global_loss"].to_list() != tiny.rounds["global_loss"].to_list()


def test_the_same_seed_gives_the_same_bytes_in_every_column_but_measurements(
    tiny: fedloom.Run,
) -> None:
    again = run_tiny(output="again")

    def texts(run: fedloom.Run, name: str) -> list[list[str]]:
        with (run.path / name).open(newline="") as file:
            head, *rows = csv.reader(file)
        keep = [i for i, c in enumerate(head) if not c.endswith("_seconds") or "simulated" in c]
        return [[row[i] for i in keep] for row in rows]

    for name in ("clients.csv", "rounds.csv"):
        assert texts(tiny, name) == texts(again, name)


def test_the_original_s_columns(tmp_path: Path) -> None:
    run = run_tiny(output="old", columns="mlaas", partition="dirichlet", rounds=3)
    with run.client_csv.open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == MLAAS
    assert len(rows) == 9
    assert pl.read_csv(run.path / "clients.csv").columns == column_names(ClientRecord)
    first = dict(zip(head, rows[0], strict=True))
    assert first["distribution_param"] == "0.5"
    assert (first["participated"], first["round_fail_reason"]) == ("True", "")
    ours = [dict(zip(head, r, strict=True)) for r in rows if r[2] == "client_2"]
    quality = [float(r["quality_Factor"]) for r in ours]
    assert [float(r["reliability_Score"]) for r in ours] == pytest.approx(
        [math.fsum(quality[: n + 1]) / (n + 1) for n in range(3)]
    )


def test_plan_yaml_repeats_the_run(tiny: fedloom.Run) -> None:
    content = yaml.safe_load((tiny.path / "plan.yaml").read_text())
    assert content["run_id"] == tiny.run_id
    assert content["plan"]["clients"] == 3
    assert content["resolved"]["cohort"] == 3
    assert {"fedloom", "jax", "keras", "numpy", "python"} <= set(content["versions"])
    again = fedloom.simulate(plan=tiny.path / "plan.yaml", output="again", output_dir=".")
    assert again.path == Path.cwd() / "again"
    assert_same_run(tiny.path, again.path)


def test_a_custom_distribution_is_kept_in_the_plan(tmp_path: Path) -> None:
    file = tmp_path / "who.json"
    file.write_text(
        '{"ward/3": {"setosa": 20, "virginica": 3}, "Ärztin": {"1": 9}}'.replace(
            '"1"', '"versicolor"'
        )
    )
    options: dict[str, Any] = {"partition": "custom", "clients": 2, "output": "custom"}
    run = run_tiny(distribution=file, **options)
    assert run.clients["client_id"].to_list()[:2] == ["ward/3", "Ärztin"]
    names = sorted(p.name for p in (run.path / "weights/round_0001").iterdir())
    assert len(names) == 3
    assert all("/" not in name for name in names)
    np.testing.assert_array_equal(
        run.weights(2, "ward/3")[0].shape, run.weights(2, "Ärztin")[0].shape
    )
    file.unlink()
    again = fedloom.simulate(plan=run.path / "plan.yaml", output="again")
    assert_same_run(run.path, again.path)


def test_the_log_has_a_line_per_round(tiny: fedloom.Run) -> None:
    lines = (tiny.path / "run.log").read_text().splitlines()
    assert [line.split(" INFO ")[1].partition(":")[0] for line in lines] == ["round 1", "round 2"]


def test_open_run_finds_a_run_by_its_folder_and_by_its_table(tiny: fedloom.Run) -> None:
    for place in (tiny.path, tiny.client_csv, str(tiny.path)):
        run = fedloom.open_run(place)
        assert run.run_id == tiny.run_id
        assert run.clients.equals(tiny.clients)
    with pytest.raises(DataError, match="does not exist"):
        fedloom.open_run("nothing.csv")


def test_the_report_is_a_page(tiny: fedloom.Run, tmp_path: Path) -> None:
    page = tiny.report(tmp_path / "page.html")
    assert page == tmp_path / "page.html"
    assert "client_3" in page.read_text("utf-8")


def test_without_an_output_the_records_live_as_long_as_the_run() -> None:
    run = run_tiny()
    folder = run.path
    assert not list(Path.cwd().iterdir())
    assert run.rounds.height == 2
    assert sorted(p.name for p in (folder / "weights/round_0001").iterdir()) == ["global.npz"]
    del run
    assert not folder.exists()


def test_a_failed_run_without_an_output_leaves_nothing(tmp_path: Path) -> None:
    import tempfile

    before = set(Path(tempfile.gettempdir()).glob("fedloom-*"))
    with pytest.raises(fedloom.FedloomError, match="every client failed in every round; the first"):
        run_tiny(learning_rate=1e38, weights="none")
    assert set(Path(tempfile.gettempdir()).glob("fedloom-*")) <= before


def test_records_of_equal_plans_are_equal_whatever_the_output_kept() -> None:
    full, none = run_tiny(output="a"), run_tiny(output="b", weights="none")
    assert full.run_id == none.run_id
    assert all(
        x.equals(y) for x, y in zip(records_of(full.path), records_of(none.path), strict=True)
    )
    assert drop_measured(full.clients).width < full.clients.width
    assert TINY["clients"] == 3
