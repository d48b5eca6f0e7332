"""Reading files that others wrote: old ones, hand-written ones, large ones, wrong ones."""

from __future__ import annotations

import json
import re
import tracemalloc
from itertools import islice

import polars as pl
import pytest
import yaml

from fedloom.errors import InputError
from fedloom.workload.formats import read_yaml, yaml_mould
from fedloom.workload.formats.file_format import FileFormat
from fedloom.workload.formats.header import Header
from fedloom.workload.formats.read import read_requests
from fedloom.workload.formats.write import write_requests
from fedloom.workload.request import Request
from fedloom.workload.units import parse_time

OLD = {
    "metadata": {
        "generation_time": "2025-06-01T10:00:00.123456",
        "config_file": "configs/old.json",
        "num_requests": 3,
        "duration_minutes": 20,
        "models_available": ["a"],
        "workflows_available": ["w"],
    },
    "requests": [
        {
            "request_id": name,
            "timestamp": time,
            "workflow_id": "w",
            "input_data": {"user_prompt": "Sample prompt for request 0"},
            "node_configs": {"n": {"size": [512, 512], "seed": None}},
            "node_execution_times": {"n": 1.2345678901234, "m": 3},
            "metadata": {"base_models_used": ["a"], "total_estimated_time": 4.2345678901234},
        }
        for name, time in [
            ("req_1", "2025-06-01T10:00:00"),
            ("req_10000", "2025-06-01 10:00:00.5"),
            ("r", "2025-06-01T12:00:00.250+02:00"),
        ]
    ],
}
TIMES = [parse_time(f"2025-06-01T10:00:00{fraction}") for fraction in ("", ".5", ".25")]


@pytest.mark.parametrize("how", ["json", "json compact", "yaml", "yaml unquoted", "yaml flow"])
def test_old_files(how, tmp_path):
    kind, _, layout = how.partition(" ")
    path = tmp_path / f"old_requests.{kind}"
    if kind == "json":
        text = json.dumps(OLD, indent=None if layout else 2)
    else:
        text = yaml.dump(OLD, default_flow_style=layout == "flow", sort_keys=False)
    if layout == "unquoted":
        text = re.sub(r"'(2025[^']*)'", r"\1", text)
    path.write_text(text)
    file = read_requests(path)
    assert file.header == Header(
        "2025-06-01T10:00:00.123456", "configs/old.json", 3, 20, ("a",), ("w",)
    )
    requests = list(file.requests)
    assert [r.request_id for r in requests] == ["req_1", "req_10000", "r"]
    assert [r.time_us for r in requests] == TIMES
    assert requests[1].node_execution_times == {"n": 1.2345678901234, "m": 3}
    assert requests[2].node_configs == {"n": {"size": [512, 512], "seed": None}}


SEED = """\
metadata:
  num_requests: 2
requests:
- request_id: req_0000
  timestamp: '2026-01-01T00:00:00.000000'
  workflow_id: w
  input_data:
    user_prompt: one
  node_configs: {}
  node_execution_times:
    n: 1.000000
  metadata:
    base_models_used:
    - a
- request_id: req_0001
  timestamp: 2026-01-01T00:00:01
  workflow_id: w
  input_data:
    user_prompt: PROMPT
  node_configs: {}
  node_execution_times:
    n: 2.000000
  metadata:
    base_models_used:
    - a
"""


@pytest.mark.parametrize(
    ("spelt", "prompt"),
    [
        ("two", "two"),
        ("two\n      words", "two words"),
        ("'two: ''words'''", "two: 'words'"),
        ("'two\n\n      lines'", "two\nlines"),
        ('"tab\\t"', "tab\t"),
        ('"long \\\n      \\ line"', "long  line"),
        ("|\n      block\n      - x\n", "block\n- x\n"),
        ("|-\n      a\n\n      - b", "a\n\n- b"),
        ("yes", True),
        ("007", 7),
        ("1e3", "1e3"),
        ("-5", -5),
        ("1_000", 1000),
        ("~", None),
        ("!!str 12", "12"),
        ("text # comment", "text"),
        ("'it' # comment", "it"),
        ("2026-01-01", "2026-01-01"),
        ("[a, {b: 1}]", ["a", {"b": 1}]),
        ("&x v", "v"),
        ("é", "é"),
        ('"over\n- the margin"', "over - the margin"),
        ("\n      - a\n      - b", ["a", "b"]),
        ("\n    - a", ["a"]),
    ],
)
def test_yaml_spellings(spelt, prompt, tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(SEED.replace("PROMPT", spelt))
    assert [r.input_data for r in read_requests(path).requests] == [
        {"user_prompt": "one"},
        {"user_prompt": prompt},
    ]


def test_yaml_references_merges_comments_and_trailing_metadata(tmp_path):
    head, items = SEED.split("requests:\n")
    path = tmp_path / "r.yaml"
    items = items.replace("node_configs: {}", "node_configs: &c {n: {k: 1}}", 1)
    items = items.replace("node_configs: {}", "node_configs:\n    <<: *c\n    m: {}", 1)
    path.write_text(f"---\nrequests:\n{items}# done\n{head}other:\n- 1\n- 2\n...\n")
    file = read_requests(path)
    assert [r.node_configs for r in file.requests] == [
        {"n": {"k": 1}},
        {"n": {"k": 1}, "m": {}},
    ]
    assert file.header is not None
    assert file.header.num_requests == 2


def test_yaml_of_the_seed_is_read_without_libyaml(tmp_path, monkeypatch):
    """The fast way is taken, and by moulds; libyaml sees the header only."""
    path = tmp_path / "r.yaml"
    path.write_text(SEED.replace("PROMPT", "two"))
    monkeypatch.setattr(read_yaml._Items, "_read_odd", None)
    monkeypatch.setattr(read_yaml, "_event_items", None)
    lines = []
    parse = yaml_mould.parse_item
    monkeypatch.setattr(yaml_mould, "parse_item", lambda text: lines.append(text) or parse(text))
    assert len(list(read_requests(path).requests)) == 2
    assert len(lines) == 1


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_files_from_windows(newline, mark, tmp_path):
    data = {"requests": OLD["requests"]}
    lines = "\n".join(json.dumps(r) for r in OLD["requests"])
    texts = {
        "r.json": json.dumps(data, indent=2),
        "r.yaml": yaml.dump(data, sort_keys=False),
        "r.jsonl": lines,
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.write_bytes((mark + text).replace("\n", newline).encode())
        assert [r.time_us for r in read_requests(path).requests] == TIMES, name


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.json", "r.txt"), ("a.yaml", "r"), ("a.jsonl", "r.log"), ("a.csv", "r.tab"),
     ("a.parquet", "r.bin"), ("a.json.gz", "r.gz"), ("a.yaml.gz", "r.z")],
)  # fmt: skip
def test_content_tells_the_format(name, kind, tmp_path):
    write_requests(tmp_path / name, None, [request(0), request(1)])
    (tmp_path / name).rename(tmp_path / kind)
    assert list(read_requests(tmp_path / kind).requests) == [request(0), request(1)]


def request(number: int, **metadata: object) -> Request:
    return Request(
        f"req_{number:04d}",
        1767225600_000000 + number,
        "w",
        {"user_prompt": f"Sample prompt for request {number}"},
        {},
        {"n": 1.5},
        {"base_models_used": ["a"], "total_estimated_time": 1.5, **metadata},
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timestamp": None}, r"timestamp is None; an ISO time"),
        ({"timestamp": 12.5}, r"timestamp is 12\.5; an ISO time"),
        ({"timestamp": "yesterday"}, r"timestamp is 'yesterday'; an ISO time"),
        ({"request_id": ""}, r"request_id is ''; a name is right"),
        ({"workflow_id": ["w"]}, r"workflow_id is \['w'\]; a name is right"),
        ({"node_execution_times": None}, r"node_execution_times is empty; a map"),
        ({"node_execution_times": {"n": float("nan")}}, r"node_execution_times\.n is nan; a time"),
        ({"node_execution_times": {"n": -1}}, r"node_execution_times\.n is -1; a time"),
        ({"node_execution_times": {"n": "1.5"}}, r"node_execution_times\.n is '1\.5'; a time"),
        ({"node_execution_times": {"n": True}}, r"node_execution_times\.n is True; a time"),
        ({"node_configs": {"n": 3}}, r"node_configs\.n is 3; a map"),
        ({"metadata": [1]}, r"metadata is \[1\]; a map"),
        ({"metadata": {"deadline": "soon"}}, r"metadata\.deadline is 'soon'; an ISO time"),
        ({"metadata": {"think_time": -2}}, r"metadata\.think_time is -2; a time"),
        ({"input_data": "prompt"}, r"input_data is 'prompt'; a map"),
    ],
)
@pytest.mark.parametrize("kind", ["json", "yaml", "jsonl"])
def test_wrong_fields_are_named(change, message, kind, tmp_path):
    path = tmp_path / f"r.{kind}"
    wrong = {**OLD["requests"][0], **change}
    some = [OLD["requests"][0], wrong]
    if kind == "jsonl":
        path.write_text("\n".join(json.dumps(r) for r in some))
    elif kind == "json":
        path.write_text(json.dumps({"requests": some}))
    else:
        path.write_text(yaml.dump({"requests": some}, sort_keys=False))
    with pytest.raises(InputError, match=rf"r\.{kind}: request 2 \(line \d+\): {message}"):
        list(read_requests(path).requests)


@pytest.mark.parametrize(
    "field", ["request_id", "timestamp", "workflow_id", "node_execution_times"]
)
def test_missing_fields_are_named(field, tmp_path):
    path = tmp_path / "r.json"
    lacking = {k: v for k, v in OLD["requests"][0].items() if k != field}
    path.write_text(json.dumps([lacking], indent=2))
    with pytest.raises(InputError, match=rf"request 1 \(line 2\): {field} is missing"):
        list(read_requests(path).requests)


def test_few_fields_are_enough_and_further_ones_are_kept(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text(
        '{"request_id": 7, "timestamp": "2026-01-01", "workflow_id": "w", '
        '"node_execution_times": {"n": 1}, "region": "north"}\n'
    )
    expected = Request("7", 1767225600_000000, "w", {}, {}, {"n": 1}, {"region": "north"})
    assert list(read_requests(path).requests) == [expected]


@pytest.mark.parametrize("kind", ["json", "yaml", "jsonl"])
def test_keys_that_stand_twice(kind, tmp_path):
    path = tmp_path / f"r.{kind}"
    if kind == "yaml":
        path.write_text(SEED.replace("    n: 2.000000\n", "    n: 2.000000\n    n: 3.000000\n"))
    else:
        line = json.dumps(OLD["requests"][0]).replace('"m": 3', '"n": 3')
        path.write_text(line if kind == "jsonl" else f"[{line}]")
    with pytest.raises(InputError, match="the key 'n' stands twice"):
        list(read_requests(path).requests)


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_another_number_of_requests_than_stated(kind, tmp_path):
    path = tmp_path / f"r.{kind}"
    data = {"metadata": {"num_requests": 2}, "requests": OLD["requests"]}
    path.write_text(json.dumps(data) if kind == "json" else yaml.dump(data, sort_keys=False))
    with pytest.raises(InputError, match=r"3 requests were found, but metadata\.num_requests is 2"):
        list(read_requests(path).requests)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ([1], "metadata is .1.; it should be a map"),
        ({"num_requests": "2"}, "metadata.num_requests is '2'"),
        ({"num_requests": 0, "duration_minutes": "2"}, "metadata.duration_minutes is '2'"),
        ({"num_requests": 0, "models_available": "a"}, "metadata.models_available is 'a'"),
    ],
)
def test_wrong_headers(metadata, message, tmp_path):
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"metadata": metadata, "requests": []}))
    with pytest.raises(InputError, match=message):
        _ = read_requests(path).header


def test_json_faults_name_request_and_line(tmp_path):
    path = tmp_path / "r.json"
    text = json.dumps({"requests": OLD["requests"]}, indent=1)
    path.write_text(text.replace('"r"', "'r'"))
    line = text[: text.index('"r"')].count("\n") + 1
    with pytest.raises(InputError, match=f"request 3, line {line}: Expecting value$"):
        list(read_requests(path).requests)
    path.write_text('{"request_id": "a"}\n{"request_id": "b"}\n')
    with pytest.raises(InputError, match=r"ends in \.jsonl|something follows"):
        list(read_requests(path).requests)
    path.write_text('{"requests": [], "requests": []}')
    with pytest.raises(InputError, match="'requests' stands where a new key should be"):
        list(read_requests(path).requests)


def test_tables_by_hand(tmp_path):
    """Columns in another order, some missing, one further."""
    path = tmp_path / "r.csv"
    path.write_text(
        "workflow_id,request_id,node_execution_times,timestamp,region\n"
        '"w",1,"{""n"": 1.5}",2026-01-01 00:00:01,north\n\n'
    )
    expected = Request("1", 1767225601_000000, "w", {}, {}, {"n": 1.5}, {"region": "north"})
    assert list(read_requests(path).requests) == [expected]
    frame = pl.read_csv(path, schema_overrides={"request_id": pl.Int64}, try_parse_dates=True)
    frame.drop_nulls().write_parquet(tmp_path / "r.parquet")
    assert list(read_requests(tmp_path / "r.parquet").requests) == [expected]
    paris = pl.col("timestamp").dt.replace_time_zone("Europe/Paris")
    frame.drop_nulls().with_columns(paris).write_parquet(tmp_path / "r.parquet")
    (read,) = read_requests(tmp_path / "r.parquet").requests
    assert read.time_us == expected.time_us - 3_600_000_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", r"the column request_id is missing; the first line has a, b"),
        ("{h},tenant,tenant\n", "the column tenant stands twice"),
        ("{h}\nr,2026-01-01,w\n", "line 2: 3 cells; 4 as in the first line are right"),
        ('{h}\nr,2026-01-01,w,"{{""n"": 1"\n', "line 2: node_execution_times is '{\"n\": 1'"),
        ("{h},priority\nr,2026-01-01,w,{{}},high\n", "line 2: priority is 'high'"),
        ("{h},metadata\nr,2026-01-01,w,{{}},", "line 2: the last line has no end"),
        ("{h}", "the first line has no end"),
        ("{h}\nr,2026-01-01,w,[1]\n", r"request 1 .line 2.: node_execution_times is \[1\]; a map"),
        ('{h}\nr,2026-01-01,w,"{{}}"x\n', "line 2: "),
        ("{h}\n,2026-01-01,w,{{}}\n", "request_id is missing"),
    ],
)
def test_wrong_tables(text, message, tmp_path):
    path = tmp_path / "r.csv"
    path.write_text(text.format(h="request_id,timestamp,workflow_id,node_execution_times"))
    with pytest.raises(InputError, match=message):
        list(read_requests(path).requests)


def test_long_cells(tmp_path):
    long = request(0)
    long.input_data["user_prompt"] = "word " * 60_000
    for name in ("r.csv", "r.json", "r.yaml", "r.parquet"):
        write_requests(tmp_path / name, None, [long, request(1)])
        assert list(read_requests(tmp_path / name).requests) == [long, request(1)]


@pytest.mark.parametrize("name", ["r.json", "r.yaml", "r.jsonl", "r.csv", "flow.yaml", "last.json"])
def test_reading_is_lazy(name, tmp_path):
    """The first requests of a file of 60 MB arrive without the rest; memory stays small."""
    path = tmp_path / name
    count = 6000
    text = "word " * 2000
    many = (request(n, note=text) for n in range(count))
    if name in ("flow.yaml", "last.json"):
        with path.open("w") as file:
            file.write('{"requests": [')
            file.writelines(
                f"{',' if n else ''}\n{json.dumps(r.to_dict())}" for n, r in enumerate(many)
            )
            file.write(f'],\n"metadata": {{"num_requests": {count}}}}}\n')
    else:
        write_requests(path, Header("", "", count, 1, (), ()), many)
    assert path.stat().st_size > 60_000_000 * 0.9
    tracemalloc.start()
    try:
        first = list(islice(read_requests(path).requests, 2))
        if name in ("r.jsonl", "r.csv"):
            assert sum(1 for _ in read_requests(path).requests) == count
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [r.request_id for r in first] == ["req_0000", "req_0001"]
    assert peak < 15_000_000


def test_parquet_is_read_by_batches(tmp_path, monkeypatch):
    path = tmp_path / "r.parquet"
    write_requests(path, None, (request(n) for n in range(10_000)))
    numbers = [r.request_id for r in read_requests(path).requests]
    assert numbers == [f"req_{n:04d}" for n in range(10_000)]
    assert read_requests(path).format is FileFormat.PARQUET
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"r\.parquet: this Parquet file cannot be read"):
        list(read_requests(path).requests)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("requests:\n- a: !!int x\n", r"line 2: 'x' is no int"),
        ("requests:\n- a: !thing x\n", r"line 2: the tag '!thing' has no place"),
        ("requests:\n- a: {<<: 3}\n", r"line 2: << should be followed by a map"),
        ("requests:\n- {[a]: 3}\n", r"line 2: a key should be a name"),
        ("requests:\n- a: *x\n", r"line 2: .*alias"),
        ("requests: {}\n", r"line 1: requests should be a list"),
        ("requests: []\n---\nrequests: []\n", r"line \d: a second document begins"),
        ("metadata: *m\nrequests:\n- a: 1\n", r"line 1: .*alias"),
        ("metadata: {\nrequests:\n- a: 1\n", r"line \d: "),
        ("- request_id: r\nb: 1\n", r"request_id|line \d"),
        ("requests:\n- a: 'x\n", r"line \d: .*cut"),
        ("requests:\n- a: \t1\n  b: }\n- c: 1\n", r"line 3: "),
    ],
)
def test_yaml_faults_name_the_line(text, message, tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"r\.yaml: (request \d )?\(?{message}"):
        list(read_requests(path).requests)
