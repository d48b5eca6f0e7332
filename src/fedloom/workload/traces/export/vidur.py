"""Vidur's replayed traces: ``arrived_at,num_prefill_tokens,num_decode_tokens``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.request import Request
from fedloom.workload.traces.export.calls import token_counts
from fedloom.workload.traces.export.csv_file import open_csv
from fedloom.workload.units import to_seconds

__all__ = ["export_vidur"]


def export_vidur(requests: Iterable[Request], _config: WorkloadConfig, path: Path) -> int:
    """Write one row per request: seconds since the first, and tokens summed over its nodes.

    Raises:
        InputError: a request has no tokens.
    """
    count, first_us = 0, 0
    with open_csv(path, ("arrived_at", "num_prefill_tokens", "num_decode_tokens")) as writer:
        for count, request in enumerate(requests, start=1):
            if count == 1:
                first_us = request.time_us
            arrived = f"{to_seconds(request.time_us - first_us):.6f}"
            writer.writerow((arrived, *token_counts(request, "vidur")))
    return count
