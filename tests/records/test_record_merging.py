"""Merging: columns, order, text, duplicates, what is read and what is not, memory."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedloom.errors import DataError, FedloomError, InputError, OutputError
from fedloom.records import Columns, MergeSummary, RecordWriter, merge, merge_files, read_records
from fedloom.records.kinds import find_kind

from .record_examples import make_client, make_round


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(name: str, text: str | bytes) -> str:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return name


def merged(*inputs: str, output: str = "out.csv", **options: object) -> str:
    merge_files(inputs, output, **options)  # type: ignore[arg-type]
    return Path(output).read_bytes().decode()


def write_run(name: str, columns: Columns = Columns.FEDLOOM, run_id: str = "aa") -> None:
    writer = RecordWriter(Path(f"{name}.csv"), Path(name) / "rounds.csv", columns)
    for number in (1, 2):
        clients = [make_client(number, f"client_{i}", run_id=run_id) for i in (1, 2)]
        writer.append(clients, make_round(number, run_id=run_id))
    writer.write_parquet(Path(name))


# Rows and columns


def test_union_of_columns_with_a_sequential_id() -> None:
    put("a.csv", "x,y\n1,2\n")
    put("b.csv", "z,x\n5,6\n7,\n")
    text = merged("b.csv", "a.csv")
    assert text == "z,x,y,MLaaS_ID\n5,6,,1\n7,,,2\n,1,2,3\n"


def test_an_id_column_is_replaced_and_moved_last() -> None:
    put("a.csv", "n,x\n9,1\n")
    assert merged("a.csv", id_col="n", start_id=0) == "x,n\n1,0\n"
    assert merged("a.csv", id_col="k", start_id=-1) == "n,x,k\n9,1,-1\n"


def test_text_passes_through_unchanged() -> None:
    put("a.csv", '\ufeffx,y\r\n007,"a\r\n""b"", c"\r\n\r\n1.50, d \r\n')
    assert merged("a.csv") == 'x,y,MLaaS_ID\n007,"a\r\n""b"", c",1\n1.50, d ,2\n'


def test_files_of_nothing_but_a_header() -> None:
    put("a.csv", "x,y\n")
    assert merged("a.csv") == "x,y,MLaaS_ID\n"
    frame = merge("a.csv")
    assert frame.shape == (0, 3)
    assert merge_files(["a.csv"], "b.csv") == MergeSummary(0, 1, 0, Path("b.csv"))


def test_csv_and_parquet_together() -> None:
    put("a.csv", "n,t,f,b\n1,x,0.5,True\n")
    rows = {"n": [2, None], "f": [0.1, float("nan")], "b": [False, None], "d": [None, "z"]}
    pl.DataFrame(rows).write_parquet("b.data")
    assert merged("a.csv", "b.data") == (
        "n,t,f,b,d,MLaaS_ID\n1,x,0.5,True,,1\n2,,0.1,False,,2\n,,,,z,3\n"
    )
    merge_files(["a.csv", "b.data"], "out.parquet")
    frame = pl.read_parquet("out.parquet")
    assert frame.equals(merge(["a.csv", "b.data"]))
    assert frame.dtypes == [
        pl.Int64, pl.String, pl.Float64, pl.Boolean, pl.String, pl.Int64
    ]  # fmt: skip
    assert frame.row(1) == (2, None, 0.1, False, None, 2)
    assert not [path for path in Path().iterdir() if path.name.startswith(".")]


def test_types_of_a_merged_frame() -> None:
    put("a.csv", "run_id,round,zip,big,mixed,empty\n123,1,007,123456789012345678901,1,\n")
    put("b.csv", "run_id,round,mixed\n124,2,True\n")
    frame = merge("*.csv")
    types = [pl.String, pl.Int64, pl.String, pl.String, pl.String, pl.String, pl.Int64]
    assert frame.dtypes == types
    assert frame["round"].to_list() == [1, 2]


@settings(max_examples=200, deadline=None)
@given(text=st.from_regex(r"[+-]?[0-9]{0,20}\.?[0-9]{0,4}(e[+-]?[0-9]{1,3})?", fullmatch=True))
def test_what_counts_as_a_number_reads_as_that_number(text: str) -> None:
    kind = find_kind([text])
    if kind is not str:
        number = pl.Series([text]).cast({int: pl.Int64, float: pl.Float64}[kind]).item()
        assert number == kind(text)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "", "-20", "0"], int),
        (["1", "0.5", "1e-9", "inf", "-inf", "nan"], float),
        (["True", "", "false"], bool),
        (["007"], str),
        (["1_000"], str),
        (["9223372036854775808"], str),
        (["1", "True"], str),
        (["", ""], str),
    ],
)
def test_what_a_column_holds(cells: list[str], kind: type) -> None:
    assert find_kind(cells) is kind


def test_merge_writes_what_it_returns() -> None:
    put("a.csv", 'x,t\n1,"q,"\n2,\n')
    frame = merge(["a.csv"], output="sub/out.csv", start_id=5)
    assert Path("sub/out.csv").read_text() == 'x,t,MLaaS_ID\n1,"q,",5\n2,,6\n'
    assert frame.rows() == [(1, "q,", 5), (2, None, 6)]
    assert merge(Path("a.csv"), output="out.parquet").equals(pl.read_parquet("out.parquet"))


def test_the_suffix_is_added() -> None:
    put("a.csv", "x\n1\n")
    assert merge_files(["a.csv"], "all").output == Path("all.csv")
    assert Path("all.csv").exists()


# Duplicates


@pytest.mark.parametrize("columns", list(Columns))
def test_the_same_experiment_twice_and_a_merged_file(columns: Columns) -> None:
    write_run("one", columns)
    write_run("again", columns)
    write_run("other", columns, run_id="bb")
    inputs = ["one.csv", "again.csv", "other.csv"]
    first = merge_files(inputs, "merged.csv", dedupe=True)
    assert (first.rows, first.files, first.duplicates) == (8, 3, 4)
    text = Path("merged.csv").read_text()
    second = merge_files(["merged.csv", *inputs], "second.csv", dedupe=True)
    assert (second.rows, second.duplicates) == (8, 12)
    assert Path("second.csv").read_text() == text
    assert read_records("merged.csv").height == 8


def test_tables_of_clients_and_rounds_in_one() -> None:
    write_run("one")
    summary = merge_files(["one/clients.csv", "one/rounds.csv"], "all.csv", dedupe=True)
    assert (summary.rows, summary.duplicates) == (6, 0)
    again = merge_files(["all.csv", "one/*.parquet"], "more.csv", dedupe=True)
    assert (again.rows, again.duplicates) == (6, 6)


def test_measured_columns_do_not_tell_rows_apart_but_all_others_do() -> None:
    put("a.csv", "run_id,round,client_id,seconds\nr,1,c,0.5\nr,1.0,c,0.6\nr,1,d,0.5\n")
    assert merged("a.csv", dedupe=True).count("\n") == 3
    put("b.csv", "x,y,MLaaS_ID\n1,2,1\n1,2,2\n1,3,3\n")
    assert merged("b.csv", dedupe=True) == "x,y,MLaaS_ID\n1,2,1\n1,3,2\n"
    put("c.csv", 'x,y\n"a,b",c\na,"b,c"\n')
    assert merged("c.csv", dedupe=True).count("\n") == 3


def test_without_dedupe_every_row_stays() -> None:
    put("a.csv", "x\n1\n1\n")
    summary = merge_files(["a.csv", "a.csv"], "out.csv")
    assert (summary.rows, summary.files, summary.duplicates) == (4, 2, 0)


def test_a_row_lacking_its_keys_is_told_by_all_its_cells() -> None:
    put("a.csv", "run_id,round,client_id,x\n,1,c,1\n,1,c,2\n,1,c,1\n")
    assert merged("a.csv", dedupe=True).count("\n") == 3


CELL = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(CELL, CELL), max_size=6))
def test_merging_is_idempotent(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("merge")
    source, once, twice = (folder / name for name in ("a.csv", "once.csv", "twice.csv"))
    with source.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("x", "y"), *rows])
    assert merge_files([source], once, dedupe=True).rows == len(set(rows))
    merge_files([once, source], twice, dedupe=True)
    assert once.read_bytes() == twice.read_bytes()
    with once.open(newline="", encoding="utf-8") as file:
        cells = [tuple(row[:2]) for row in csv.reader(file)][1:]
    assert cells == list(dict.fromkeys(rows))
    text = merge([source], dedupe=True).select("x", "y").cast(pl.String).fill_null("")
    assert text.height == len(set(rows))


# Which files


def test_patterns_in_natural_order_absolute_and_deep(here: Path) -> None:
    for number in (10, 2, 1):
        put(f"runs/r{number}.csv", f"x\n{number}\n")
    put("runs/deep/er/r3.csv", "x\n3\n")
    assert merged("runs/*.csv") == "x,MLaaS_ID\n1,1\n2,2\n10,3\n"
    assert merged(str(here / "runs" / "*.csv")) == "x,MLaaS_ID\n1,1\n2,2\n10,3\n"
    assert merge("runs/**/*.csv")["x"].sort().to_list() == [1, 2, 3, 10]
    assert merge(["runs/r10.csv", "runs/*.csv"])["x"].to_list() == [10, 1, 2]


def test_a_name_that_looks_like_a_pattern() -> None:
    put("run[1].csv", "x\n1\n")
    assert merge("run[1].csv").height == 1


@pytest.mark.parametrize("given", ["*.csv", "**/*.csv", "out.csv", "./sub/../out.csv"])
def test_the_output_is_never_read(given: str) -> None:
    put("sub/z.csv", "x\n1\n")
    put("a.csv", "x\n1\n")
    put("out.csv", "x\n2\n")
    assert ",1\n" in merged("a.csv", given)
    assert not merged("a.csv", given).count("2,")


def test_the_output_through_a_link() -> None:
    put("a.csv", "x\n1\n")
    put("out.csv", "x\n2\n")
    Path("soft.csv").symlink_to("out.csv")
    os.link("out.csv", "hard.csv")
    assert merge_files(["*.csv"], "out.csv").files == 1


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["none*.csv"], "no file matches 'none\\*.csv'"),
        (["none.csv"], "no such file: none.csv"),
        (["folder"], r"folder is a folder: name its files, for example folder/\*\.csv"),
        ([], "there is nothing to merge"),
        (["empty.csv"], "empty.csv is empty"),
        (["twice.csv"], "twice.csv, line 1: column 'x' stands there twice"),
        (["good.csv", "short.csv"], "short.csv, line 4: 1 fields instead of 2"),
        (["long.csv"], "long.csv, line 2: 3 fields instead of 2"),
        (["latin.csv"], "latin.csv, line 2: byte 0xe9 is not UTF-8"),
        (["false.parquet"], "false.parquet is not a Parquet file"),
        (["nested.parquet"], "nested.parquet: column 'l' holds List"),
    ],
)
@pytest.mark.parametrize("output", ["out.csv", "out.parquet"])
def test_bad_input_leaves_the_output_as_it_was(
    inputs: list[str], message: str, output: str, here: Path
) -> None:
    Path("folder").mkdir()
    put("out.csv", "old,x\n1,2\n")
    put("empty.csv", "")
    put("good.csv", "x,y\n1,2\n")
    put("twice.csv", "x,x\n")
    put("short.csv", 'x,y\n"1\n1",2\n3\n')
    put("long.csv", "x,y\n1,2,3\n")
    put("latin.csv", b"x\ncaf\xe9\n")
    put("false.parquet", "x\n1\n")
    pl.DataFrame({"l": [[1]]}).write_parquet("nested.parquet")
    before = {path.name for path in here.iterdir()}
    with pytest.raises(DataError, match=message):
        merge_files(inputs, output, dedupe=True)
    assert Path("out.csv").read_text() == "old,x\n1,2\n"
    assert {path.name for path in here.iterdir()} == before


def test_nothing_but_the_output() -> None:
    put("out.csv", "x\n1\n")
    with pytest.raises(DataError, match=r"only the output out\.csv itself"):
        merge_files(["*.csv"], "out.csv")
    assert Path("out.csv").read_text() == "x\n1\n"


def test_bad_outputs() -> None:
    put("a.csv", "x\n1\n")
    with pytest.raises(OutputError, match=r"name it \.csv or \.parquet"):
        merge_files(["a.csv"], "out.xlsx")
    Path("folder.csv").mkdir()
    with pytest.raises(OutputError, match="it is a folder"):
        merge_files(["a.csv"], "folder.csv")
    with pytest.raises(OutputError, match="cannot write"):
        merge_files(["a.csv"], "a.csv/out.csv")
    with pytest.raises(InputError, match="id_col is empty"):
        merge_files(["a.csv"], "out.csv", id_col="")


def test_a_damaged_parquet_file() -> None:
    pl.DataFrame({"x": list(range(1000))}).write_parquet("a.parquet")
    whole = Path("a.parquet").read_bytes()
    put("b.parquet", whole[: len(whole) // 2])
    with pytest.raises(FedloomError, match=r"b\.parquet is not a sound Parquet file"):
        merge_files(["b.parquet"], "out.csv")


def test_an_index_that_cannot_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    from fedloom.records.seen import SeenRows

    def fail(self: SeenRows, identity: str) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    put("a.csv", "x\n1\n")
    monkeypatch.setattr(SeenRows, "add", fail)
    with pytest.raises(OutputError, match=r"disk is full.*TMPDIR"):
        merge_files(["a.csv"], "out.csv", dedupe=True)


def test_progress_counts_bytes() -> None:
    put("a.csv", "x\n" + "1\n" * 30_000)
    seen: list[tuple[int, int]] = []
    merge_files(["a.csv", "a.csv"], "out.csv", progress=lambda *both: seen.append(both))
    assert len(seen) == 6
    assert seen == sorted(seen)
    assert {total for _, total in seen} == {120_004}


# Memory


MEASURE = """
import sys
from pathlib import Path
from fedloom.records import merge_files

def peak_mb():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024

merge_files(["small." + sys.argv[1]], "out." + sys.argv[2], dedupe=True)
before = peak_mb()
merge_files(["large." + sys.argv[1]], "out." + sys.argv[2], dedupe=True)
print(peak_mb() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's peak memory")
def test_memory_does_not_grow_with_the_rows() -> None:
    def rows(count: int) -> str:
        return "".join(f'{i},"{i:0600d}",c\n' for i in range(count))

    put("small.csv", "x,y,z\n" + rows(10))
    put("large.csv", "x,y,z\n" + rows(100_000))  # 61 MB
    command = [sys.executable, "-c", MEASURE, "csv", "csv"]
    grown = float(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    assert grown < 25
    assert Path("out.csv").stat().st_size > 60_000_000
