from __future__ import annotations

from pathlib import Path

import pytest

from fedloom.data import load_dataset, partition_rows, read_distribution
from fedloom.errors import DataError

EXAMPLE = Path(__file__).parents[2] / "examples" / "custom_distributions.json"


def test_order_of_the_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text('\ufeff{"z": {"1": 5, "0": 2}, "a": {"0": 0}}', encoding="utf-8")
    read = read_distribution(path)
    assert list(read) == ["z", "a"]
    assert read == {"z": {"1": 5, "0": 2}, "a": {"0": 0}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": {"0": 1},}', "in line 1, column "),
        ('{\n  "a": {"0" 1}\n}', "not valid JSON: .* in line 2, column 13"),
        ("", "not valid JSON: .* in line 1, column 1"),
        ("[1]", "a list instead of clients"),
        ("{}", "an empty object instead of clients"),
        ("3", "holds 3 instead of clients"),
        ('{"a": 5}', "client 'a' holds 5 instead of labels"),
        ('{"a": [5]}', "client 'a' holds a list instead"),
        ('{"a": {"0": -1}}', "client 'a', label '0': the count is -1"),
        ('{"a": {"0": 1.5}}', r"label '0': the count is 1\.5"),
        ('{"a": {"0": 2.0}}', r"the count is 2\.0"),
        ('{"a": {"0": "7"}}', 'the count is "7"'),
        ('{"a": {"0": true}}', "the count is true"),
        ('{"a": {"0": null}}', "the count is null"),
        ('{"a": {"0": NaN}}', "the count is NaN"),
        ('{"a": {"0": 1}, "a": {"0": 2}}', "names 'a' twice"),
        ('{"a": {"0": 1, "0": 2}}', "names '0' twice"),
        ('{"a": {"0": 1}, "A": {"0": 2}}', "'a' and 'A' differ only in case"),
        ('{" ": {"0": 1}}', "blank name ' '"),
        ('{"a": {"0": ' + "9" * 5000 + "}}", "not usable JSON"),
        ("[" * 100_000, "not usable JSON|not valid JSON"),
        ('{"a": {"0": "' + "x" * 100 + '"}}', r"the count is \"x+\.\.\.;"),
    ],
)
def test_malformed_files_are_one_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "d.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        read_distribution(path)
    assert "d.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "d.json").write_bytes(b'{"\xff": {}}')
    with pytest.raises(DataError, match="not UTF-8 text, see byte 2"):
        read_distribution(tmp_path / "d.json")
    with pytest.raises(DataError, match=r"distribution file .* does not exist"):
        read_distribution(str(tmp_path / "none.json"))
    with pytest.raises(DataError, match="is not a file"):
        read_distribution(tmp_path)


@pytest.mark.parametrize("clients", [3, 5, None, 20])
def test_shipped_example_fits_digits(clients: int | None) -> None:
    """Also with the 20 clients that are the default of `generate`."""
    digits, distribution = load_dataset("digits"), read_distribution(EXAMPLE)
    split = partition_rows(
        digits.train_labels,
        "custom",
        clients,
        distribution=distribution,
        class_names=digits.classes,
    )
    assert len(split.rows) == (clients or 5)
    counts = split.label_counts(digits.train_labels, digits.classes)
    zeros = dict.fromkeys(digits.classes, 0)
    assert counts[0] == zeros | distribution["client_1"]
    assert counts[-1] == zeros | list(distribution.values())[(len(counts) - 1) % 5]
