"""What the tests of the data share: no settings of this machine, and a mirror on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .loopback import Mirror, serve


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("FEDLOOM_DATA_DIR", "FEDLOOM_OUTPUT_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("FEDLOOM_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with serve() as mirror:
        yield mirror
