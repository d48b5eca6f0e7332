"""What a measuring process printed: one marked line of JSON, or why there is none."""

from __future__ import annotations

import json
from typing import Any

from harness.children import Ended
from harness.stopwatch import MARK

__all__ = ["find_report"]

_SHOWN = 200


def find_report(ended: Ended, limit_seconds: float) -> tuple[Any, str]:
    """Return what the last marked line says and "", or None and why there is no such line."""
    if ended.code is None:
        return None, f"more than {limit_seconds:.0f} s"
    lines = [line for line in ended.output.splitlines() if line.startswith(MARK)]
    if ended.code == 0 and lines:
        return json.loads(lines[-1].removeprefix(MARK)), ""
    last = (ended.errors.strip().splitlines() or ["it printed nothing"])[-1]
    return None, f"exit code {ended.code}: {last[:_SHOWN]}"
