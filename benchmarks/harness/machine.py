"""What a result was measured on, and with what."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.catalogue import PEERS_PYTHON
from harness.study import Settings

__all__ = ["describe_machine", "read_load"]


def describe_machine(settings: Settings, sources: Mapping[str, str]) -> dict[str, Any]:
    """Return what a reader needs to judge the figures, in the order of the page.

    Args:
        settings: what is run.
        sources: what the clients' rows are and where they are from; empty where none are read.
    """
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": _read_processor(),
        "cores": settings.cores,
        "device": settings.device,
        "Python": platform.python_version(),
        "peers": _read_versions(),
        **sources,
        "repeats": settings.repeats,
        "load at the start": read_load(),
    }


def read_load() -> float:
    """Return the mean number of runnable processes over the last minute."""
    return round(os.getloadavg()[0], 2)


def _read_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _read_versions() -> str:
    if not PEERS_PYTHON.exists():
        return "none"
    code = (
        "from importlib.metadata import version; "
        "print(', '.join(f'{n} {version(n)}' for n in ('flwr', 'ray', 'pfl', 'torch')))"
    )
    told = subprocess.run(
        [str(PEERS_PYTHON), "-c", code], check=True, timeout=60, capture_output=True, text=True
    )
    return told.stdout.strip()
