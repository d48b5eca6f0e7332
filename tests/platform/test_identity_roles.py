"""Who may do what, and that nobody gives more than they have."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product

import pytest

from fedloom.errors import AccessError, ConflictError, InputError, NotFoundError
from fedloom.platform.identity import (
    PERMISSIONS,
    Attempts,
    ForbiddenError,
    Identity,
    Permission,
    Role,
    UnauthenticatedError,
    authenticate,
    bootstrap_admin,
    grant,
    may_cancel,
    require,
    revoke,
    visible_tokens,
)
from fedloom.platform.store import Store, open_store

Start = Callable[..., "subprocess.Popen[str]"]
NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
"""What the clock of the tests' stores says at first."""

TABLE = """
                    viewer researcher operator admin
    view              x        x         x       x
    create_task                x         x       x
    cancel_own_task            x         x       x
    push_model                 x         x       x
    grant_own_token            x         x       x
    cancel_any_task                      x       x
    delete_task                          x       x
    manage_nodes                         x       x
    manage_models                        x       x
    delete_all_tasks                             x
    manage_tokens                                x
"""


def identity(role: Role, user_id: str = "ada", expires_at: datetime | None = None) -> Identity:
    return Identity(user_id, role, 1, expires_at)


def test_the_table_of_permissions_is_this_one() -> None:
    lines = TABLE.strip("\n").splitlines()
    starts = [lines[0].index(role) for role in Role]
    ends = [*starts[1:], 200]
    written = {
        (role, Permission(line.split()[0]))
        for line in lines[1:]
        for role, start, end in zip(Role, starts, ends, strict=True)
        if "x" in line[start:end]
    }
    assert written == {(role, item) for role in Role for item in PERMISSIONS[role]}
    assert {item for _, item in written} == set(Permission)


def test_a_higher_role_may_all_that_a_lower_one_may() -> None:
    assert all(PERMISSIONS[low] < PERMISSIONS[high] for low, high in pairwise(Role))


def test_a_refusal_names_what_would_be_right() -> None:
    require(identity(Role.OPERATOR), Permission.DELETE_TASK)
    with pytest.raises(
        ForbiddenError,
        match="ada is a researcher and may not delete tasks: that takes the role operator",
    ):
        require(identity(Role.RESEARCHER), Permission.DELETE_TASK)


def test_one_cancels_ones_own_tasks_and_operators_everybodys() -> None:
    asked = [(role, may_cancel(identity(role), "ada"), may_cancel(identity(role), "bob"))
             for role in Role]  # fmt: skip
    assert asked == [
        (Role.VIEWER, False, False),
        (Role.RESEARCHER, True, False),
        (Role.OPERATOR, True, True),
        (Role.ADMIN, True, True),
    ]


@pytest.mark.parametrize(("giver", "given", "own"), list(product(Role, Role, [True, False])))
def test_nobody_grants_more_than_they_have(
    sqlite_url: str, giver: Role, given: Role, own: bool
) -> None:
    allowed = giver.rank >= given.rank and (
        giver is Role.ADMIN or (own and giver is not Role.VIEWER)
    )
    with open_store(sqlite_url) as store:
        user_id = "ada" if own else "bob"
        if not allowed:
            with pytest.raises(ForbiddenError):
                grant(store, identity(giver), name="x", user_id=user_id, role=given, now=NOW)
            assert store.tokens() == []
            return
        token, secret = grant(
            store, identity(giver), name="x", user_id=user_id, role=given, now=NOW
        )
        asker = authenticate(store, Attempts(), secret, "10.0.0.1", NOW)
        assert (asker.user_id, asker.role, asker.token_id) == (user_id, given, token.id)
        assert token.created_by == "ada"


def test_nobody_grants_for_longer_than_they_have(store: Store) -> None:
    end = NOW + timedelta(hours=1)
    giver = identity(Role.ADMIN, expires_at=end)
    for expires_at in (None, end + timedelta(seconds=1)):
        with pytest.raises(ForbiddenError, match="the new one must"):
            grant(
                store,
                giver,
                name="x",
                user_id="ada",
                role=Role.VIEWER,
                now=NOW,
                expires_at=expires_at,
            )
    token, _ = grant(
        store, giver, name="x", user_id="ada", role=Role.VIEWER, now=NOW, expires_at=end
    )
    assert token.expires_at == end


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "name is ''"),
        ({"user_id": "a\nb"}, "user_id is 'a.nb'"),
        ({"expires_at": NOW}, "expires_at is .* has passed"),
    ],
)
def test_a_grant_that_cannot_be_meant_is_refused(
    store: Store, change: dict[str, object], message: str
) -> None:
    asked: dict[str, object] = {"name": "x", "user_id": "bob", "role": Role.VIEWER, "now": NOW}
    with pytest.raises(InputError, match=message):
        grant(store, identity(Role.ADMIN), **(asked | change))  # type: ignore[arg-type]
    assert store.tokens() == []


def test_tokens_are_seen_and_revoked_by_those_who_may(store: Store) -> None:
    admin, ada, bob = (
        identity(Role.ADMIN, "root"),
        identity(Role.RESEARCHER, "ada"),
        identity(Role.RESEARCHER, "bob"),
    )
    of_ada, secret = grant(store, ada, name="x", user_id="ada", role=Role.VIEWER, now=NOW)
    of_root, _ = grant(store, admin, name="y", user_id="root", role=Role.ADMIN, now=NOW)
    assert [token.id for token in visible_tokens(store, admin)] == [of_ada.id, of_root.id]
    assert [token.id for token in visible_tokens(store, ada)] == [of_ada.id]
    assert visible_tokens(store, bob) == []
    with pytest.raises(ForbiddenError):
        visible_tokens(store, identity(Role.VIEWER))
    with pytest.raises(ForbiddenError):
        revoke(store, bob, of_ada.id)
    with pytest.raises(ForbiddenError, match="above researcher"):
        revoke(store, identity(Role.RESEARCHER, "root"), of_root.id)
    with pytest.raises(NotFoundError, match="no token 99"):
        revoke(store, admin, 99)
    assert revoke(store, ada, of_ada.id).revoked_at is not None
    with pytest.raises(UnauthenticatedError, match="revoked"):
        authenticate(store, Attempts(), secret, "10.0.0.1", NOW)


# The first admin


def test_the_first_admin_is_made_once(store: Store) -> None:
    secret = bootstrap_admin(store)
    assert secret is not None
    asker = authenticate(store, Attempts(), secret, "10.0.0.1", NOW)
    assert (asker.user_id, asker.role, asker.expires_at) == ("admin", Role.ADMIN, None)
    assert bootstrap_admin(store) is None
    store.revoke_token(asker.token_id)
    assert bootstrap_admin(store) is not None, "an owner is never locked out"


def test_the_last_admins_token_stays(store: Store) -> None:
    secret = bootstrap_admin(store)
    assert secret is not None
    admin = authenticate(store, Attempts(), secret, "10.0.0.1", NOW)
    later = NOW + timedelta(days=1)
    grant(store, admin, name="x", user_id="eve", role=Role.ADMIN, now=NOW, expires_at=later)
    with pytest.raises(ConflictError, match=f"token {admin.token_id} is the last admin's"):
        revoke(store, admin, admin.token_id)
    other, _ = grant(store, admin, name="y", user_id="eve", role=Role.ADMIN, now=NOW)
    assert revoke(store, admin, admin.token_id).revoked_at is not None
    with pytest.raises(ConflictError, match="last admin"):
        revoke(store, admin, other.id)
    assert revoke(store, admin, 2).revoked_at is not None, "one that ends by itself may go"


def test_an_owner_may_bring_the_first_admins_token(store: Store) -> None:
    brought = "a-secret-of-the-owner-0123456789abcdef"
    bootstrap_admin(store)
    assert bootstrap_admin(store, secret=brought) == brought
    assert bootstrap_admin(store, secret=brought) is None
    assert authenticate(store, Attempts(), brought, "10.0.0.1", NOW).role is Role.ADMIN
    with pytest.raises(InputError, match="has 5 characters; it takes 32") as caught:
        bootstrap_admin(store, secret="short")
    assert "short" not in str(caught.value)
    store.revoke_token(2)
    with pytest.raises(InputError, match="token 2, which is revoked"):
        bootstrap_admin(store, secret=brought)


def test_a_researchers_token_does_not_become_an_admins(store: Store) -> None:
    _, secret = grant(
        store, identity(Role.RESEARCHER), name="x", user_id="ada", role=Role.RESEARCHER, now=NOW
    )
    with pytest.raises(InputError, match="of role researcher"):
        bootstrap_admin(store, secret=secret)


BOOTSTRAP = """
import sys
from fedloom.platform.identity import bootstrap_admin
from fedloom.platform.store import open_store
with open_store(sys.argv[1]) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    print(bootstrap_admin(store, secret=sys.argv[2] or None) is not None)
"""


@pytest.mark.parametrize("brought", ["", "a-secret-of-the-owner-0123456789abcdef"])
def test_two_processes_that_start_together_make_one_admin(
    store_url: str, start_python: Start, brought: str
) -> None:
    processes = [start_python(BOOTSTRAP, store_url, brought) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=60) for process in processes]
    assert [errors for _, errors in ends] == ["", ""]
    with open_store(store_url) as store:
        assert len(store.tokens()) == 1


def test_a_secret_is_one_tokens_alone(store: Store) -> None:
    store.add_token(name="a", user_id="u", role=Role.VIEWER, secret_hash="0" * 64)
    with pytest.raises(ConflictError, match="this secret"):
        store.add_token(name="b", user_id="u", role=Role.ADMIN, secret_hash="0" * 64)
    assert len(store.tokens()) == 1


def test_refusals_are_of_one_family() -> None:
    assert issubclass(ForbiddenError, AccessError)
    assert issubclass(UnauthenticatedError, AccessError)
