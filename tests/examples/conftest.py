from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _no_data_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep away what the one who runs the tests may have set for packages."""
    for name in list(os.environ):
        if name.startswith(("FEDLOOM_", "FEDN_", "SCALEOUT_")):
            monkeypatch.delenv(name)
