"""ServeGen's requests as a table: ``request_id,timestamp,input_tokens,output_tokens,client_id``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.request import Request
from fedloom.workload.traces.export.calls import token_counts
from fedloom.workload.traces.export.csv_file import open_csv
from fedloom.workload.units import to_seconds

__all__ = ["export_servegen"]

_COLUMNS = ("request_id", "timestamp", "input_tokens", "output_tokens", "client_id")


def export_servegen(requests: Iterable[Request], _config: WorkloadConfig, path: Path) -> int:
    """Write one row per request: seconds since the first, tokens, and its tenant as the client.

    Raises:
        InputError: a request has no tokens.
    """
    count, first_us = 0, 0
    with open_csv(path, _COLUMNS) as writer:
        for count, request in enumerate(requests, start=1):
            if count == 1:
                first_us = request.time_us
            time = f"{to_seconds(request.time_us - first_us):.6f}"
            client = request.metadata.get("tenant", "")
            row = (request.request_id, time, *token_counts(request, "servegen"), client)
            writer.writerow(row)
    return count
