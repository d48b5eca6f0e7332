from __future__ import annotations

from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedloom.data import escape_file_name, unescape_file_name

NAMES = st.text(st.characters(exclude_categories=[]))


@pytest.mark.parametrize(
    ("client", "name"),
    [
        ("client_1", "client_1"),
        ("Hospital-3.north", "Hospital-3.north"),
        ("../a/b", "%2E.%2Fa%2Fb"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        (".hidden", "%2Ehidden"),
        ("-rf", "%2Drf"),
        ("end.", "end%2E"),
        ("CON", "%43ON"),
        ("nul.txt", "%6Eul.txt"),
        ("console", "console"),
        ("", "%empty"),
        (" ", "%20"),
        ("50%", "50%25"),
        ("Zürich", "Z%C3%BCrich"),
        ("a\\b:c\0", "a%5Cb%3Ac%00"),
    ],
)
def test_known_names(client: str, name: str) -> None:
    assert escape_file_name(client) == name
    assert unescape_file_name(name) == client


@settings(deadline=None)
@given(NAMES)
def test_names_are_safe_and_reversible(client: str) -> None:
    name = escape_file_name(client)
    assert 0 < len(name) <= 150
    assert name.isascii()
    assert Path(name).name == name
    assert not PureWindowsPath(name).is_reserved() if hasattr(PureWindowsPath, "is_reserved") else 1
    assert name[0] not in ".-"
    if "%~" not in name:
        assert unescape_file_name(name) == client


@settings(deadline=None)
@given(NAMES, NAMES)
def test_different_clients_have_different_names(one: str, other: str) -> None:
    assert (escape_file_name(one) == escape_file_name(other)) == (one == other)


def test_long_names_stay_apart_and_fit() -> None:
    one, other = "x" * 1000, "x" * 1000 + "y"
    assert len(escape_file_name(one)) < 150
    assert escape_file_name(one) != escape_file_name(other)
    with pytest.raises(ValueError, match="too long"):
        unescape_file_name(escape_file_name(one))
    assert escape_file_name("x" * 150) == "x" * 150
    assert "%~" not in escape_file_name("%~")


def test_files_can_be_made(tmp_path: Path) -> None:
    clients = ["../a/b", "CON", "", " ", "x" * 5000, "ü" * 100, ".", "..", "a\0b", "\udcff"]
    for client in clients:
        (tmp_path / f"{escape_file_name(client)}.npz").write_text(ascii(client))
    assert len(list(tmp_path.iterdir())) == len(clients)
