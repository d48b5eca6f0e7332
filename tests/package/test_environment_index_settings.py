from __future__ import annotations

import os
from pathlib import Path

import pytest

from fedloom.errors import PackageError
from fedloom.package.environment import index_settings
from fedloom.package.environment.index_settings import IndexSettings, read_index_settings


@pytest.fixture(autouse=True)
def _no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_settings, "_list_files", lambda environment: [])


def test_without_settings_uv_is_told_nothing() -> None:
    assert read_index_settings({"PATH": "/bin"}) == IndexSettings({})


def test_variables_of_pip_become_those_of_uv() -> None:
    settings = read_index_settings(
        {
            "PIP_INDEX_URL": "https://a.example/simple",
            "PIP_EXTRA_INDEX_URL": "https://b.example  https://c.example",
            "PIP_FIND_LINKS": "/wheels /more",
            "PIP_NO_INDEX": "1",
            "PIP_CERT": "/cert.pem",
            "PIP_DEFAULT_TIMEOUT": "180",
        }
    )
    assert settings.variables == {
        "UV_DEFAULT_INDEX": "https://a.example/simple",
        "UV_EXTRA_INDEX_URL": "https://b.example https://c.example",
        "UV_FIND_LINKS": "/wheels,/more",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "SSL_CERT_FILE": "/cert.pem",
        "UV_HTTP_TIMEOUT": "180",
    }
    assert settings.arguments == ("--no-index",)
    assert set(settings.addresses) == {
        "https://a.example/simple",
        "https://b.example",
        "https://c.example",
        "/wheels",
        "/more",
    }


def test_what_uv_is_told_already_stays() -> None:
    own = {"UV_INDEX": "https://own.example", "UV_FIND_LINKS": "/own"}
    pip = {"PIP_EXTRA_INDEX_URL": "https://b.example", "PIP_FIND_LINKS": "/wheels"}
    assert read_index_settings(own | pip).variables == {}


def test_files_of_pip_are_read_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first.conf", tmp_path / "second.conf"
    first.write_text("[global]\nfind_links = /one\nindex-url = https://one.example/%40\n")
    second.write_text("[install]\nfind-links =\n  /two\n  /three\n[download]\nproxy = http://x\n")
    files = [first, tmp_path / "gone.conf", second]
    monkeypatch.setattr(index_settings, "_list_files", lambda environment: files)
    assert read_index_settings({}).variables == {
        "UV_FIND_LINKS": "/two,/three",
        "UV_DEFAULT_INDEX": "https://one.example/%40",
    }
    assert read_index_settings({"PIP_FIND_LINKS": "/env"}).variables["UV_FIND_LINKS"] == "/env"


def test_a_broken_file_is_refused_without_showing_its_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pip.conf"
    path.write_text("index-url = https://name:password@a.example\n")
    monkeypatch.setattr(index_settings, "_list_files", lambda environment: [path])
    with pytest.raises(PackageError, match=r"pip\.conf cannot be read") as caught:
        read_index_settings({})
    assert "password" not in str(caught.value)


def test_the_files_are_those_of_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert index_settings._list_files({"PIP_CONFIG_FILE": os.devnull}) == []
    listed = index_settings._list_files({"PIP_CONFIG_FILE": "/chosen.conf"})
    assert listed[-1] == Path("/chosen.conf")
    assert {Path("/etc/pip.conf"), tmp_path / ".config" / "pip" / "pip.conf"} <= set(listed)
