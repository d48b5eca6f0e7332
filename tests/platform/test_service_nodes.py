"""Nodes: whose key stands for which name, who is there, who holds data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fedloom.errors import ConflictError, InputError, NotFoundError
from fedloom.fleet.flower.admission import digest_key
from fedloom.platform.identity import ForbiddenError, Identity, Role
from fedloom.platform.service import Service

EVE = Identity("eve", Role.VIEWER, 3)
ADA = Identity("ada", Role.RESEARCHER, 1)
OPERATOR = Identity("ops", Role.OPERATOR, 4)


def make_pem(curve: ec.EllipticCurve | None = None) -> str:
    key = ec.generate_private_key(curve or ec.SECP384R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_a_registered_name_has_the_key_that_superlinks_know_it_by(service: Service) -> None:
    pem = make_pem()
    node = service.register_node(OPERATOR, "ward-7", pem.replace("\n", "\r\n") + "\n\n")
    assert node.key == digest_key(pem.encode())
    assert (node.registered, node.online) == (True, False)
    assert service.store.get_node("ward-7").public_key == pem
    assert service.node(EVE, "ward-7") == node


def test_a_name_keeps_its_key_unless_it_is_replaced_by_name(service: Service) -> None:
    service.register_node(OPERATOR, "ward-7", make_pem())
    other = make_pem()
    with pytest.raises(ConflictError, match="another key"):
        service.register_node(OPERATOR, "ward-7", other)
    assert service.register_node(OPERATOR, "ward-7", other, replace=True).registered


def test_a_node_that_reported_before_keeps_what_is_known_of_it(service: Service) -> None:
    pem = make_pem()
    service.store.upsert_node(
        "ward-7", public_key=digest_key(pem.encode()), use_cases=["iris"], versions={"fedloom": "1"}
    )
    node = service.register_node(OPERATOR, "ward-7", pem)
    assert (node.registered, node.use_cases) == (True, ("iris",))
    assert node.versions == {"fedloom": "1"}
    stranger = make_pem()
    service.store.upsert_node("ward-8", public_key=digest_key(stranger.encode()))
    with pytest.raises(ConflictError):
        service.register_node(OPERATOR, "ward-8", pem)


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "rubbish",
        make_pem(ec.SECP256R1()),
        ed25519.Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        .decode(),
    ],
    ids=["empty", "rubbish", "other curve", "other kind"],
)
def test_what_is_no_key_of_a_node_is_refused(service: Service, pem: str) -> None:
    with pytest.raises(InputError, match="public_key"):
        service.register_node(OPERATOR, "ward-7", pem)
    assert service.nodes(EVE) == []


def test_a_name_that_cannot_be_seen_is_refused(service: Service) -> None:
    with pytest.raises(InputError, match="name"):
        service.register_node(OPERATOR, "a\nb", make_pem())


def test_only_operators_register_and_remove(service: Service) -> None:
    with pytest.raises(ForbiddenError):
        service.register_node(ADA, "ward-7", make_pem())
    service.register_node(OPERATOR, "ward-7", make_pem())
    with pytest.raises(ForbiddenError):
        service.remove_node(ADA, "ward-7")
    service.remove_node(OPERATOR, "ward-7")
    with pytest.raises(NotFoundError):
        service.node(EVE, "ward-7")


def test_who_was_not_seen_for_long_or_is_said_to_be_away_is_not_online(service: Service) -> None:
    long_ago = datetime.now(UTC) - timedelta(minutes=10)
    service.store.upsert_node("old", public_key="a", last_seen=long_ago)
    service.store.upsert_node("away", public_key="b", attributes={"online": False})
    service.store.upsert_node("there", public_key="c", attributes={"online": True})
    assert {node.name: node.online for node in service.nodes(EVE)} == {
        "old": False,
        "away": False,
        "there": True,
    }


def test_data_sets_are_listed_by_use_case_with_their_holders(service: Service) -> None:
    held = {"use_cases": {"iris": {"rows": 50}, "wine": {"rows": "many"}}}
    service.store.upsert_node("a", public_key="1", use_cases=["iris", "wine"], attributes=held)
    service.store.upsert_node("b", public_key="2", use_cases=["iris"])
    found = service.datasets(EVE)
    assert list(found) == ["iris", "wine"]
    assert [(h.node, h.rows, h.online) for h in found["iris"]] == [
        ("a", 50, True),
        ("b", None, True),
    ]
    assert [(h.node, h.rows) for h in found["wine"]] == [("a", None)]


@pytest.mark.parametrize("name", ["a/b", "..", "a\nb"])
def test_a_name_that_no_address_could_hold_is_not_registered(service: Service, name: str) -> None:
    with pytest.raises(InputError, match="name is"):
        service.register_node(OPERATOR, name, make_pem())
    assert service.nodes(EVE) == []
