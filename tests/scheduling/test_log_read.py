"""Reading logs: ours, the studied system's, cut ones, and rubbish."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedloom.errors import InputError
from fedloom.scheduling.log import read as reading
from fedloom.scheduling.log.columns import gangs_of, table_of
from fedloom.scheduling.log.fast import parse_executions
from fedloom.scheduling.log.read import read_log

S = 1_000_000

# A log as the studied system lays it out; the numbers are ours.
OLD = """{
  "summary": {
    "total_requests": 2,
    "completed_requests": 1,
    "total_nodes_executed": 3,
    "mode": "online",
    "simulate": true,
    "gpus": 2,
    "makespan": 9.250000000000002,
    "total_model_switches": 1,
    "total_switch_time": 2.5
  },
  "executions": [
    {
      "request_id": "req_0000",
      "workflow_id": "w",
      "node_id": "n0",
      "model_name": "A model",
      "gpu_id": 0,
      "start_time": 0.0,
      "end_time": 3.1000000000000001,
      "execution_time": 3.1,
      "estimated_time": 3.0,
      "switch_time": 0,
      "waiting_time": 0.0
    },
    {
      "request_id": "req_0000",
      "workflow_id": "w",
      "node_id": "n1",
      "model_name": "Another",
      "gpu_id": 1,
      "start_time": 3.1,
      "end_time": 9.25,
      "execution_time": 3.65,
      "estimated_time": 3.65,
      "switch_time": 2.5,
      "waiting_time": 0.0
    },
    {
      "request_id": "req_0001",
      "workflow_id": "w",
      "node_id": "n0",
      "model_name": "A model",
      "gpu_id": 0,
      "start_time": 4,
      "end_time": 7.1,
      "execution_time": 3.1,
      "estimated_time": 3.1,
      "switch_time": 0.0,
      "waiting_time": 0.5
    }
  ]
}"""


def saved(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def with_first(**fields: Any) -> str:
    """Return the old log with fields of its first execution changed; `...` takes one away."""
    log = json.loads(OLD)
    log["executions"][0].update(fields)
    log["executions"][0] = {k: v for k, v in log["executions"][0].items() if v is not ...}
    return json.dumps(log)


def test_a_log_of_the_studied_system(tmp_path: Path) -> None:
    log = read_log(saved(tmp_path / "x_execution_log.json", OLD))
    assert log.executions["request_id"].to_list() == ["req_0000", "req_0000", "req_0001"]
    assert log.executions["start_time"].to_list() == [0, 3_100_000, 4_000_000]
    assert log.executions["end_time"].to_list() == [3_100_000, 9_250_000, 7_100_000]
    assert log.executions["switch_time"].to_list() == [0, 2_500_000, 0]
    assert log.executions["ready_time"].to_list() == [None] * 3
    assert log.gpus.tolist() == [[0], [1], [0]]
    assert not log.gangs_known
    assert not log.is_ours
    assert log.unfinished is None
    assert log.summary["makespan"] == 9.250000000000002


@pytest.mark.parametrize("indent", [None, 0, 2, "\t"])
def test_any_layout_and_any_order_of_keys(tmp_path: Path, indent: Any) -> None:
    log = json.loads(OLD)
    turned = {"more": [{"executions": [1]}], "executions": log["executions"], **log}
    turned["executions"] = [dict(reversed(row.items())) for row in log["executions"]]
    expected = read_log(saved(tmp_path / "a.json", OLD))
    found = read_log(saved(tmp_path / "b.json", "\ufeff" + json.dumps(turned, indent=indent)))
    assert found.executions.equals(expected.executions)
    assert found.summary == expected.summary


def test_keys_that_are_not_ours_are_ignored(tmp_path: Path) -> None:
    text = with_first(cost={"a": [1, {"b": "},"}]}, note="} , {", server=None)
    log = read_log(saved(tmp_path / "log.json", text))
    assert log.executions.equals(read_log(saved(tmp_path / "old.json", OLD)).executions)


def test_the_static_scheduler_names_whole_gangs(tmp_path: Path) -> None:
    log = json.loads(OLD)
    for row, gang in zip(log["executions"], ([0, 1], [1], []), strict=True):
        row |= {"gpu_assignments": gang, "server_assignments": [0]}
    found = read_log(saved(tmp_path / "static.json", json.dumps(log)))
    assert found.gangs_known
    assert found.gpus.tolist() == [[0, 1], [1, -1], [-1, -1]]


def test_gangs_of_which_some_are_unknown_are_unknown(tmp_path: Path) -> None:
    log = read_log(saved(tmp_path / "log.json", with_first(gpu_ids=[0, 1])))
    assert not log.gangs_known
    assert log.gpus.tolist() == [[0, 1], [1, -1], [0, -1]]


def test_no_device_is_null_or_minus_one(tmp_path: Path) -> None:
    for device in (None, -1):
        log = read_log(saved(tmp_path / "log.json", with_first(gpu_id=device)))
        assert log.gpus.tolist() == [[-1], [1], [0]]
        assert log.executions["gpu_id"].to_list() == [None, 1, 0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"start_time": ...}, "there is no start_time; a number of seconds is needed"),
        ({"end_time": None}, "there is no end_time; a number of seconds is needed"),
        ({"end_time": "3.1"}, "end_time is '3.1'; a number of seconds is needed"),
        ({"end_time": True}, "end_time is True; a number of seconds is needed"),
        ({"end_time": float("nan")}, "end_time is nan; a number of seconds is needed"),
        ({"start_time": float("-inf")}, "start_time is -inf; a number of seconds is needed"),
        ({"start_time": 1e300}, r"start_time is 1e\+300; a number of seconds is needed"),
        ({"start_time": 10**400}, "start_time is 1000000000"),
        ({"switch_time": "none"}, "switch_time is 'none'; a number of seconds is needed"),
        ({"request_id": ...}, "there is no request_id; a name is needed"),
        ({"node_id": ["n0"]}, r"node_id is \['n0'\]; a name is needed"),
        ({"workflow_id": {}}, r"workflow_id is {}; a name is needed"),
        ({"gpu_id": ...}, "there is no gpu_id"),
        ({"gpu_id": 0.5}, "gpu_id is 0.5; a whole number or null is needed"),
        ({"gpu_id": "0"}, "gpu_id is '0'; a whole number or null is needed"),
        ({"gpu_id": -2}, "gpu_id is -2; the number of a GPU is needed"),
        ({"gpu_id": 1 << 40}, "gpu_id is 1099511627776; the number of a GPU is needed"),
        ({"gpu_ids": ["a"]}, r"the gang is \['a'\]; a list of the numbers of GPUs is needed"),
        ({"gpu_ids": [1.5]}, r"the gang is \[1.5\]; a list of the numbers of GPUs is needed"),
        ({"gpu_ids": [None]}, r"the gang is \[None\]; a list of the numbers of GPUs is needed"),
    ],
)
def test_what_is_wrong_is_named_with_its_execution(
    tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    path = saved(tmp_path / "log.json", with_first(**fields))
    with pytest.raises(InputError, match=rf"log\.json, execution 1: {message}") as error:
        read_log(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("[]", "is not JSON before its executions: '{' is expected"),
        ("rubbish", "is not JSON before its executions"),
        ("{rubbish", "a key in quotes is expected"),
        ('{"a" 1}', "':' is expected where '1}' stands"),
        ('{"a": tru', "ends before its executions"),
        ('{"a": nope}', "is not JSON before its executions"),
        ('{"a": 1', "ends before its executions"),
        ("{}", "has no list called 'executions'"),
        ('{"executions": {}}', "has no list called 'executions'"),
        ('{"executions": null}', "has no list called 'executions'"),
        ('{"executions": [], "executions": []}', "has two lists called 'executions'"),
        ('{"executions": [1]}', "execution 1: it is no object"),
        ('{"executions": [{}]}', "execution 1: there is no request_id"),
        ('{"executions": [', "ends in the middle of execution 1; write it again"),
        ('{"executions": []', "ends"),
        ('{"executions": []} more', "is not JSON after its last bracket: something follows"),
        ('{"executions": [}', "is not JSON in the middle of execution 1"),
        ('{"a": ' + "[" * 100_000, "brackets are nested too deeply"),
        (b'{"executions": [\xff]}', "it is not text in UTF-8"),
        (b"PAR1 and then rubbish", "is not a whole Parquet file"),
    ],
)
def test_rubbish_is_told_in_one_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(InputError) as error:
        read_log(saved(tmp_path / "log.json", text))
    assert message in str(error.value)
    assert str(tmp_path / "log.json") in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_and_one_that_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*: No such file"):
        read_log(tmp_path / "none.json")
    with pytest.raises(InputError, match=r"cannot read .*: Is a directory"):
        read_log(tmp_path)


def test_a_log_cut_at_any_byte_is_told(tmp_path: Path) -> None:
    log = json.loads(with_first(note="é}, {"))
    log["executions"].pop()
    path, text = tmp_path / "log.json", json.dumps(log, ensure_ascii=False).encode()
    for length in range(len(text)):
        with pytest.raises(InputError) as error:
            read_log(saved(path, text[:length]))
        assert "\n" not in str(error.value)
    assert len(read_log(saved(path, text))) == 2


def test_where_a_log_was_cut_is_told(tmp_path: Path) -> None:
    log = json.loads(OLD)
    log["executions"] = log["executions"][:1] * 5_000
    text = json.dumps(log)
    whole = text[: text.rindex("{") - 2]
    for cut, place in (
        (text[: len(text) // 2], r"in the middle of execution 2\d{3}"),
        (text[:-30], "in the middle of execution 5000"),
        (text[:-1], "after execution 5000|in the middle of execution 5001"),
        (whole, "in the middle of execution 5000|after execution 4999"),
    ):
        with pytest.raises(InputError, match=f"ends ({place}); write it again"):
            read_log(saved(tmp_path / "log.json", cut))


def test_a_fault_deep_in_a_large_log_has_its_number(tmp_path: Path) -> None:
    log = json.loads(OLD)
    rows = [dict(log["executions"][0]) for _ in range(9_000)]
    rows[8_000]["end_time"] = None
    text = json.dumps({"executions": rows}, indent=1)
    with pytest.raises(InputError, match="execution 8001: there is no end_time"):
        read_log(saved(tmp_path / "log.json", text))
    del rows[8_000]
    text = json.dumps({"executions": rows}, indent=1)
    middle = text.index("request_id", len(text) // 2)
    with pytest.raises(InputError, match=r"is not JSON in the middle of execution 4\d{3}"):
        read_log(saved(tmp_path / "log.json", text[:middle] + '"' + text[middle:]))


def test_a_parquet_log_cut_at_any_byte_is_told(tmp_path: Path) -> None:
    frame = pl.DataFrame(json.loads(OLD)["executions"])
    frame.write_parquet(tmp_path / "whole.parquet")
    data = (tmp_path / "whole.parquet").read_bytes()
    assert len(read_log(tmp_path / "whole.parquet")) == 3
    for length in range(0, len(data), 37):
        with pytest.raises(InputError, match="is not a whole Parquet file"):
            read_log(saved(tmp_path / "log.parquet", data[:length]))


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("end_time", None, "it has no column end_time"),
        ("end_time", [1.0, None, 2.0], "execution 2: there is no end_time"),
        ("end_time", [1.0, 2.0, float("nan")], "execution 3: end_time is nan"),
        ("end_time", ["a", "b", "c"], "column end_time is of type String"),
        ("gpu_ids", [["a"], ["b"], []], r"column gpu_ids is of type List\(String\)"),
        ("gpu_id", ["x", "y", "z"], "column gpu_id is of type String"),
        ("request_id", None, "it has no column request_id"),
    ],
)
def test_what_is_wrong_with_a_parquet_log(
    tmp_path: Path, column: str, values: list[Any] | None, message: str
) -> None:
    frame = pl.DataFrame(json.loads(OLD)["executions"]).drop(column, strict=False)
    if values is not None:
        frame = frame.with_columns(pl.Series(column, values))
    frame.write_parquet(tmp_path / "log.parquet")
    with pytest.raises(InputError, match=message):
        read_log(tmp_path / "log.parquet")


# The fast way of reading agrees with the careful one, or leaves it to it.

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
SECONDS = st.integers(-(10**9), 10**12).map(lambda us: us / S)
MAYBE = st.one_of(st.none(), SECONDS)
ROWS = st.lists(
    st.fixed_dictionaries(
        {"request_id": NAMES, "node_id": NAMES, "start_time": SECONDS, "end_time": SECONDS,
         "gpu_id": st.one_of(st.none(), st.integers(-1, 9))},
        optional={"workflow_id": st.one_of(st.none(), NAMES), "switch_time": MAYBE,
                  "waiting_time": MAYBE, "deadline_met": st.sampled_from([None, True, False]),
                  "gpu_ids": st.lists(st.integers(-1, 9), max_size=3), "other": NAMES},
    ),
    min_size=1,
    max_size=5,
)  # fmt: skip


@given(rows=ROWS)
@settings(max_examples=150, deadline=None)
def test_the_fast_way_agrees_with_the_careful_one(rows: list[dict[str, Any]]) -> None:
    fast = parse_executions(json.dumps(rows))
    if fast is not None:
        assert fast[0].equals(table_of(rows, 1, "log"))
        assert fast[1].to_list() == gangs_of(rows, 1, "log").to_list()


WRONG = st.sampled_from(
    [None, "x", True, 1.5, -7, float("nan"), [1], {}, 1 << 70, ["a"], "1", 1e300]
)


@given(rows=ROWS, wrong=WRONG, data=st.data())
@settings(max_examples=150, deadline=None)
def test_the_fast_way_lets_nothing_through_that_the_careful_one_refuses(
    rows: list[dict[str, Any]], wrong: Any, data: st.DataObject
) -> None:
    row = data.draw(st.sampled_from(rows))
    row[data.draw(st.sampled_from(sorted(row)))] = wrong
    try:
        table, gangs = table_of(rows, 1, "log"), gangs_of(rows, 1, "log")
    except InputError:
        assert parse_executions(json.dumps(rows)) is None
        return
    fast = parse_executions(json.dumps(rows))
    if fast is not None:
        assert fast[0].equals(table)
        assert fast[1].to_list() == gangs.to_list()


def test_the_fast_way_takes_what_we_write(tmp_path: Path) -> None:
    rows = json.loads(OLD)["executions"]
    assert parse_executions(json.dumps(rows)) is not None


@pytest.fixture
def careful(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Any]:
    """Return a reader that never takes the fast way."""

    def read(path: Path) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(reading, "parse_executions", lambda text: None)
            return read_log(path)

    return read


@given(count=st.integers(1, 400), indent=st.sampled_from([None, 1]))
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_log_that_is_read_in_many_parts(
    tmp_path: Path,
    careful: Callable[[Path], Any],
    count: int,
    indent: int | None,
) -> None:
    row = json.loads(OLD)["executions"][0]
    rows = [row | {"request_id": f"r{n}", "gpu_ids": [n % 7] * (n % 3)} for n in range(count)]
    path = saved(tmp_path / "log.json", json.dumps({"executions": rows}, indent=indent))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fedloom.scheduling.log.scanner._FIRST_READ", 997)
        patch.setattr(reading, "_ROWS", 7)
        small, slow = read_log(path), careful(path)
    whole = read_log(path)
    assert len(whole) == count
    for other in (small, slow):
        assert other.executions.equals(whole.executions)
        assert np.array_equal(other.gpus, whole.gpus)


def test_half_of_a_surrogate_pair_is_no_name(tmp_path: Path) -> None:
    path = saved(tmp_path / "log.json", with_first(node_id="\ud800"))
    with pytest.raises(InputError, match="execution 1 or later: node_id is no text"):
        read_log(path)


def test_a_fault_early_in_a_large_file_is_told_at_once(tmp_path: Path) -> None:
    text = '{"summary": {"a": nope, "b": "' + "x" * 3_000_000 + '"}, "executions": []}'
    with pytest.raises(InputError, match="is not JSON before its executions: Expecting value at"):
        read_log(saved(tmp_path / "log.json", text))


def test_a_value_longer_than_a_part(tmp_path: Path) -> None:
    text = json.dumps({"summary": {"a": "x" * 5_000_000}, "executions": []})
    log = read_log(saved(tmp_path / "log.json", text))
    assert len(log.summary["a"]) == 5_000_000
