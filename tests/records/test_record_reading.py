"""Records read back: of a run, of the original's releases, of others; bad files by their line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from fedloom.errors import DataError
from fedloom.records import (
    ClientRecord,
    Columns,
    RecordWriter,
    RoundRecord,
    column_names,
    read_records,
    read_rounds,
)

from .record_examples import make_client, make_round

Write = Callable[..., Path]

R1 = """\
run_id,round,client_id,dataset,task_type,model_type,participated,round_fail_reason,\
distribution_type,distribution_param,data_Distribution,samples_count,Computation_Time,\
quality_Factor,reliability_Score
u-1,1,client_1,mnist,classification,CNN,True,,dirichlet,0.5,"{0: 50, 1: 3}",53,3.25,0.91,0.93
u-1,1,client_2,mnist,classification,CNN,False,error,dirichlet,0.5,"{0: 0, 1: 9}",9.0,,NaN,
"""

V1_RUNS = """\
run_id,dataset,task_type,model_type,split_strategy,distribution_param,num_clients
7,wine,classification,MLP,shard,2,2
"""
V1_ROUNDS = """\
run_id,round,global_loss,global_metric,global_metric_name,global_score,scheduled_clients,\
participating_clients
7,1,0.5,0.8,accuracy,0.8,2,1
"""
V1_CLIENTS = """\
run_id,round,client_id,participated,round_fail_reason,data_distribution_json,samples_count,\
computation_time_s,comm_bytes_up,comm_bytes_down,loss,accuracy,metric_score,cpu_time_s,memory_used_mb
7,1,client_1,1,,"{""0"": 4}",4,0.5,100,100,0.7,0.75,0.74,0.4,451
7,1,client_2,0,dropped_out,"{""1"": 2}",2,,0,100,,,,,
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(text: str | bytes, name: str = "table.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write_file


def write_run(folder: Path, columns: Columns = Columns.FEDLOOM) -> Path:
    writer = RecordWriter(folder / "mine.csv", folder / "mine" / "rounds.csv", columns)
    for number in (1, 2):
        clients = [
            make_client(number, "client_1", num_examples=10, train_loss=1.0),
            make_client(number, "client_2", num_examples=30, train_loss=2.0),
            make_client(number, "client_3", participated=False, failure="error", train_loss=9.0),
        ]
        writer.append(clients, make_round(number, train_seconds=number / 2))
    return folder / "mine.csv"


def test_a_run_reads_the_same_from_its_file_and_its_folder(tmp_path: Path) -> None:
    csv_path = write_run(tmp_path)
    from_file, from_folder = read_records(csv_path), read_records(str(tmp_path / "mine"))
    assert from_file.equals(from_folder)
    assert from_file.columns == column_names(ClientRecord)
    assert from_file["participated"].to_list() == [True, True, False] * 2
    assert read_rounds(csv_path)["train_seconds"].to_list() == [0.5, 1.0]
    assert read_rounds(csv_path).equals(read_rounds(tmp_path / "mine"))
    assert read_rounds(tmp_path / "mine" / "rounds.csv").columns == column_names(RoundRecord)


def test_the_original_s_columns_get_fedloom_s_names(tmp_path: Path) -> None:
    clients = read_records(write_run(tmp_path, Columns.MLAAS))
    assert clients.columns == [*column_names(ClientRecord), "reliability_Score"]
    assert clients["label_counts"][0] == '{"0":3,"1":7}'
    assert clients["task"][0] == "classification"
    assert clients["local_score"][0] == 0.75
    assert clients["algorithm"][0] == ""
    assert clients["global_score"][0] is None
    assert clients["upload_bytes"].dtype == pl.Int64


def test_rounds_are_put_together_from_clients(tmp_path: Path) -> None:
    path = write_run(tmp_path)
    (tmp_path / "mine" / "rounds.csv").unlink()
    rounds = read_rounds(path)
    assert rounds.columns == column_names(RoundRecord)
    assert rounds["round"].to_list() == [1, 2]
    assert rounds["cohort_size"].to_list() == [3, 3]
    assert rounds["participants"].to_list() == [2, 2]
    assert rounds["num_examples"].to_list() == [40, 40]
    assert rounds["train_loss"].to_list() == [1.75, 1.75]  # (10·1 + 30·2) / 40
    assert rounds["global_score"].to_list() == [1 / 3, 1 / 3]
    assert rounds["train_seconds"].to_list() == [None, None]


def test_the_first_release(write: Write) -> None:
    clients = read_records(write(R1))
    assert clients["label_counts"].to_list() == ['{"0":50,"1":3}', '{"0":0,"1":9}']
    assert clients["num_examples"].to_list() == [53, 9]
    assert clients["participated"].to_list() == [True, False]
    assert clients["failure"].to_list() == ["", "error"]
    assert clients["local_score"].to_list() == [0.91, None]
    assert clients["train_seconds"].to_list() == [3.25, None]
    assert clients["partition"].to_list() == ["dirichlet"] * 2
    assert clients["reliability_Score"].to_list() == [0.93, None]
    assert read_rounds(write(R1))["participants"].to_list() == [1]


def test_the_oldest_names(write: Write) -> None:
    path = write(
        "Client,Round,Computation_Time,Quality_Factor,Data_Distribution\nc,1,2,.5,{0: 1}\n"
    )
    clients = read_records(path)
    picked = clients.select("client_id", "round", "train_seconds", "local_score", "label_counts")
    assert picked.row(0) == ("c", 1, 2.0, 0.5, '{"0":1}')


def test_a_set_of_three_files(write: Write, tmp_path: Path) -> None:
    write(V1_RUNS, "runs_0001.csv")
    rounds_csv = write(V1_ROUNDS, "rounds_0001.csv")
    clients_csv = write(V1_CLIENTS, "client_rounds_0001.csv")
    clients = read_records(clients_csv)
    assert clients["dataset"].to_list() == ["wine", "wine"]
    assert clients["model"].to_list() == ["MLP", "MLP"]
    assert clients["partition_param"].to_list() == [2.0, 2.0]
    assert clients["global_score"].to_list() == [0.8, 0.8]
    assert clients["participated"].to_list() == [True, False]
    assert clients["local_score"].to_list() == [0.74, None]
    assert clients["local_loss"].to_list() == [0.7, None]
    assert clients["upload_bytes"].to_list() == [100, 0]
    assert clients["memory_used_mb"].to_list() == [451, None]
    assert clients["accuracy"].to_list() == [0.75, None]
    rounds = read_rounds(rounds_csv)
    assert rounds["dataset"].to_list() == ["wine"]
    assert rounds["cohort_size"].to_list() == [2]
    assert rounds["global_metric"].to_list() == [0.8]
    write(V1_CLIENTS.replace("\n7,", "\n8,"), "client_rounds_0010.csv")
    assert read_records(tmp_path)["run_id"].to_list() == ["7", "7", "8", "8"]
    assert read_rounds(tmp_path)["run_id"].to_list() == ["7"]


def test_what_else_is_in_a_file_is_kept_with_its_type(write: Write) -> None:
    path = write("client_id,round,note,zip,n,x,ok\na,1,hi,007,1,1.5,True\nb,2.0,,008,,nan,\n")
    others = read_records(path).select("note", "zip", "n", "x", "ok")
    assert others.dtypes == [pl.String, pl.String, pl.Int64, pl.Float64, pl.Boolean]
    assert others.row(0) == ("hi", "007", 1, 1.5, True)
    assert others["n"].to_list() == [1, None]
    assert others["ok"].to_list() == [True, None]


def test_marks_line_ends_and_blank_lines(write: Write) -> None:
    path = write(b'\xef\xbb\xbfclient_id,round\r\n\r\n"a\r\nb",1\r\nc,2\r\n')
    assert read_records(path)["client_id"].to_list() == ["a\r\nb", "c"]


def test_a_header_alone_is_a_table_without_rows(write: Write) -> None:
    clients = read_records(write("client_id,round,extra\n"))
    assert clients.shape == (0, len(column_names(ClientRecord)) + 1)
    assert read_rounds(write("client_id,round,extra\n")).height == 0


def test_parquet_of_others(tmp_path: Path) -> None:
    path = tmp_path / "pandas.parquet"
    frame = {"client_id": ["a", None], "round": [1.0, 2.0], "participated": [1, 0], "x": [1, 2]}
    pl.DataFrame(frame).write_parquet(path)
    clients = read_records(path)
    assert clients["client_id"].to_list() == ["a", ""]
    assert clients["round"].to_list() == [1, 2]
    assert clients["participated"].to_list() == [True, False]
    assert clients["x"].dtype == pl.Int64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: a table begins"),
        ("\n\n", "is empty: a table begins"),
        ("client_id,round\na,1\nb\n", r"line 3: 1 fields instead of 2"),
        ('client_id,round\n"a\nb",1\nb,2,3\n', r"line 4: 3 fields instead of 2"),
        ("client_id,round,round\n", r"line 1: column 'round' stands there twice"),
        ('client_id,round\n"a"b,1\n', "line 2: .*expected after"),
        ('client_id,round\n"a,1\n', "line 2: unexpected end of data"),
        (b"client_id,round\na,1\n\xff,2\n", r"line 3: byte 0xff is not UTF-8"),
        ("a,b\n1,2\n", "not a table of clients: it has no column 'round'"),
        ("round,x\n1,2\n", "not a table of clients: it has no column 'client_id'"),
        ('client_id,round\n"a\nb",1\nc,x\n', r"line 4: round is 'x' instead of a whole number"),
        ("client_id,round,participated\na,1,maybe\n", "line 2: participated is 'maybe'"),
        ("client_id,round,train_loss\na,1,\nb,1,low\n", "line 3: train_loss is 'low' instead"),
        ("client_id,round,label_counts\na,1,{0: 1\n", "line 2: label_counts is '{0: 1' instead"),
        ("client_id,round,label_counts\na,1,[1]\n", "line 2: label_counts"),
        ("client_id,round,label_counts\na,1,__import__('os')\n", "line 2: label_counts"),
    ],
)
def test_a_bad_file_is_named_with_its_line(write: Write, text: str | bytes, message: str) -> None:
    path = write(text, "bad.csv")
    with pytest.raises(DataError, match=message) as caught:
        read_records(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders(tmp_path: Path, write: Write) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        read_records(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"no clients\.parquet or clients\.csv"):
        read_records(tmp_path)
    with pytest.raises(DataError, match="not a Parquet file"):
        read_records(write("a,b\n", "false.parquet"))
    with pytest.raises(DataError, match="not a sound Parquet file"):
        read_records(write(b"PAR1 and then nothing", "torn.parquet"))
