"""Whatever requests hold comes back from every format, and rubbish never passes for requests."""

from __future__ import annotations

import json
import resource
import string
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fedloom.errors import InputError, OutputError
from fedloom.workload.formats.header import Header
from fedloom.workload.formats.read import read_requests
from fedloom.workload.formats.write import write_requests
from fedloom.workload.request import Request
from fedloom.workload.units import to_seconds

SLOW = settings(
    max_examples=30,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
NAMES = ["r.json", "r.yaml", "r.jsonl", "r.csv", "r.parquet"]
ODD = ["yes", "null", "1e3", "0o7", "012", "2026-01-01", "a: b", "# a", "'", '"', "é", "- x", "~",
       " a ", "a\nb", "a\r\nb", "\x00", "\x01\x02", "\x7f", "{}", "[]", "x" * 200, "w " * 90, "<<",
       "é " * 60, "a\n\n b", "\ufeff", "tab\t", "\u2028", "=", "12:30", "*a", "&a", "%", "",
       "\\"]  # fmt: skip
TEXTS = st.one_of(st.sampled_from(ODD), st.text(max_size=12))
VISIBLE = st.text(string.ascii_letters + string.digits + "é_-:#,'\" .", min_size=1, max_size=12)
VALUES = st.recursive(
    st.one_of(
        TEXTS,
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
SECONDS = st.integers(0, 10**12).map(to_seconds)
MOMENTS = st.integers(-62135596800 * 10**6, 253402300799 * 10**6)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    known = {
        "total_estimated_time": SECONDS,
        "critical_path_time": SECONDS,
        "think_time": SECONDS,
        "tenant": st.one_of(VALUES, VISIBLE),
        "priority": VALUES,
        "deadline": st.sampled_from(
            ["2026-01-01T00:00:00.000000", "2026-01-01", "2026-01-01 10:00"]
        ),
        "base_models_used": st.lists(TEXTS, max_size=2),
    }
    metadata = {name: draw(values) for name, values in known.items() if draw(st.booleans())}
    metadata |= draw(st.dictionaries(TEXTS.filter(lambda t: t not in known), VALUES, max_size=2))
    return Request(
        request_id=draw(VISIBLE),
        time_us=draw(MOMENTS),
        workflow_id=draw(VISIBLE),
        input_data=draw(
            st.one_of(
                TEXTS.map(lambda text: {"user_prompt": text}),
                st.dictionaries(TEXTS, VALUES, max_size=2),
            )
        ),
        node_configs=draw(
            st.dictionaries(TEXTS, st.dictionaries(TEXTS, VALUES, max_size=2), max_size=2)
        ),
        node_execution_times=draw(st.dictionaries(TEXTS, SECONDS, max_size=3)),
        metadata=metadata,
    )


def header_of(count: int) -> Header:
    return Header("2026-01-01T00:00:00", "c.json", count, 20.5, ("yes",), ())


@SLOW
@given(st.lists(requests(), min_size=1, max_size=4))
def test_round_trip_through_all_formats(tmp_path, some):
    """From each format to the next: what is read equals what was written, types included."""
    kept = some
    for name in NAMES:
        path = tmp_path / name
        write_requests(path, header_of(len(some)), kept)
        kept = list(read_requests(path).requests)
        assert [repr(sorted_dict(r)) for r in kept] == [repr(sorted_dict(r)) for r in some]


def sorted_dict(request: Request) -> object:
    """A request as text that tells 1 from 1.0 and True; of metadata, the order is free."""
    data = request.to_dict()
    return {**data, "metadata": dict(sorted(data["metadata"].items()))}


@SLOW
@given(st.lists(requests(), min_size=1, max_size=3))
def test_yaml_is_what_pyyaml_writes(tmp_path, some):
    path = tmp_path / "r.yaml"
    write_requests(path, None, some)
    data = {"requests": [r.to_dict() for r in some]}
    assert yaml.safe_load(path.read_text()) == yaml.safe_load(yaml.safe_dump(data))


@SLOW
@given(
    st.lists(requests(), min_size=1, max_size=3),
    st.sampled_from([None, 1, 4]),
    st.booleans(),
    st.booleans(),
)
def test_any_layout_of_json_and_yaml(tmp_path, some, indent, last, flow):
    """Metadata after the requests, compact or indented, flow style, indented lists."""
    data = {"metadata": header_of(len(some)).to_dict(), "requests": [r.to_dict() for r in some]}
    if last:
        data = dict(reversed(data.items()))
    (tmp_path / "r.json").write_text(json.dumps(data, indent=indent))
    (tmp_path / "r.yaml").write_text(
        yaml.dump(data, default_flow_style=flow, sort_keys=last, width=40, indent=indent or 2)
    )
    (tmp_path / "list.json").write_text(json.dumps(data["requests"], indent=indent))
    text = yaml.dump(data["requests"], allow_unicode=True)
    # With allow_unicode, PyYAML itself loses some line breaks of Unicode.
    (tmp_path / "list.yaml").write_text(
        text if yaml.safe_load(text) == data["requests"] else yaml.dump(data["requests"])
    )
    for name in ("r.json", "r.yaml", "list.json", "list.yaml"):
        file = read_requests(tmp_path / name)
        assert list(file.requests) == some, name
        assert file.header == (header_of(len(some)) if name[0] == "r" else None)


TWO = [
    Request(
        f"req_000{i}",
        1767225600_000000 + i,
        "w",
        {"user_prompt": "a 'long' \"text\", é " + "and more " * 12},
        {"n": {"size": "1:1", "steps": 20}},
        {"n": 10.24, "m": 2.0},
        {
            "base_models_used": ["a"],
            "total_estimated_time": 12.24,
            "critical_path_time": 12.24,
            "tenant": "t",
            "deadline": "2026-01-01T00:00:00.000000",
            "node_tokens": {"n": {"input": 12, "output": 34}},
        },
    )
    for i in range(2)
]


@pytest.mark.parametrize("name", [*NAMES, "r.jsonl.gz", "r.yaml.gz"])
def test_cut_at_every_byte(name, tmp_path):
    """A cut file is an error, or a whole prefix of it where the format cannot tell."""
    path = tmp_path / name
    write_requests(path, header_of(2), TWO)
    whole = path.read_bytes()
    passed, messages = {}, []
    for length in range(0, len(whole), 29 if name == "r.parquet" else 1):
        path.write_bytes(whole[:length])
        try:
            passed[length] = list(read_requests(path).requests)
        except InputError as error:
            messages.append(str(error))
    assert all(name in message and "\n" not in message for message in messages)
    lines = whole.splitlines(keepends=True)
    if name == "r.jsonl":
        ends = {len(lines[0]) - 1: TWO[:1], len(lines[0]): TWO[:1], len(whole) - 1: TWO}
        assert passed == ends
    elif name == "r.csv":
        ends = {len(lines[0]): [], len(lines[0] + lines[1]): TWO[:1], len(whole) - 1: TWO}
        assert {n: r for n, r in passed.items() if n not in ends} == {
            len(lines[0] + lines[1]) - 1: TWO[:1]
        }
    else:
        assert passed == {}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "rubbish",
    [b"\x00" * 50, b"\xff\xfe" * 9, b"hello", b"{}", b"[]]", b"[1]", b"{'a': 1}", b"- - -", b"null",
     b'{"requests": 3}', b"requests: 3\n", b'{"requests": [{}]}', b"PAR1rubbishPAR1", b"a,b\n1,2\n",
     b"[" * 100_000, b"requests:\n- [", b'"', b"\n\n", b'{"a": 1, "a": 2}',
     b"a: &x [*x]", b"!!a b"],
)  # fmt: skip
def test_rubbish_is_one_line(name, rubbish, tmp_path):
    path = tmp_path / name
    path.write_bytes(rubbish)
    with pytest.raises(InputError) as caught:
        list(read_requests(path).requests)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@SLOW
@given(st.data())
def test_damaged_files_never_break_the_reader(tmp_path, data):
    """A byte changed, dropped or put in: an InputError, or requests."""
    name = data.draw(st.sampled_from(NAMES))
    path = tmp_path / name
    write_requests(path, header_of(2), TWO)
    text = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(text) - 1))
        text[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    path.write_bytes(text)
    with suppress(InputError):
        list(read_requests(path).requests)


@pytest.mark.parametrize("name", NAMES)
def test_no_room_for_the_file(name, tmp_path):
    """The disk is full in the middle of writing: an OutputError, and nothing is left."""
    many = [replace(TWO[0], request_id=f"{i:06d}{'x' * 50}{i * 7919}") for i in range(3000)]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*r\."):
            write_requests(tmp_path / name, header_of(3000), many)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*none\.json: No such file"):
        read_requests(tmp_path / "none.json")
    with pytest.raises(InputError, match="Is a directory"):
        read_requests(Path(tmp_path))
