"""The columns of the original MLaaS Data Generator, for notebooks that were written for it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from enum import StrEnum
from operator import attrgetter

from fedloom.records.csvtext import encode_cell, encode_row
from fedloom.records.schema import ClientRecord, RoundRecord, describe_columns

__all__ = ["MLAAS_COLUMNS", "Columns", "Reliability", "encode_mlaas", "encode_records"]

MLAAS_COLUMNS = (
    "run_id",
    "round",
    "client_id",
    "dataset",
    "task_type",
    "model_type",
    "participated",
    "round_fail_reason",
    "distribution_type",
    "distribution_param",
    "data_Distribution",
    "samples_count",
    "Computation_Time",
    "quality_Factor",
    "reliability_Score",
)
"""The fifteen columns of the original, in its order and spelling."""

_WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")


class Columns(StrEnum):
    """Which columns the user's table of clients has."""

    FEDLOOM = "fedloom"
    MLAAS = "mlaas"


class Reliability:
    """The mean quality of each client over its rounds so far.

    The original writes the mean over all rounds of the run into every row, the first included, and
    so tells a model that is to predict reliability what it will be. Here a row knows its own round
    and those before it. A round without a score (a failure) does not count.
    """

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float, int]] = {}

    def add(self, client_id: str, quality: float | None) -> float | None:
        """Count one round of a client; return its mean so far, None before its first score."""
        total, rounds = self._sums.get(client_id, (0.0, 0))
        if quality is not None and quality == quality:  # NaN is no score
            total, rounds = total + float(quality), rounds + 1
            self._sums[client_id] = (total, rounds)
        return total / rounds if rounds else None


def encode_records(records: Sequence[ClientRecord] | Sequence[RoundRecord]) -> list[str]:
    """Return the lines of some records of one table in Fedloom's own columns."""
    if not records:
        return []
    columns = describe_columns(type(records[0]))
    kinds = [column.kind for column in columns]
    values = attrgetter(*[column.name for column in columns])
    return [encode_row(map(encode_cell, values(record), kinds)) for record in records]


def encode_mlaas(records: Sequence[ClientRecord], reliability: Reliability) -> list[str]:
    """Return the lines of some client records in the original's columns; counts their quality."""
    return [_encode_one(r, reliability.add(r.client_id, r.local_score)) for r in records]


def _encode_one(record: ClientRecord, reliability: float | None) -> str:
    return encode_row(
        [
            encode_cell(record.run_id),
            encode_cell(record.round, int),
            encode_cell(record.client_id),
            encode_cell(record.dataset),
            encode_cell(record.task),
            encode_cell(record.model),
            encode_cell(record.participated, bool),
            encode_cell(record.failure),
            encode_cell(record.partition),
            encode_cell(record.partition_param, float),
            _python_dict(record.label_counts),
            encode_cell(record.num_examples, int),
            encode_cell(record.train_seconds, float),
            encode_cell(record.local_score, float),
            encode_cell(reliability, float),
        ]
    )


def _python_dict(label_counts: str) -> str:
    """Return JSON counts as the original wrote them: a Python dict, labels as ints if they are."""
    counts: dict[str, int] = json.loads(label_counts) if label_counts else {}
    if all(_WHOLE_NUMBER.fullmatch(label) for label in counts):
        return str({int(label): count for label, count in counts.items()})
    return str(counts)
