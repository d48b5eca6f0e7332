"""Tokens: how they are made and kept, when they hold, and how wrong ones are counted."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from fedloom.platform.identity import (
    Attempts,
    Identity,
    LockedOutError,
    Role,
    Token,
    UnauthenticatedError,
    authenticate,
    bootstrap_admin,
    grant,
)
from fedloom.platform.identity import token as token_module
from fedloom.platform.identity.attempts import fold_address
from fedloom.platform.identity.token import hash_secret, make_secret
from fedloom.platform.store import Store

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
ADMIN = Identity("root", Role.ADMIN, 1)
HOME = "10.0.0.1"


def give(store: Store, **changes: object) -> tuple[Token, str]:
    asked: dict[str, object] = {"name": "laptop", "user_id": "ada", "role": Role.RESEARCHER}
    return grant(store, ADMIN, now=NOW, **(asked | changes))  # type: ignore[arg-type]


def test_a_secret_is_32_random_bytes_behind_a_mark() -> None:
    secrets = {make_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(re.fullmatch(r"flm_[A-Za-z0-9_-]{43}", secret) for secret in secrets)


def test_only_the_digest_is_kept(store: Store) -> None:
    token, secret = give(store)
    assert token.secret_hash == sha256(secret.encode()).hexdigest() == hash_secret(secret)
    assert token.secret_hash not in repr(token)
    with store._read() as transaction:
        for table in ("token", "event", "outbox"):
            rows = transaction.connection.execute(text(f"SELECT * FROM {table}")).all()
            assert secret[4:] not in str(rows)


def test_a_token_says_who_asks_and_when_it_was_used(store: Store) -> None:
    token, secret = give(store)
    assert token.last_used_at is None
    for seconds, used in [(0, 0), (59, 0), (61, 61)]:
        now = NOW + timedelta(seconds=seconds)
        asker = authenticate(store, Attempts(), secret, HOME, now)
        assert asker == Identity("ada", Role.RESEARCHER, token.id)
        assert store.get_token(token.id).last_used_at == NOW + timedelta(seconds=used)


def test_a_token_holds_until_it_expires(store: Store) -> None:
    end = NOW + timedelta(hours=1)
    _, secret = give(store, expires_at=end)
    just_before = end - timedelta(microseconds=1)
    assert authenticate(store, Attempts(), secret, HOME, just_before).expires_at == end
    with pytest.raises(UnauthenticatedError, match=r"token 1 .laptop. has expired"):
        authenticate(store, Attempts(), secret, HOME, end)


def test_a_revoked_token_holds_no_more(store: Store) -> None:
    token, secret = give(store)
    authenticate(store, Attempts(), secret, HOME, NOW)
    first = store.revoke_token(token.id)
    assert store.revoke_token(token.id) == first, "revoking again changes nothing"
    with pytest.raises(UnauthenticatedError, match=r"token 1 .laptop. is revoked"):
        authenticate(store, Attempts(), secret, HOME, NOW)


@pytest.mark.parametrize(
    "wrong",
    [
        "flm_" + "A" * 43,
        "x",
        "x" * 10**6,
        "\x00",
        "\ud800",
        "' OR '1'='1",
        "ünïcode",
    ],
)
def test_a_wrong_token_is_refused_without_a_hint(store: Store, wrong: str) -> None:
    give(store)
    with pytest.raises(UnauthenticatedError, match=r"^the token is not known$"):
        authenticate(store, Attempts(), wrong, HOME, NOW)


def test_a_digest_opens_nothing(store: Store) -> None:
    """Who has read the database cannot get in with what stands there."""
    token, _ = give(store)
    with pytest.raises(UnauthenticatedError):
        authenticate(store, Attempts(), token.secret_hash, HOME, NOW)


def test_what_is_found_is_compared_once_more_in_constant_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, secret = give(store)
    compared: list[tuple[str, str]] = []

    def compare(ours: str, theirs: str) -> bool:
        compared.append((ours, theirs))
        return False

    monkeypatch.setattr(token_module, "compare_digest", compare)
    with pytest.raises(UnauthenticatedError):
        authenticate(store, Attempts(), secret, HOME, NOW)
    assert compared == [(token.secret_hash, token.secret_hash)]


def test_a_store_that_finds_by_a_beginning_lets_nobody_in(store: Store) -> None:
    """The comparison catches a database that compares loosely."""
    token, _ = give(store)

    class Loose:
        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

        def find_token(self, secret_hash: str) -> Token:
            return token

    with pytest.raises(UnauthenticatedError):
        authenticate(Loose(), Attempts(), "flm_wrong", HOME, NOW)  # type: ignore[arg-type]


# Wrong tokens are counted


def try_wrong(store: Store, attempts: Attempts, seconds: float, address: str = HOME) -> None:
    with pytest.raises(UnauthenticatedError):
        authenticate(store, attempts, "flm_wrong", address, NOW + timedelta(seconds=seconds))


def test_ten_wrong_tokens_lock_an_address_for_a_while(store: Store) -> None:
    _, secret = give(store)
    told: list[str] = []
    attempts = Attempts(on_lock=told.append)
    for number in range(10):
        assert told == []
        try_wrong(store, attempts, number)
    assert told == [HOME]
    for asked in (secret, "flm_wrong", None):
        with pytest.raises(LockedOutError, match="try again in 60 s") as caught:
            authenticate(store, attempts, asked, HOME, NOW + timedelta(seconds=9))
        assert caught.value.retry_after_s == 60
    elsewhere = NOW + timedelta(seconds=9)
    assert authenticate(store, attempts, secret, "10.0.0.2", elsewhere).user_id == "ada"
    with pytest.raises(LockedOutError):
        authenticate(store, attempts, secret, HOME, NOW + timedelta(seconds=68.9))
    assert authenticate(store, attempts, secret, HOME, NOW + timedelta(seconds=69)).role == (
        Role.RESEARCHER
    )


def test_wrong_tokens_are_forgotten_after_a_while(store: Store) -> None:
    attempts = Attempts()
    for number in range(30):
        try_wrong(store, attempts, number * 7)  # ten of them take 63 seconds
    for number in range(9):
        try_wrong(store, attempts, 1000 + number)
    with pytest.raises(UnauthenticatedError, match="not known"):
        authenticate(store, attempts, "flm_wrong", HOME, NOW + timedelta(seconds=1009))
    with pytest.raises(LockedOutError):
        authenticate(store, attempts, "flm_wrong", HOME, NOW + timedelta(seconds=1010))


def test_a_right_token_in_between_does_not_help_a_guesser(store: Store) -> None:
    _, secret = give(store)
    attempts = Attempts()
    for number in range(10):
        try_wrong(store, attempts, number)
        if number < 9:
            authenticate(store, attempts, secret, HOME, NOW + timedelta(seconds=number))
    with pytest.raises(LockedOutError):
        authenticate(store, attempts, secret, HOME, NOW + timedelta(seconds=10))


def test_expired_and_revoked_tokens_count_and_none_does_not(store: Store) -> None:
    token, secret = give(store)
    store.revoke_token(token.id)
    attempts = Attempts(limit=2)
    for _ in range(5):
        with pytest.raises(UnauthenticatedError, match="a token is needed"):
            authenticate(store, attempts, None, HOME, NOW)
    for _ in range(2):
        with pytest.raises(UnauthenticatedError, match="revoked"):
            authenticate(store, attempts, secret, HOME, NOW)
    with pytest.raises(LockedOutError):
        authenticate(store, attempts, secret, HOME, NOW)


def test_a_flood_of_addresses_takes_no_memory_and_frees_nobody() -> None:
    attempts = Attempts(limit=2, max_addresses=50)
    for _ in range(2):
        attempts.note_failure("10.9.9.9", NOW)
    for number in range(1000):
        attempts.note_failure(f"10.0.{number // 256}.{number % 256}", NOW)
    assert len(attempts._failures) <= 50
    with pytest.raises(LockedOutError):
        attempts.check("10.9.9.9", NOW)
    for number in range(1000):
        for _ in range(2):
            attempts.note_failure(f"10.0.{number // 256}.{number % 256}", NOW)
    assert len(attempts._locked) <= 50


def test_threads_that_guess_together_are_counted_together() -> None:
    attempts = Attempts(limit=100)
    threads = [
        threading.Thread(target=lambda: [attempts.note_failure(HOME, NOW) for _ in range(25)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(LockedOutError):
        attempts.check(HOME, NOW)


@pytest.mark.parametrize(
    ("address", "folded"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:0:1::5", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:ffff::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_addresses_of_one_holder_count_as_one(address: str, folded: str) -> None:
    assert fold_address(address) == folded


@given(st.text())
def test_any_address_is_taken(address: str) -> None:
    assert len(fold_address(address)) <= 64


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=40).map(sorted),
    st.integers(1, 5),
    st.sampled_from([5.0, 30.0]),
)
def test_an_address_is_locked_exactly_when_the_window_is_full(
    times: list[float], limit: int, window_s: float
) -> None:
    """Against a count that is made anew from the whole past each time."""
    attempts = Attempts(limit=limit, window_s=window_s, lock_s=10)
    counted: list[datetime] = []
    locked_until = NOW - timedelta(days=1)
    for seconds in times:
        now = NOW + timedelta(seconds=seconds)
        if now < locked_until:
            with pytest.raises(LockedOutError):
                attempts.check(HOME, now)
            continue
        attempts.check(HOME, now)
        attempts.note_failure(HOME, now)
        counted.append(now)
        recent = [then for then in counted if now - then <= timedelta(seconds=window_s)]
        if len(recent) >= limit:
            counted.clear()
            locked_until = now + timedelta(seconds=10)


def test_the_admins_secret_is_no_event(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    secret = bootstrap_admin(store)
    assert secret is not None
    assert [dict(event.data) for event in store.events()] == [{"id": 1, "change": "made"}]
    assert secret not in caplog.text
