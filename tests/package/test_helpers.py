from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from fedloom.package.helpers import (
    HelperBase,
    get_helper,
    load_metadata,
    save_metadata,
    save_metrics,
)

Arrays = list[NDArray[Any]]

DTYPES = st.sampled_from([np.dtype(code) for code in "? i1 u1 <i4 >i4 i8 f2 f4 >f4 f8 c8".split()])
ARRAYS = DTYPES.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))
)
MODELS = st.lists(ARRAYS, max_size=4)
FLOATS = st.floats(-1e6, 1e6, width=32)


@pytest.fixture
def helper() -> Any:
    return get_helper("numpyhelper")


def assert_same(found: Arrays, expected: Arrays) -> None:
    assert [(a.dtype, a.shape) for a in found] == [(a.dtype, a.shape) for a in expected]
    assert [a.tobytes() for a in found] == [a.tobytes() for a in expected]


# Files


@settings(max_examples=60, deadline=None)
@given(model=MODELS, compressed=st.booleans())
def test_a_model_comes_back_as_it_was(model: Arrays, compressed: bool) -> None:
    file = io.BytesIO()
    assert get_helper("numpyhelper").save(model, file, compressed=compressed) is file
    file.seek(0)
    assert_same(get_helper("numpyhelper").load(file), model)


def test_files_are_those_of_numpy_both_ways(helper: Any, tmp_path: Path) -> None:
    model = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7), np.zeros((0, 4))]
    written = helper.save(model, tmp_path / "a.npz")
    with np.load(written, allow_pickle=False) as archive:
        assert archive.files == ["0", "1", "2"]
        assert_same([archive[name] for name in archive.files], model)
    for write in (np.savez, np.savez_compressed):
        write(tmp_path / "b.npz", **{"1": model[1], "0": model[0]})
        assert_same(helper.load(str(tmp_path / "b.npz")), model[:2])


def test_twelve_arrays_keep_their_order(helper: Any, tmp_path: Path) -> None:
    model = [np.array(index) for index in range(12)]
    assert_same(helper.load(helper.save(model, tmp_path / "a.npz")), model)


def test_files_are_plain_unless_compression_is_asked_for(helper: Any, tmp_path: Path) -> None:
    model = [np.zeros(10_000)]
    plain = Path(helper.save(model, tmp_path / "plain.npz")).stat().st_size
    compressed = Path(helper.save(model, tmp_path / "small.npz", compressed=True)).stat().st_size
    assert plain > 80_000 > 10 * compressed


def test_the_ending_is_added_and_the_path_returned(helper: Any, tmp_path: Path) -> None:
    assert helper.save([np.ones(1)], str(tmp_path / "model")) == str(tmp_path / "model.npz")
    assert helper.save([np.ones(1)], tmp_path / "b.npz") == tmp_path / "b.npz"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.npz", "model.npz"]


def test_without_a_path_a_temporary_file_is_written(
    helper: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = Path(helper.save([np.ones(3)]))
    assert path.parent == tmp_path
    assert path.suffix == ".npz"
    assert_same(helper.load(path), [np.ones(3)])
    assert Path(helper.get_tmp_path(".bin")).read_bytes() == b""


def test_lists_and_numbers_count_as_arrays(helper: Any) -> None:
    file = io.BytesIO()
    helper.save([[1.0, 2.0], 3], file)
    file.seek(0)
    assert_same(helper.load(file), [np.array([1.0, 2.0]), np.array(3)])


def test_nothing_is_pickled_or_unpickled(helper: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with pytest.raises(ValueError, match="array 1 holds Python objects"):
        helper.save([np.ones(2), np.array([object()])], path)
    assert not path.exists()
    np.savez(path, **{"0": np.array([{"a": 1}], dtype=object)})
    with pytest.raises(ValueError, match="allow_pickle"):
        helper.load(path)


def test_what_is_no_model_is_refused_and_closed(helper: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "named.npz", weights=np.ones(2))
    with pytest.raises(ValueError, match="named 0, 1, …; they are weights"):
        helper.load(tmp_path / "named.npz")
    np.save(tmp_path / "single.npy", np.ones(2))
    with pytest.raises(ValueError, match="single array"):
        helper.load(tmp_path / "single.npy")
    (tmp_path / "text.npz").write_text("not an archive")
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with pytest.raises(ValueError, match="pickle"):
            helper.load(tmp_path / "text.npz")
    with pytest.raises(FileNotFoundError):
        helper.load(tmp_path / "gone.npz")


def test_raw_files_hold_float64_whatever_went_in(tmp_path: Path) -> None:
    helper = get_helper("binaryhelper")
    model = [np.array([[1, 2]], np.float32), np.array(3, np.int8)]
    path = helper.save(model, tmp_path / "model.bin")
    assert path.read_bytes() == np.array([1.0, 2.0, 3.0]).tobytes()
    (found,) = helper.load(path)
    assert_same([found], [np.array([1.0, 2.0, 3.0])])
    found += 1
    file = io.BytesIO()
    helper.save(model, file)
    assert file.getvalue() == path.read_bytes()
    assert Path(helper.save([])).read_bytes() == b""
    assert_same(helper.load(helper.save(model, file_type="npz"), file_type="npz"), model)


def test_helpers_go_by_name() -> None:
    for name in ("numpyhelper", "binaryhelper"):
        helper = get_helper(name)
        assert isinstance(helper, HelperBase)
        assert helper.name == name
    assert get_helper("numpyhelper") is not get_helper("numpyhelper")
    with pytest.raises(ModuleNotFoundError, match="no helper 'torchhelper': known are numpyhelper"):
        get_helper("torchhelper")
    assert get_helper("numpyhelper").check_supported_file_type("raw_binary") is True
    with pytest.raises(ValueError, match="file type 'pt': supported are npz, raw_binary"):
        get_helper("numpyhelper").save([], "x", file_type="pt")


def test_a_helper_of_ones_own_is_named_by_its_class() -> None:
    class Mine(HelperBase):
        def increment_average(self, *of: Any) -> Any: ...

        def save(self, model: Any, path: Any = None) -> Any: ...

        def load(self, path: Any) -> Any: ...

    assert Mine().name == "Mine"


# Arithmetic


def test_increment_average_by_hand(helper: Any) -> None:
    (averaged,) = helper.increment_average([np.array([1, 2, 3])], [np.array([4, 5, 6])], 10, 20)
    assert_same([averaged], [np.array([2.5, 3.5, 4.5])])
    halves = helper.increment_average([np.float32([0, 8])], [np.float32([4, 0])], 1, 4)
    assert_same(halves, [np.float32([1, 6])])


def test_increment_average_keeps_dtypes_and_shapes(helper: Any) -> None:
    old = [np.zeros((2, 2), np.float16), np.array(1, np.float32), np.zeros((0,)), np.uint8([9])]
    new = [np.ones((2, 2), np.float16), np.array(3, np.float32), np.zeros((0,)), np.uint8([1])]
    averaged = helper.increment_average(old, new, np.int64(1), np.int64(2))
    expected = [np.full((2, 2), 0.5, np.float16), np.array(2, np.float32), np.zeros((0,))]
    # Unsigned integers do not wrap around: 9 and 1 have the mean 5.
    assert_same(averaged, [*expected, np.array([5.0])])
    assert old[3].tolist() == [9]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(FLOATS, st.integers(1, 1000)), min_size=1, max_size=8))
def test_increments_grow_to_the_weighted_mean(updates: list[tuple[float, int]]) -> None:
    helper = get_helper("numpyhelper")
    mean, total = [np.zeros(2)], 0
    for value, count in updates:
        total += count
        mean = helper.increment_average(mean, [np.array([value, -value])], count, total)
    expected = sum(value * count for value, count in updates) / total
    np.testing.assert_allclose(mean[0], [expected, -expected], rtol=1e-9, atol=1e-6)


def test_arithmetic_by_hand(helper: Any) -> None:
    one, two = [np.array([1.0, 4.0]), np.array(9.0)], [np.array([2.0, -8.0]), np.array(3.0)]

    def numbers(model: Arrays) -> list[Any]:
        return [np.asarray(array).tolist() for array in model]

    assert numbers(helper.add(one, two)) == [[3, -4], 12]
    assert numbers(helper.add(one, two, 2, 0.5)) == [[3, 4], 19.5]
    assert numbers(helper.subtract(one, two)) == [[-1, 12], 6]
    assert numbers(helper.subtract(one, two, 1, 2)) == [[-3, 20], 3]
    assert numbers(helper.multiply(one, two)) == [[2, -32], 27]
    assert numbers(helper.divide(one, two)) == [[0.5, -0.5], 3]
    assert numbers(helper.power(one, 2)) == [[1, 16], 81]
    assert numbers(helper.sqrt(one)) == [[1, 2], 3]
    assert numbers(helper.sign(two)) == [[1, -1], 1]
    assert numbers(helper.ones(one, 0.5)) == [[0.5, 0.5], 0.5]
    assert helper.norm(two) == 13
    assert helper.norm([np.full((2, 3, 4), -1.0)]) == 24
    assert helper.norm([]) == 0


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "increment_average"])
def test_models_of_different_lengths_are_not_cut(helper: Any, name: str) -> None:
    more = (1, 2) if name == "increment_average" else ()
    with pytest.raises(ValueError, match="the models have 2 and 1 arrays"):
        getattr(helper, name)([np.ones(1)] * 2, [np.ones(1)], *more)


def test_different_shapes_are_not_stretched(helper: Any) -> None:
    with pytest.raises(ValueError, match=r"array 1 has shapes \(3,\) and \(1,\)"):
        helper.increment_average([np.ones(1), np.ones(3)], [np.ones(1), np.ones(1)], 1, 2)


# Documents


def test_metadata_lies_beside_the_model(tmp_path: Path) -> None:
    metadata = {"num_examples": 600, "lr": 0.1, "note": "ä", "nested": {"a": [1, None]}}
    save_metadata(metadata, str(tmp_path / "out.npz"))
    assert json.loads((tmp_path / "out.npz-metadata").read_text("utf-8")) == metadata
    assert load_metadata(tmp_path / "out.npz") == metadata
    with pytest.raises(FileNotFoundError):
        load_metadata(tmp_path / "gone.npz")


def test_numbers_of_arrays_libraries_are_plain_in_json(tmp_path: Path) -> None:
    metrics = {"loss": np.float32(0.5), "rows": np.int64(3), "all": np.arange(2), "none": None}
    save_metrics(metrics, tmp_path / "m.json")
    found = json.loads((tmp_path / "m.json").read_text())
    assert found == {"loss": 0.5, "rows": 3, "all": [0, 1], "none": None}


def test_what_json_does_not_know_leaves_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    save_metrics([1], path)
    with pytest.raises(TypeError, match="of type object cannot be written as JSON"):
        save_metrics({"a": 1, "b": object()}, path)
    assert path.read_text() == "[1]"
