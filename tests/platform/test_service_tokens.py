"""Signing in: quick for who is known, and at once closed to who is not any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fedloom.platform.identity import (
    ForbiddenError,
    Identity,
    LockedOutError,
    Role,
    UnauthenticatedError,
)
from fedloom.platform.service import Service
from fedloom.platform.store import open_store

from .api_world import ROOT

HERE = "10.0.0.1"


def test_a_token_says_who_brings_it(service: Service) -> None:
    token, secret = service.grant_token(ROOT, "laptop", "ada", Role.RESEARCHER)
    who = service.sign_in(secret, HERE)
    assert who == Identity("ada", Role.RESEARCHER, token.id)
    assert [t.name for t in service.tokens(who)] == ["laptop"]


def test_a_burst_asks_the_database_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    _, secret = service.grant_token(ROOT, "laptop", "ada", Role.RESEARCHER)
    service.sign_in(secret, HERE)
    asked: list[str] = []
    real = service.store.find_token
    monkeypatch.setattr(service.store, "find_token", lambda h: (asked.append(h), real(h))[1])
    for _ in range(5):
        service.sign_in(secret, HERE)
    assert len(asked) == 1


def test_a_revoked_token_opens_nothing_from_that_moment(service: Service) -> None:
    token, secret = service.grant_token(ROOT, "laptop", "ada", Role.RESEARCHER)
    service.sign_in(secret, HERE)
    service.revoke_token(ROOT, token.id)
    with pytest.raises(UnauthenticatedError, match="revoked"):
        service.sign_in(secret, HERE)


def test_a_token_that_another_process_revoked_opens_nothing_a_second_later(
    service: Service, sqlite_url: str
) -> None:
    token, secret = service.grant_token(ROOT, "laptop", "ada", Role.RESEARCHER)
    clock = [0.0]
    service._tokens._clock = lambda: clock[0]
    service.sign_in(secret, HERE)
    service.sign_in(secret, HERE)
    with open_store(sqlite_url) as other:
        other.revoke_token(token.id)
    clock[0] = 1.1
    with pytest.raises(UnauthenticatedError):
        service.sign_in(secret, HERE)


def test_an_expired_token_is_refused_though_it_was_just_found(service: Service) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=0.5)
    _, secret = service.grant_token(ROOT, "laptop", expires_at=soon)
    service.sign_in(secret, HERE)
    service._tokens._clock = lambda: 0.0  # what was found stays found
    while datetime.now(UTC) < soon:
        pass
    with pytest.raises(UnauthenticatedError, match="expired"):
        service.sign_in(secret, HERE)


def test_wrong_tokens_lock_their_address_and_no_other(service: Service) -> None:
    _, secret = service.grant_token(ROOT, "laptop")
    for _ in range(service.attempts.limit):
        with pytest.raises(UnauthenticatedError):
            service.sign_in("flm_wrong", HERE)
    with pytest.raises(LockedOutError):
        service.sign_in(secret, HERE)
    assert service.sign_in(secret, "10.0.0.2").user_id == "root"


def test_nobody_gives_more_than_they_have(service: Service) -> None:
    ada = Identity("ada", Role.RESEARCHER, 1)
    with pytest.raises(ForbiddenError):
        service.grant_token(ada, "x", role=Role.OPERATOR)
    with pytest.raises(ForbiddenError):
        service.grant_token(ada, "x", user_id="bob")
    with pytest.raises(ForbiddenError):
        service.grant_token(Identity("eve", Role.VIEWER, 2), "x")
    assert service.grant_token(ada, "x", role=Role.RESEARCHER)[0].user_id == "ada"
