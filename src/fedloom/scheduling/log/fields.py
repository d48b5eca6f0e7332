"""The fields of an execution in a log."""

from __future__ import annotations

__all__ = ["OPTIONAL_TIMES", "REQUIRED_TEXTS", "REQUIRED_TIMES", "TEXTS"]

TEXTS = ("request_id", "workflow_id", "node_id", "model_name", "tenant")
"""Fields that hold a name; ``tenant`` is ours."""

REQUIRED_TEXTS = ("request_id", "node_id")
"""Without these nobody knows what was executed."""

REQUIRED_TIMES = ("start_time", "end_time")
"""Seconds since the first request's arrival, six decimals; a device is taken in between."""

OPTIONAL_TIMES = (
    "execution_time",
    "estimated_time",
    "switch_time",
    "waiting_time",
    "ready_time",
    "arrival_time",
    "deadline",
)
"""Seconds; the last three are ours, moments like ``start_time``."""
