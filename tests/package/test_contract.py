"""What entry points get and leave: every fault is found and named."""

from __future__ import annotations

import io
import json
import math
import os
import struct
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from fedloom.errors import OutputError, PackageError
from fedloom.package import helpers
from fedloom.package.contract import (
    PackageUpdate,
    metadata_path,
    read_metrics,
    read_update,
    write_input,
)

MODEL = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.ones(3, np.float32),
    np.array(7, np.int64),
]


def leave(out: Path, arrays: Any = None, metadata: Any = None, *, compressed: bool = False) -> Path:
    """Leave an update as a train script does."""
    save = np.savez_compressed if compressed else np.savez
    with out.open("wb") as file:
        save(file, **{str(i): a for i, a in enumerate(MODEL if arrays is None else arrays)})
    text = json.dumps({"num_examples": 10} if metadata is None else metadata)
    metadata_path(out).write_text(text)
    return out


def fault(out: Path, like: Any = MODEL, **options: Any) -> str:
    with pytest.raises(PackageError) as caught:
        read_update(out, like, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert out.name in message
    return message


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "update.npz"


# What goes in


def test_the_input_is_plain_npz_with_the_settings_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "model"
    write_input([*MODEL, np.empty((0, 3))], {"lr": 0.5, "who": "ü"}, path)
    with np.load(path, allow_pickle=False) as archive:
        assert archive.files == ["0", "1", "2", "3"]
        for index, array in enumerate(MODEL):
            assert archive[str(index)].dtype == array.dtype
            assert np.array_equal(archive[str(index)], array)
    with zipfile.ZipFile(path) as archive:
        assert {i.compress_type for i in archive.infolist()} == {zipfile.ZIP_STORED}
    assert json.loads((tmp_path / "model-metadata").read_text("utf-8")) == {"lr": 0.5, "who": "ü"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model", "model-metadata"]


def test_what_cannot_be_an_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="array 0 of the model has the type object"):
        write_input([np.array([None])], {}, tmp_path / "m")
    with pytest.raises(PackageError, match="settings for m cannot be JSON"):
        write_input(MODEL, {"x": object()}, tmp_path / "m")
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError):
        write_input(MODEL, {}, tmp_path / "none" / "m")


# What comes out


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("like", [MODEL, None])
def test_an_update_is_read_whole(out: Path, compressed: bool, like: Any) -> None:
    metadata = {"num_examples": 600, "lr": 0.1, "nested": {"a": [1, None]}, "num_example": 3}
    update = read_update(leave(out, None, metadata, compressed=compressed), like)
    assert update.num_examples == 600
    assert update.metadata == {"lr": 0.1, "nested": {"a": [1, None]}, "num_example": 3}
    assert update.warnings == ()
    for found, expected in zip(update.weights, MODEL, strict=True):
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)
        assert found.flags.writeable


def test_what_the_helper_saves_is_read(out: Path) -> None:
    helpers.get_helper("numpyhelper").save(MODEL, str(out))
    helpers.save_metadata({"num_examples": 5}, str(out))
    update = read_update(out, MODEL)
    assert all(np.array_equal(a, b) for a, b in zip(update.weights, MODEL, strict=True))
    assert update == PackageUpdate(update.weights, 5, {})


def test_what_the_helper_reads_was_written(out: Path) -> None:
    write_input(MODEL, {"epochs": 2}, out)
    loaded = helpers.get_helper("numpyhelper").load(str(out))
    assert all(np.array_equal(a, b) for a, b in zip(loaded, MODEL, strict=True))
    assert helpers.load_metadata(str(out)) == {"epochs": 2}


def test_a_name_to_which_numpy_appended_its_ending_is_found(tmp_path: Path) -> None:
    out = tmp_path / "update"
    out.touch()
    np.savez(out, **{"0": MODEL[0]})
    metadata_path(out).write_text('{"num_examples": 1}')
    assert np.array_equal(read_update(out, MODEL[:1]).weights[0], MODEL[0])


def test_more_than_ten_arrays_keep_their_order(out: Path) -> None:
    arrays = [np.full(i + 1, i, np.float32) for i in range(12)]
    with out.open("wb") as file:
        np.savez(file, **{str(i): arrays[i] for i in reversed(range(12))})
    metadata_path(out).write_text('{"num_examples": 1}')
    assert [len(w) for w in read_update(out, arrays).weights] == list(range(1, 13))


@given(
    st.lists(
        npst.arrays(
            st.sampled_from(["f4", "f8", "i8", "u1", "?", ">f4"]),
            npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
            elements={"allow_nan": False, "allow_infinity": False},
        ),
        min_size=1,
        max_size=4,
    ),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_any_arrays_come_out_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory, arrays: list[Any], fortran: bool
) -> None:
    out = tmp_path_factory.mktemp("arrays") / "m.npz"
    laid_out = [np.asfortranarray(a) if fortran and a.ndim else a for a in arrays]
    write_input(laid_out, {"num_examples": 1}, out)
    for like in (arrays, None):
        read = read_update(out, like).weights
        for given_array, expected in zip(read, arrays, strict=True):
            assert given_array.dtype == expected.dtype
            assert np.array_equal(given_array, expected)


# Raw bytes


def test_raw_bytes_are_the_models_arrays_one_after_the_other(out: Path) -> None:
    leave(out)
    model = MODEL[:2]
    out.write_bytes(b"".join(a.tobytes() for a in model))
    update = read_update(out, model)
    assert [w.shape for w in update.weights] == [(2, 3), (3,)]
    assert all(np.array_equal(a, b) for a, b in zip(update.weights, model, strict=True))
    assert update.warnings == ()
    out.write_bytes(np.concatenate([a.ravel() for a in model]).astype(np.float64).tobytes())
    update = read_update(out, model)
    assert all(np.array_equal(a, b) for a, b in zip(update.weights, model, strict=True))
    assert {w.dtype.name for w in update.weights} == {"float32"}
    assert "2 arrays of update.npz were converted" in update.warnings[0]


def test_raw_bytes_without_a_model_are_float64(out: Path) -> None:
    leave(out)
    out.write_bytes(np.array([1.5, -2.0]).tobytes())
    assert read_update(out, None).weights[0].tolist() == [1.5, -2.0]
    out.write_bytes(b"hello")
    assert "neither npz nor raw float64" in fault(out, None)
    assert "its 5 bytes are not those of the model's arrays" in fault(out)


# Faults of the file


def test_a_file_that_was_not_written_says_how_to_write_it(out: Path) -> None:
    assert "was not written: save it with the helper" in fault(out)
    leave(out).write_bytes(b"")
    assert "is empty: save it with the helper" in fault(out)
    out.unlink()
    out.mkdir()
    assert "is no plain file" in fault(out)
    out.rmdir()
    os.mkfifo(out)
    assert "is no plain file" in fault(out)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m[:2], "holds 2 arrays instead of 3"),
        (lambda m: [*m, m[0]], "holds 4 arrays instead of 3"),
        (
            lambda m: [m[1], m[0], m[2]],
            "array 0 of update.npz has the shape (3,) instead of (2, 3)",
        ),
        (lambda m: [m[0].T, *m[1:]], "has the shape (3, 2) instead of (2, 3)"),
        (lambda m: [m[0] * np.nan, *m[1:]], "array 0 of update.npz holds NaN or infinity"),
        (lambda m: [m[0], m[1] / 0, m[2]], "array 1 of update.npz holds NaN or infinity"),
        (lambda m: [m[0] * 1e300, *m[1:]], "holds values too large for float32"),
        (lambda m: [*m[:2], np.array(2.5)], "type float64, the model's is int64"),
        (lambda m: [*m[:2], np.array(np.inf)], "type float64, the model's is int64"),
        (lambda m: [m[0] > 1, *m[1:]], "type bool, the model's is float32"),
        (lambda m: [m[0] * 1j, *m[1:]], "type complex128, the model's is float32"),
        (lambda m: [m[0].astype(int), *m[1:]], "type int64, the model's is float32"),
        (lambda m: [m[0].astype(str), *m[1:]], "which is refused: wanted are plain numbers"),
        (lambda m: [np.zeros((2, 3), "f4,f4"), *m[1:]], "which is refused"),
        (lambda m: [m[0].astype(object), *m[1:]], "has the type object, which is refused"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_arrays_that_do_not_fit_the_model_are_refused(out: Path, change: Any, words: str) -> None:
    wide = [MODEL[0].astype(np.float64), *MODEL[1:]]
    assert words in fault(leave(out, change(wide)))


def test_floats_of_another_width_and_equal_integers_are_converted(out: Path) -> None:
    arrays = [MODEL[0].astype(np.float64) + 0.1, MODEL[1].astype(np.float16), np.array(7.0)]
    update = read_update(leave(out, arrays), MODEL)
    assert [w.dtype.name for w in update.weights] == ["float32", "float32", "int64"]
    assert np.allclose(update.weights[0], MODEL[0] + 0.1)
    assert update.weights[2] == 7
    assert update.warnings == (
        "3 arrays of update.npz were converted to the model's types, such as array 0 from float64 "
        "to float32",
    )


def test_a_pickle_is_never_read(out: Path, tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "harm"),)

    leave(out, [np.array([Harm()], dtype=object), *MODEL[1:]])
    assert "has the type object, which is refused" in fault(out)
    assert "has the type object, which is refused" in fault(out, None)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a", "b"], "holds the keys a, b: wanted are 0 to n-1"),
        (["arr_0"], "holds the keys arr_0"),
        (["0", "2"], "holds the keys 0, 2"),
        (["0", "01"], "holds the keys 0, 01"),
        ([], "holds no array"),
    ],
)
def test_other_keys_are_refused(out: Path, names: list[str], words: str) -> None:
    leave(out)
    with out.open("wb") as file:
        np.savez(file, **dict.fromkeys(names, MODEL[0]))
    assert words in fault(out, None)


def npy(header: str, content: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header.encode() + content


def zip_up(out: Path, *members: tuple[str, bytes], **options: Any) -> Path:
    leave(out)
    with zipfile.ZipFile(out, "w", **options) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out


HUGE = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (npy(HUGE, b"1234"), "is cut short or has a wrong header"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", b""), "has the shape (-1"),
        (npy("{" * 50), "has a damaged header"),
        (npy("{[]: 1}"), "has a damaged header"),
        (npy("print(1)"), "has a damaged header"),
        (npy("("), "has a damaged header"),
        (npy("{}", version=b"\x09\x00"), "npy version"),
        (b"hello world", "no readable npz file"),
        (b"", "no readable npz file"),
    ],
)
def test_a_wrong_header_is_refused(out: Path, data: bytes, words: str) -> None:
    assert words in fault(zip_up(out, ("0.npy", data)), None)
    assert words in fault(out, MODEL[:1])


def test_odd_zip_files_are_refused(out: Path) -> None:
    array = io.BytesIO()
    np.save(array, MODEL[0])
    data = array.getvalue()
    zip_up(out, ("0.npy", data), compression=zipfile.ZIP_BZIP2)
    assert "compressed in a way that NumPy does not write" in fault(out, None)
    with pytest.warns(UserWarning, match="Duplicate name"):
        zip_up(out, ("0.npy", data), ("0.npy", data))
    assert "each once" in fault(out, None)
    out.write_bytes(data)
    assert "is a single array (npy), no npz" in fault(out, None)


def test_a_huge_file_is_refused_before_it_is_read(out: Path) -> None:
    with leave(out).open("r+b") as file:
        file.truncate(2**40)  # a hole, which takes no space
    assert "has 1,099,511,627,776 bytes: at most" in fault(out)
    assert "has 1,099,511,627,776 bytes: at most" in fault(out, None)
    leave(out)
    assert "at most 10 are read" in fault(out, limit_bytes=10)


def test_a_compressed_bomb_is_refused_before_it_is_unpacked(out: Path) -> None:
    leave(out, [np.zeros(5_000_000)], compressed=True)
    assert out.stat().st_size < 100_000
    assert "has the shape (5000000,) instead of (3,)" in fault(out, [MODEL[1]])
    assert "unpacks to 40,000,000 bytes: at most" in fault(out, None, limit_bytes=1_000_000)


@given(st.integers(0, 2**32), st.integers(1, 255), st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_read_right_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, place: int, change: int, compressed: bool
) -> None:
    out = leave(tmp_path_factory.mktemp("damage") / "update.npz", compressed=compressed)
    data = bytearray(out.read_bytes())
    data[place % len(data)] ^= change
    out.write_bytes(data)
    with suppress(PackageError):
        update = read_update(out, MODEL)
        assert all(np.array_equal(a, b) for a, b in zip(update.weights, MODEL, strict=True))
        return
    fault(out)


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_header_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, header: bytes
) -> None:
    out = tmp_path_factory.mktemp("header") / "update.npz"
    zip_up(out, ("0.npy", npy("").removesuffix(b"\0\0") + struct.pack("<H", len(header)) + header))
    assert fault(out, None)


# The metadata


@pytest.mark.parametrize("count", [1, 600, 600.0, 2**53])
def test_a_whole_number_of_examples_is_taken(out: Path, count: float) -> None:
    update = read_update(leave(out, None, {"num_examples": count}), MODEL)
    assert update.num_examples == count
    assert isinstance(update.num_examples, int)


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0"),
        (-5, "-5"),
        ("ten", '"ten"'),
        ("10", '"10"'),
        (None, "null"),
        (1e300, "1e+300"),
        (10**400, "1" + "0" * 36 + "…"),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (True, "true"),
        (12.5, "12.5"),
        (0.5, "0.5"),
        ([10], "[10]"),
        ({}, "{}"),
    ],
)
@pytest.mark.parametrize("name", ["num_examples", "num_example"])
def test_any_other_number_of_examples_is_refused(
    out: Path, name: str, count: Any, shown: str
) -> None:
    message = fault(leave(out, None, {name: count}))
    assert message == (
        f"update.npz-metadata: '{name}' is {shown}: wanted is a whole number of rows, at least 1"
    )


def test_the_guides_spelling_is_accepted_with_a_warning(out: Path) -> None:
    update = read_update(leave(out, None, {"num_example": 10, "lr": 1}), MODEL)
    assert (update.num_examples, update.metadata) == (10, {"lr": 1})
    assert update.warnings == ("update.npz-metadata says 'num_example': write 'num_examples'",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "was not written: call save_metadata({'num_examples': n}, sys.argv[2])"),
        ("", "is empty: call save_metadata"),
        (" \n", "is empty: call save_metadata"),
        ("{", "is no valid JSON"),
        ("{'num_examples': 1}", "is no valid JSON"),
        ("[" * 100_000, "is no valid JSON"),
        ('{"num_examples": ' + "1" * 10_000 + "}", "is no valid JSON"),
        ("[10]", "holds [10], no object"),
        ("10", "holds 10, no object"),
        ("{}", "lacks 'num_examples', the number of rows trained on"),
    ],
)
def test_a_fault_of_the_metadata_is_named(out: Path, text: str | None, words: str) -> None:
    path = metadata_path(leave(out))
    path.unlink()
    if text is not None:
        path.write_text(text)
    assert words in fault(out)


def test_metadata_that_cannot_be_read_is_named(out: Path) -> None:
    path = metadata_path(leave(out))
    path.write_bytes(b"\xff\xfe{")
    assert "is no valid JSON" in fault(out)
    path.write_bytes(b" " * (16 * 1024**2 + 1))
    assert "at most 16,777,216" in fault(out)
    path.unlink()
    os.mkfifo(path)
    assert "is no plain file" in fault(out)


# Metrics


@pytest.mark.parametrize(
    ("text", "document", "scalars"),
    [
        ('{"loss": 0.5, "acc": 1}', {"loss": 0.5, "acc": 1}, {"loss": 0.5, "acc": 1.0}),
        (
            '{"test": {"loss": 2, "deep": {"f1": 0.1}}, "n": 3}',
            {"test": {"loss": 2, "deep": {"f1": 0.1}}, "n": 3},
            {"test.loss": 2.0, "test.deep.f1": 0.1, "n": 3.0},
        ),
        (
            '{"name": "x", "ok": true, "none": null, "per_class": [1, 2]}',
            {"name": "x", "ok": True, "none": None, "per_class": [1, 2]},
            {},
        ),
        ("[1, 2]", [1, 2], {}),
        ("0.75", 0.75, {"value": 0.75}),
        ('"text"', "text", {}),
        ("null", None, {}),
        ("\ufeff{}", {}, {}),
        ('{"big": 1' + "0" * 400 + "}", {"big": 10**400}, {}),
    ],
)
def test_any_json_is_kept_whole_and_its_numbers_are_metrics(
    tmp_path: Path, text: str, document: Any, scalars: dict[str, float]
) -> None:
    path = tmp_path / "metrics"
    path.write_text(text, "utf-8")
    assert read_metrics(path) == (document, scalars)
    assert list(read_metrics(path)[1]) == list(scalars)


def test_nan_and_infinity_stay_in_the_document_and_are_no_metrics(tmp_path: Path) -> None:
    path = tmp_path / "metrics"
    helpers.save_metrics({"loss": math.nan, "top": -math.inf, "acc": 0.5}, str(path))
    document, scalars = read_metrics(path)
    assert math.isnan(document["loss"])
    assert document["top"] == -math.inf
    assert scalars == {"acc": 0.5}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
@settings(deadline=None)
def test_any_document_is_kept_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, document: Any
) -> None:
    path = tmp_path_factory.mktemp("any") / "metrics"
    path.write_text(json.dumps(document), "utf-8")
    kept, scalars = read_metrics(path)
    assert kept == document
    assert all(math.isfinite(value) for value in scalars.values())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "metrics was not written: write its metrics there"),
        (b"", "metrics is empty"),
        (b"acc=1", "metrics is no valid JSON"),
        (b"\xff", "metrics is no valid JSON"),
    ],
)
def test_a_fault_of_the_metrics_is_named(tmp_path: Path, data: bytes | None, words: str) -> None:
    path = tmp_path / "metrics"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(PackageError) as caught:
        read_metrics(path)
    assert words in str(caught.value)
