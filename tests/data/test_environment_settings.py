from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from fedloom.errors import InputError
from fedloom.settings import Settings, load_settings


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEDLOOM_CACHE_DIR")
    settings = load_settings()
    assert settings.data_dir is None
    assert settings.output_dir == Path("outputs")
    assert settings.cache_dir.name == "fedloom"
    assert settings.cache_dir.is_absolute()


def test_environment_is_read_each_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FEDLOOM_DATA_DIR", "~/sets")
    monkeypatch.setenv("FEDLOOM_OUTPUT_DIR", "elsewhere")
    assert load_settings().data_dir == tmp_path / "sets"
    assert load_settings().output_dir == Path("elsewhere")
    monkeypatch.setenv("FEDLOOM_DATA_DIR", "")
    assert load_settings().data_dir is None


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        load_settings().data_dir = Path("x")  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Settings(data_folder="x")  # type: ignore[call-arg]


def test_unknown_home_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDLOOM_DATA_DIR", "~nobody-of-that-name/sets")
    with pytest.raises(InputError, match=r"FEDLOOM_DATA_DIR is .*nobody.*home") as caught:
        load_settings()
    assert "\n" not in str(caught.value)
