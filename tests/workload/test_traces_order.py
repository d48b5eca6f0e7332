"""Time order, windows and names: what all imported traces share."""

from __future__ import annotations

import tracemalloc
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedloom.errors import InputError, UnknownNameError
from fedloom.workload.request import Request
from fedloom.workload.traces.imported import ImportOptions
from fedloom.workload.traces.job import Job, TraceModel
from fedloom.workload.traces.moments import Comoment, Moments
from fedloom.workload.traces.order import in_time_order, needed_buffer
from fedloom.workload.traces.registry import import_trace
from fedloom.workload.traces.survey import take_survey, take_window

MODEL = TraceModel("m", "job", 1.0, 1)
TIMES = st.lists(st.integers(0, 30), min_size=1, max_size=40)


def jobs_at(times: list[int]) -> Iterator[Job]:
    return (Job(t * 1_000_000, "w", MODEL, 5, request_id=str(n)) for n, t in enumerate(times))


@given(TIMES)
@settings(max_examples=150, deadline=None)
def test_order_is_that_of_a_stable_sort(times: list[int]) -> None:
    buffer = needed_buffer(array("q", times))
    ordered = [int(job.request_id) for job in in_time_order(jobs_at(times), buffer)]
    assert ordered == sorted(range(len(times)), key=lambda n: (times[n], n))


@given(TIMES)
@settings(max_examples=100, deadline=None)
def test_the_buffer_is_no_larger_than_needed(times: list[int]) -> None:
    buffer = needed_buffer(array("q", times))
    if buffer > 1:
        smaller = [job.time_us for job in in_time_order(jobs_at(times), buffer - 1)]
        ids = [int(job.request_id) for job in in_time_order(jobs_at(times), buffer - 1)]
        assert smaller != sorted(smaller) or ids != sorted(ids, key=lambda n: (times[n], n))


@given(TIMES, st.integers(0, 12), st.integers(1, 20) | st.none(), st.integers(1, 9) | st.none())
@settings(max_examples=150, deadline=None)
def test_window_and_limit(
    times: list[int], skip: int, window: int | None, limit: int | None
) -> None:
    options = ImportOptions(skip_seconds=skip, window_seconds=window, limit=limit)
    survey = take_survey(lambda: jobs_at(times), options)
    first = min(times)
    ends = first + skip + (window if window is not None else 99)
    kept = sorted(t for t in times if first + skip <= t < ends)[:limit]
    # A limit is reached before rows that come late are read.
    if survey.buffer > 1 or times == sorted(times):
        assert survey.count == len(kept)
        if kept:
            assert survey.first_us == kept[0] * 1_000_000
    ordered = in_time_order(jobs_at(times), survey.buffer)
    assert len(list(take_window(ordered, options))) == survey.count


def vidur(folder: Path, times: list[float]) -> Path:
    rows = "".join(f"{time},100,50\n" for time in times)
    path = folder / "trace.csv"
    path.write_text(f"arrived_at,num_prefill_tokens,num_decode_tokens\n{rows}")
    return path


def read(folder: Path, times: list[float], **options: object) -> list[Request]:
    chosen = ImportOptions(**options)  # type: ignore[arg-type]
    return list(import_trace("vidur", [vidur(folder, times)], chosen).requests)


def test_sorted_requests_are_numbered_by_time(tmp_path: Path) -> None:
    imported = import_trace("vidur", [vidur(tmp_path, [3, 1, 2])])
    requests = list(imported.requests)
    assert [request.request_id for request in requests] == ["req_0000", "req_0001", "req_0002"]
    assert [request.time_us - requests[0].time_us for request in requests] == [0, 10**6, 2 * 10**6]
    assert imported.warnings == [
        "rows are not in time order: they were sorted, 2 at a time in memory"
    ]
    assert list(imported.requests) == requests


def test_windows_in_seconds(tmp_path: Path) -> None:
    requests = read(tmp_path, [10, 11, 12, 13, 14], skip_seconds=1.0, window_seconds=2.0)
    assert len(requests) == 2
    assert requests[0].timestamp == "2024-01-01T10:00:00.000000"
    assert len(read(tmp_path, [10, 11, 12], limit=2)) == 2
    with pytest.raises(InputError, match="no request is left"):
        read(tmp_path, [10, 11], skip_seconds=60.0)


def test_a_limit_ends_reading(tmp_path: Path) -> None:
    path = vidur(tmp_path, [1, 2])
    path.write_text(path.read_text() + "rubbish,1,1\n")
    assert len(list(import_trace("vidur", [path], ImportOptions(limit=2)).requests)) == 2
    with pytest.raises(InputError, match="rubbish"):
        import_trace("vidur", [path])


def test_numbers_are_wide_enough_to_sort(tmp_path: Path) -> None:
    requests = read(tmp_path, [float(n) for n in range(10_001)])
    ids = [request.request_id for request in requests]
    assert (ids[0], ids[-1]) == ("req_00000", "req_10000")
    assert ids == sorted(ids)


def test_names_that_come_twice_are_numbered(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    rows = "".join(f"{name},{n},1,1\n" for n, name in enumerate(["a", "a", "a-2", "a", "b"]))
    path.write_text(f"request_id,timestamp,input_tokens,output_tokens\n{rows}")
    imported = import_trace("servegen", [path])
    for _ in range(2):
        ids = [request.request_id for request in imported.requests]
        assert ids == ["a", "a-2", "a-2-2", "a-3", "b"]
    assert imported.warnings == ["3 names came twice; the later ones end in -2, -3, …"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("time_scale", 0.0),
        ("time_scale", float("nan")),
        ("tokens_per_second", -1.0),
        ("prefill_tokens_per_second", 0.0),
        ("memory_gb", float("inf")),
        ("limit", 0),
        ("window_seconds", 0.0),
        ("skip_seconds", -1.0),
        ("gpus_required", -1),
    ],
)
def test_impossible_options(option: str, value: float) -> None:
    with pytest.raises(InputError, match=f"^{option} is "):
        ImportOptions(**{option: value})  # type: ignore[arg-type]


def test_what_cannot_be_imported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to import"):
        import_trace("auto", [])
    with pytest.raises(InputError, match="there is no file"):
        import_trace("auto", [tmp_path / "none.csv"])
    with pytest.raises(InputError, match="is a folder"):
        import_trace("vidur", [tmp_path])
    with pytest.raises(UnknownNameError, match="did you mean 'burstgpt'"):
        import_trace("burst-gpd", [vidur(tmp_path, [1])])


def test_memory_does_not_grow_with_rows_in_order(tmp_path: Path) -> None:
    path = vidur(tmp_path, [n / 10 for n in range(30_000)])
    import_trace("vidur", [path])
    tracemalloc.start()
    assert sum(1 for _ in import_trace("vidur", [path]).requests) == 30_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_moments_by_hand() -> None:
    moments = Moments()
    assert (moments.mean, moments.std) == (0.0, 0.0)
    for number in (1, 2, 3, 6):
        moments.add(number)
    assert (moments.mean, moments.least, moments.most) == (3.0, 1, 6)
    assert moments.std == pytest.approx(3.5**0.5)


def test_correlation_by_hand() -> None:
    pairs = Comoment()
    assert pairs.correlation == 0.0
    for x, y in ((1.0, 1.0), (2.0, 3.0), (3.0, 2.0)):
        pairs.add(x, y)
    assert pairs.correlation == pytest.approx(0.5)
