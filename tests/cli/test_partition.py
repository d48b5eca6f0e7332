from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fedloom.cli import main


def split_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["partition", "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_default_split_is_iid_over_20_clients_and_holds_every_row(
    capsys: pytest.CaptureFixture[str],
) -> None:
    split = split_json(capsys)
    assert (split["dataset"], split["partition"], split["partition_param"]) == (
        "digits",
        "iid",
        None,
    )
    assert [client["client_id"] for client in split["clients"]] == [
        f"client_{number}" for number in range(1, 21)
    ]
    for client in split["clients"]:
        assert list(client["label_counts"]) == [str(digit) for digit in range(10)]
        assert sum(client["label_counts"].values()) == client["num_examples"]
    assert sum(client["num_examples"] for client in split["clients"]) == 1438
    assert split["left_out"] == []


@pytest.mark.parametrize(
    ("flags", "strategy", "param"),
    [
        (["--partition", "dirichlet"], "dirichlet", 0.5),
        (["--strategy", "Quantity-Skew", "--distribution-param", "2"], "quantity_skew", 2.0),
        (["--strategy", "shard", "--partition-param", "3"], "shard", 3.0),
    ],
)
def test_the_strategy_and_its_parameter_have_two_names_each(
    flags: list[str], strategy: str, param: float, capsys: pytest.CaptureFixture[str]
) -> None:
    split = split_json(capsys, "--clients", "5", *flags)
    assert (split["partition"], split["partition_param"]) == (strategy, param)


def test_the_seed_determines_the_split(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--partition", "dirichlet", "--clients", "4", "--seed"]
    assert split_json(capsys, *flags, "1") == split_json(capsys, *flags, "1")
    assert split_json(capsys, *flags, "1")["clients"] != split_json(capsys, *flags, "2")["clients"]


def test_custom_reads_its_file_and_keeps_its_order(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "who.json"
    file.write_text('{"b": {"0": 5, "3": 2}, "a": {"1": 7}}')
    flags = ["--partition", "custom", "--distribution", str(file), "--clients", "2"]
    first, second = split_json(capsys, *flags)["clients"]
    assert (first["client_id"], first["label_counts"]["0"], first["label_counts"]["3"]) == (
        "b",
        5,
        2,
    )
    assert (second["client_id"], second["num_examples"]) == ("a", 7)


def test_too_much_asked_is_an_error_unless_allowed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "who.json"
    file.write_text('{"a": {"1": 100000}}')
    flags = ["--partition", "custom", "--distribution", str(file), "--clients", "1"]
    assert main(["partition", *flags]) == 2
    assert "100000" in capsys.readouterr().err
    assert split_json(capsys, *flags, "--allow-shortfall")["clients"][0]["num_examples"] == 146


def test_numbers_are_split_by_bins(capsys: pytest.CaptureFixture[str]) -> None:
    split = split_json(capsys, "--dataset", "diabetes", "--clients", "3", "--partition", "shard")
    assert list(split["clients"][0]["label_counts"])[:2] == ["bin_0", "bin_1"]


def test_a_sample_is_split(capsys: pytest.CaptureFixture[str]) -> None:
    split = split_json(capsys, "--sample-size", "300", "--clients", "3")
    assert [client["num_examples"] for client in split["clients"]] == [100, 100, 100]


def test_people_see_a_table_and_what_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["partition", "--clients", "2", "--partition", "label_per_client"]) == 0
    title, head, first, second, total, summary, note = capsys.readouterr().out.splitlines()
    assert title.startswith("digits · label_per_client 1 · 2 clients · ")
    assert head.split() == ["client", *map(str, range(10)), "rows"]
    assert first.split()[0] == "client_1"
    assert int(total.split()[-1]) == int(first.split()[-1]) + int(second.split()[-1])
    assert summary.endswith("labels of a client: 1 each")
    assert note.startswith("note: ")


def test_a_terminal_gets_colours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert main(["partition", "--clients", "2"]) == 0
    assert "\x1b[" in capsys.readouterr().out


def test_the_heatmap_is_a_page(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["partition", "--clients", "2", "--output", str(tmp_path / "split")]) == 0
    assert f"heatmap: {tmp_path / 'split.html'}" in capsys.readouterr().out
    assert "client_2" in (tmp_path / "split.html").read_text()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--partition", "dirichlit"], "did you mean 'dirichlet'?"),
        (["--dataset", "digit"], "did you mean 'digits'?"),
        (["--clients", "5000"], "5000"),
        (["--clients", "0"], "0"),
        (["--sample-size", "3", "--sample-frac", "0.5"], "sample_frac"),
        (["--partition", "custom"], "distribution"),
        (["--output", "/proc/none/split.html"], "/proc/none/split.html"),
    ],
)
def test_a_wrong_request_is_one_line(
    flags: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["partition", *flags]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
