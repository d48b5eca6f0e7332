"""The Flower fleet: clients on other machines, reached through a Flower SuperLink.

Everything that touches Flower lives here. A warm node (`node`) holds data and compiled models and
speaks Flower's Fleet API itself; `FlowerFleet` claims a Flower run and trains over it.
"""

from __future__ import annotations

import os

# Before anything of Flower is imported: it reads both once, and would call home.
os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
os.environ["FLWR_DISABLE_UPDATE_CHECK"] = "1"

__all__: list[str] = []
