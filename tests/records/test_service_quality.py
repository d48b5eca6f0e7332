"""The five qualities against numbers computed by hand, and the page that describes the columns."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import polars as pl
import pytest

from fedloom.records import ClientRecord, rate_services, read_records
from fedloom.records.describe import describe_table, main, update_page
from fedloom.records.quality import Thresholds
from fedloom.records.typed import RawTable, apply_schema

from .record_examples import make_client

PAGE = Path(__file__).parents[2] / "docs" / "records.md"
QUALITIES = ["DUM", "SUM", "HQS", "SRS", "MUM"]


def table(*records: ClientRecord) -> pl.DataFrame:
    rows = pl.DataFrame([asdict(record) for record in records], infer_schema_length=None)
    return apply_schema(RawTable("rows", rows), ClientRecord)


def test_qualities_by_hand() -> None:
    # Mean counts of the round: {a: 300, b: 300}; both clients are √(300² + 300²) = 424.3 away.
    # Mean time 2 s, so the ratios are 0.5 and 1.5. Mean score 0.75, both 0.03 away.
    clients = table(
        make_client(1, "x", label_counts='{"a":600}', train_seconds=1.0, local_score=0.78,
                    divergence=0.29),
        make_client(1, "y", label_counts='{"b":600}', train_seconds=3.0, local_score=0.72,
                    divergence=0.3),
    )  # fmt: skip
    rated = rate_services(clients)
    assert rated.columns[:-8] == clients.columns
    assert rated.select(QUALITIES).rows() == [(0, 1, 1, 1, 1), (0, 0, 1, 1, 0)]
    assert rated["composability_score"].to_list() == [0.8, 0.4]
    assert rated["composable"].to_list() == [True, False]
    wide = rate_services(clients, Thresholds(data_distance=424.3))
    assert wide["DUM"].to_list() == [1, 1]
    assert rate_services(clients, Thresholds(data_distance=424.2))["DUM"].to_list() == [0, 0]


def test_each_round_is_compared_with_itself_and_reliability_looks_back() -> None:
    clients = table(
        make_client(3, "x", local_score=1.0),
        make_client(1, "x", local_score=0.5),
        make_client(2, "x", local_score=None, train_seconds=None, divergence=None,
                    label_counts="", participated=False, failure="error"),
    )  # fmt: skip
    rated = rate_services(clients)
    assert rated["reliability"].to_list() == [0.75, 0.5, 0.5]
    assert rated["SRS"].to_list() == [1, 0, 0]
    assert rated.select(QUALITIES).row(2) == (1, 0, 0, 0, 0)
    assert rated["round"].to_list() == [3, 1, 2]


def test_a_client_without_any_score_is_not_reliable() -> None:
    rated = rate_services(table(make_client(local_score=None)))
    assert rated["reliability"].to_list() == [None]
    assert rated["SRS"].to_list() == [0]


def test_a_table_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    path.write_text("client_id,round\n")
    rated = rate_services(read_records(path))
    assert rated.height == 0
    assert set(QUALITIES) < set(rated.columns)


# The page


def test_the_page_describes_the_schema_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert describe_table(ClientRecord) in page
    assert update_page(page) == page, "run `python -m fedloom.records.describe docs/records.md`"


def test_a_stale_page_is_brought_up_to_date(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- columns of clients -->\nold\n<!-- end -->\nz\n", encoding="utf-8")
    main([str(page)])
    text = page.read_text(encoding="utf-8")
    assert text.startswith("a\n<!-- columns of clients -->\n| column")
    assert text.endswith("|\n<!-- end -->\nz\n")
    assert "| `num_examples` | integer | rows |" in text
    assert capsys.readouterr().out == ""


def test_the_tables_are_printed() -> None:
    command = [sys.executable, "-m", "fedloom.records.describe"]
    text = subprocess.run(command, capture_output=True, check=True, timeout=30, text=True).stdout
    assert text.count("| `run_id` |") == 3
