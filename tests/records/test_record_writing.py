"""Tables grow by rounds, read back as they were, and survive a death at any byte."""

from __future__ import annotations

import ast
import csv
import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedloom.errors import DataError, OutputError
from fedloom.records import (
    ClientRecord,
    Columns,
    RecordWriter,
    RoundRecord,
    column_names,
    read_records,
    read_rounds,
)
from fedloom.records.cut import cut_after
from fedloom.records.parquet import scan_table, sink_table

from .record_examples import make_client, make_round

AWKWARD = 'a "b",\nc\r\n'


class Place:
    """A run's files in a folder."""

    def __init__(self, folder: Path, columns: Columns = Columns.FEDLOOM) -> None:
        self.folder = folder / "run"
        self.user_csv = folder / "run.csv"
        self.client_csv = self.folder / "clients.csv"
        self.round_csv = self.folder / "rounds.csv"
        self.columns = columns

    @property
    def tables(self) -> list[Path]:
        return [self.user_csv, self.client_csv, self.round_csv]

    def writer(self) -> RecordWriter:
        return RecordWriter(self.user_csv, self.round_csv, self.columns)

    def contents(self) -> list[bytes]:
        return [path.read_bytes() for path in self.tables]


def write_rounds(writer: RecordWriter, rounds: range) -> None:
    for number in rounds:
        clients = [
            make_client(number, "client_1", local_score=number / 10),
            make_client(number, AWKWARD, local_score=None, participated=False, failure="error"),
        ]
        writer.append(clients, make_round(number))


def read_cells(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


@pytest.fixture
def fast_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_text_of_a_row(place: Place) -> None:
    client = make_client(2, 'c,"1"', participated=False, failure="error", train_loss=float("nan"))
    place.writer().append([client], make_round(2))
    header, row = place.user_csv.read_bytes().decode().splitlines()
    assert header == ",".join(column_names(ClientRecord))
    assert row == (
        '0123456789ab,2,"c,""1""",digits,classification,mlp,FedAvg,jax,dirichlet,0.3,'
        '"{""0"":3,""1"":7}",10,False,error,,0.2,0.75,0.25,0.3333333333333333,1e-09,0.5,0.25,,'
        "40,44,,,"
    )
    assert place.client_csv.read_bytes() == place.user_csv.read_bytes()
    assert place.round_csv.read_text().splitlines()[1] == (
        "0123456789ab,2,digits,classification,mlp,FedAvg,jax,dirichlet,0.3,2,2,20,0.1,0.25,"
        "0.3333333333333333,1.5,,0.5,0.25,"
    )


def test_numbers_of_numpy_are_written_like_others(place: Place) -> None:
    numpy_s = make_client(
        np.int64(1),  # type: ignore[arg-type]
        train_loss=np.float32(0.1),
        local_score=np.float64(0.1),
        participated=np.bool_(False),
    )
    place.writer().append([numpy_s], make_round())
    row = place.user_csv.read_text().splitlines()[1].split(",")
    assert row[1] == "1"
    assert row[-14] == "0.10000000149011612"  # the float32 nearest to 0.1
    assert row[-12] == "0.1"
    assert row[-16] == "False"


def test_a_table_that_is_the_full_one_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "clients.csv"
    writer = RecordWriter(path, tmp_path / "rounds.csv", Columns.FEDLOOM)
    write_rounds(writer, range(1, 3))
    assert read_records(path).height == 4
    writer.truncate_after(1)
    assert read_records(path).height == 2
    with pytest.raises(ValueError, match="choose another name"):
        RecordWriter(path, tmp_path / "rounds.csv", Columns.MLAAS)


@pytest.mark.parametrize("columns", list(Columns))
def test_a_round_may_have_no_clients(tmp_path: Path, columns: Columns) -> None:
    place = Place(tmp_path, columns)
    writer = place.writer()
    writer.append([], make_round(1, cohort_size=0, participants=0))
    writer.append([make_client(2)], make_round(2))
    writer.append([], make_round(3, cohort_size=0, participants=0))
    writer.append([make_client(4)], make_round(4))
    before = place.user_csv.read_bytes()
    again = place.writer()
    again.truncate_after(3)
    assert read_rounds(place.folder)["round"].to_list() == [1, 2, 3]
    assert read_records(place.folder)["round"].to_list() == [2]
    again.append([make_client(4)], make_round(4))
    assert place.user_csv.read_bytes() == before
    again.truncate_after(1)
    again.write_parquet(place.folder)
    assert (read_records(place.folder).height, read_rounds(place.folder).height) == (0, 1)


def test_the_original_s_columns(tmp_path: Path) -> None:
    place = Place(tmp_path, Columns.MLAAS)
    writer = place.writer()
    for number, score in enumerate([0.5, None, 1.0], start=1):
        failed = score is None
        client = make_client(
            number, local_score=score, participated=not failed, failure="error" if failed else ""
        )
        writer.append([client], make_round(number))
    rows = read_cells(place.user_csv)
    assert (
        rows[0]
        == (
            "run_id round client_id dataset task_type model_type participated round_fail_reason "
            "distribution_type distribution_param data_Distribution samples_count Computation_Time "
            "quality_Factor reliability_Score"
        ).split()
    )
    assert rows[1] == (
        "0123456789ab|1|client_1|digits|classification|mlp|True||dirichlet|0.3|{0: 3, 1: 7}|10"
        "|0.5|0.5|0.5"
    ).split("|")
    assert rows[2][6:8] == ["False", "error"]
    assert rows[2][-2:] == ["", "0.5"]  # a failure neither scores nor counts
    assert rows[3][-2:] == ["1.0", "0.75"]
    assert read_records(place.folder)["algorithm"].to_list() == ["FedAvg"] * 3


@pytest.mark.parametrize(
    ("label_counts", "expected"),
    [
        ('{"0":1,"-3":2}', {0: 1, -3: 2}),
        ('{"cat":1,"0":2}', {"cat": 1, "0": 2}),
        ('{"007":1}', {"007": 1}),
        ('{"it\'s":1}', {"it's": 1}),
        ("{}", {}),
        ('{"' + "9" * 5000 + '":1}', {"9" * 5000: 1}),
    ],
)
def test_label_counts_as_a_python_dict(
    tmp_path: Path, label_counts: str, expected: dict[object, int]
) -> None:
    place = Place(tmp_path, Columns.MLAAS)
    place.writer().append([make_client(label_counts=label_counts)], make_round())
    header, row = read_cells(place.user_csv)
    assert ast.literal_eval(row[header.index("data_Distribution")]) == expected


# Resume


@pytest.mark.parametrize("columns", list(Columns))
def test_a_resumed_run_writes_the_same_bytes(tmp_path: Path, columns: Columns) -> None:
    whole, broken = Place(tmp_path / "whole", columns), Place(tmp_path / "broken", columns)
    write_rounds(whole.writer(), range(1, 6))
    write_rounds(broken.writer(), range(1, 5))
    writer = broken.writer()
    writer.truncate_after(2)
    write_rounds(writer, range(3, 6))
    assert broken.contents() == whole.contents()


@pytest.mark.parametrize("columns", list(Columns))
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_death_at_every_byte_of_the_last_rounds(
    tmp_path: Path, fast_disk: None, columns: Columns, which: int
) -> None:
    place = Place(tmp_path, columns)
    write_rounds(place.writer(), range(1, 2))
    one = place.contents()
    write_rounds(place.writer(), range(2, 4))
    table, whole = place.tables[which], place.contents()[which]
    for length in range(len(one[which]), len(whole) + 1):
        table.write_bytes(whole[:length])
        cut_after(table, read_cells(table)[0], 1)
        assert table.read_bytes() == one[which], length


@pytest.mark.parametrize("columns", list(Columns))
def test_a_death_in_the_first_round(tmp_path: Path, fast_disk: None, columns: Columns) -> None:
    place = Place(tmp_path, columns)
    write_rounds(place.writer(), range(1, 2))
    whole = place.contents()
    for which, table in enumerate(place.tables):
        header = whole[which].index(b"\n") + 1
        for length in range(0, len(whole[which]), 7):
            table.write_bytes(whole[which][:length])
            place.writer().truncate_after(0)
            assert table.stat().st_size == (header if length >= header else 0)
    write_rounds(place.writer(), range(1, 2))
    assert place.contents() == whole


def test_nothing_to_cut(place: Place) -> None:
    place.writer().truncate_after(0)
    assert not any(table.exists() for table in place.tables)


def test_a_cut_removes_stale_parquet(place: Place) -> None:
    writer = place.writer()
    write_rounds(writer, range(1, 3))
    writer.write_parquet(place.folder)
    writer.truncate_after(1)
    assert read_records(place.folder)["round"].to_list() == [1, 1]
    assert read_rounds(place.folder)["round"].to_list() == [1]


def test_what_cannot_be_resumed_is_said(place: Place) -> None:
    write_rounds(place.writer(), range(1, 3))
    with pytest.raises(OutputError, match=r"rounds\.csv ends after round 2, but .* round 3"):
        place.writer().truncate_after(3)
    place.user_csv.unlink()
    with pytest.raises(OutputError, match=r"cannot write .*run\.csv: No such file"):
        place.writer().truncate_after(2)
    place.user_csv.write_text("a,b\n1,2\n")
    with pytest.raises(OutputError, match="other columns"):
        place.writer().truncate_after(2)


@pytest.mark.parametrize("damage", [b"junk\n", b"x" * 3 + b"," * 27 + b"\n", b"\xff\n", b'"a"b\n'])
def test_a_damaged_row_is_not_taken_for_one(place: Place, damage: bytes) -> None:
    write_rounds(place.writer(), range(1, 2))
    with place.user_csv.open("ab") as file:
        file.write(damage)
    with pytest.raises(OutputError, match="row 4: not a row of this run"):
        place.writer().truncate_after(1)


# Failing writes


def test_a_full_disk_leaves_whole_rows(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rounds(place.writer(), range(1, 2))
    before = place.contents()
    real = os.write

    def fill_up(descriptor: int, data: memoryview) -> int:
        if len(data) < 20:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", fill_up)
    with pytest.raises(OutputError, match="No space left"):
        write_rounds(place.writer(), range(2, 3))
    assert place.contents() == before


def test_short_writes_are_completed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:7]))
    write_rounds(place.writer(), range(1, 3))
    assert read_records(place.user_csv).height == 4


def test_text_that_no_file_can_hold(place: Place) -> None:
    with pytest.raises(OutputError, match="is not valid text"):
        place.writer().append([make_client(client_id="\ud800")], make_round())
    assert not place.client_csv.exists()


# Round trips


@settings(max_examples=40, deadline=None)
@given(
    client_id=st.text(min_size=1),
    labels=st.dictionaries(st.text(), st.integers(0, 10**6), max_size=4),
    loss=st.none() | st.floats(allow_nan=False),
    count=st.integers(0, 2**62),
)
def test_any_record_reads_back(
    tmp_path_factory: pytest.TempPathFactory,
    client_id: str,
    labels: dict[str, int],
    loss: float | None,
    count: int,
) -> None:
    place = Place(tmp_path_factory.mktemp("trip"))
    counts = json.dumps(labels, separators=(",", ":"), ensure_ascii=False)
    record = make_client(
        client_id=client_id, label_counts=counts, train_loss=loss, num_examples=count
    )
    writer = place.writer()
    writer.append([record], make_round(1))
    first = place.contents()
    writer.append([replace(record, round=2)], make_round(2))
    writer.write_parquet(place.folder)
    for path in (place.user_csv, place.folder / "clients.parquet"):
        assert read_records(path).row(0, named=True) == asdict(record)
    place.writer().truncate_after(1)
    assert place.contents() == first


def test_parquet_has_the_types_of_the_schema(place: Place) -> None:
    writer = place.writer()
    write_rounds(writer, range(1, 3))
    writer.write_parquet(place.folder)
    clients = pl.read_parquet(place.folder / "clients.parquet")
    rounds = pl.read_parquet(place.folder / "rounds.parquet")
    assert clients.columns == column_names(ClientRecord)
    assert rounds.columns == column_names(RoundRecord)
    kinds = {"round": pl.Int64, "client_id": pl.String, "participated": pl.Boolean}
    assert {name: clients.schema[name] for name in kinds} == kinds
    assert clients.schema["cpu_seconds"] == pl.Float64
    assert clients["client_id"].to_list() == ["client_1", AWKWARD] * 2
    assert clients["failure"].to_list() == ["", "error"] * 2
    assert clients["participated"].to_list() == [True, False] * 2
    assert not [path for path in place.folder.iterdir() if path.name.startswith(".")]


def test_parquet_of_a_run_without_rounds(place: Place) -> None:
    place.writer().write_parquet(place.folder)
    assert read_records(place.folder).shape == (0, len(column_names(ClientRecord)))
    assert read_rounds(place.folder).shape == (0, len(column_names(RoundRecord)))


def test_parquet_of_rows_that_are_not_what_was_promised(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x\none\n")
    with pytest.raises(DataError, match=r"cannot write .*a\.parquet: could not parse"):
        sink_table(scan_table(path, {"x": int}), tmp_path / "a.parquet")
    assert [other.name for other in tmp_path.iterdir()] == ["a.csv"]
