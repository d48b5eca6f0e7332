"""What the tests of workloads share: configurations that are shipped."""

from __future__ import annotations

import csv
from collections.abc import Iterator

import pytest

from fedloom.workload.config.read import read_config
from fedloom.workload.config.workload_config import WorkloadConfig


@pytest.fixture(scope="session")
def baseline_config() -> WorkloadConfig:
    """Two workflows: a chain of two nodes, and a fork of four that joins again."""
    return read_config(["test_baseline.json"]).config


@pytest.fixture(scope="session")
def minimal_config() -> WorkloadConfig:
    """Two workflows: one node, and a chain of two."""
    return read_config(["minimal.json"]).config


@pytest.fixture(autouse=True)
def _usual_cell_limit() -> Iterator[None]:
    """Keep the csv module's limit, a setting of the whole process, as it is at the start."""
    before = csv.field_size_limit(131_072)
    yield
    csv.field_size_limit(before)
