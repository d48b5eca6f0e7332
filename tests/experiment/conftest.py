"""What the tests of plans and runs share: a folder of their own, no settings of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="session")
def _compiled_once(compiled_once: None) -> None: ...


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("FEDLOOM_DATA_DIR", "FEDLOOM_OUTPUT_DIR", "FEDLOOM_CACHE_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
