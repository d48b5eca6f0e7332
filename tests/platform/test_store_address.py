"""Addresses of databases: which are taken, and what is shown of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedloom.errors import InputError
from fedloom.platform.store.address import read_address


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///x.db", "sqlite:///x.db"),
        ("sqlite:////tmp/x.db", "sqlite:////tmp/x.db"),
        ("postgresql://h/d", "postgresql://h/d"),
        ("postgres://u:geheim@h:5433/d", "postgresql://u:***@h:5433/d"),
        ("postgresql+psycopg2://u:geheim@h/d", "postgresql://u:***@h/d"),
        ("postgresql://h/d?password=geheim&sslmode=require", None),
        ("postgresql://h/d?sslpassword=geheim", None),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str | None) -> None:
    address = read_address(url)
    assert "geheim" not in address.shown + repr(address)
    assert shown is None or address.shown == shown
    if "geheim" in url:
        assert address.hide("FATAL: geheim is no password") == "FATAL: *** is no password"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "no address of a database"),
        ("geheim", "no address of a database"),
        ("postgresql://u:geheim@h:port/d", "no address of a database"),
        ("mysql://u:geheim@h/d", "kind 'mysql' cannot hold the store"),
        ("sqlite://", "in memory is lost"),
        ("sqlite:///:memory:", "in memory is lost"),
        ("sqlite:///file:x?mode=memory&uri=true", "in memory is lost"),
        ("sqlite://x.db", "three strokes"),
    ],
)
def test_what_cannot_hold_a_store_is_refused(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_address(url)
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None, "the library's own message may show the address"


@given(st.text(alphabet="abc%:@/?#&=. ", min_size=1, max_size=30))
def test_no_password_is_ever_shown(tail: str) -> None:
    try:
        address = read_address(f"postgresql://user:QQQQ{tail}")
    except InputError as error:
        shown = str(error)
    else:
        shown = address.shown if address.url.password else ""
    assert "QQQQ" not in shown
