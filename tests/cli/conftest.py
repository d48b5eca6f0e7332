from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from fedloom.cli import program


@pytest.fixture
def sample_command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., Any]], None]:
    """Make `fedloom sample` call the given function."""

    def register(function: Callable[..., Any]) -> None:
        monkeypatch.setitem(program.COMMANDS, "sample", "A command of the tests.")
        module = SimpleNamespace(sample=function)
        monkeypatch.setitem(sys.modules, "fedloom.cli.sample", module)

    return register
