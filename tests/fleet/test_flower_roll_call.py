"""Who is at a SuperLink: a roll call without a task, over real nodes."""

from __future__ import annotations

import logging
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from fedloom.errors import InputError, LinkError
from fedloom.fleet.flower import roll_call as module
from fedloom.fleet.flower.admission import Admitted, digest_key, list_nodes, sync_keys
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.fleet.flower.messages import Description
from fedloom.fleet.flower.node import Identity
from fedloom.fleet.flower.node_report import NodeReport, read_report
from fedloom.fleet.flower.registered import find_name_fault
from fedloom.fleet.flower.roll_call import RollCall
from fedloom.fleet.flower.superlink import SuperLink

from .flower_world import ToyWorld, wait_until
from .test_flower_tls import make_certificates
from .thread_nodes import Adder, serve

ABOUT = {
    "fedloom": "1.0",
    "python": "3.11",
    "isolation": "none",
    "use_cases": {"iris": {"rows": 40, "features": 4}, "wine": {"rows": 7}},
}


@pytest.fixture(scope="module")
def link(tmp_path_factory):
    with SuperLink(tmp_path_factory.mktemp("superlink")) as link:
        yield link


def look_until(roll: RollCall, condition: Any) -> dict[str, NodeReport]:
    """Look until the reports, by name, are as they should be."""
    found: dict[str, NodeReport] = {}

    def look() -> bool:
        found.clear()
        found.update({report.name: report for report in roll.look()})
        return bool(condition(found))

    wait_until(look, 60)
    return found


def test_every_node_is_reported_with_its_data_and_is_asked_once(link, tmp_path):
    clinic, lab = Adder("clinic", 40, ABOUT), Adder("lab", 7)
    with closing(RollCall(link.endpoint, link.secret)) as roll:
        assert roll.look() == []
        with serve(link, tmp_path, clinic, lab):
            found = look_until(roll, lambda f: len(f) == 2 and all(r.online for r in f.values()))
            report = found["clinic"]
            assert report.key == digest_key(Identity.keep(tmp_path / "clinic.key").public_pem)
            assert report.use_cases == ABOUT["use_cases"]
            assert report.versions == {"fedloom": "1.0", "python": "3.11"}
            assert report.attributes == {"isolation": "none"}
            assert abs((report.last_seen - datetime.now(UTC)).total_seconds()) < 30
            assert (found["lab"].use_cases, found["lab"].fault) == ({}, "")
            for _ in range(20):
                roll.look()
            assert clinic.heard == ["query.describe"]
        found = look_until(roll, lambda f: not any(r.online for r in f.values()))
        assert found["clinic"].use_cases == ABOUT["use_cases"]
        assert found["clinic"].last_seen is not None


def test_a_node_is_asked_again_when_it_started_anew_or_after_a_while(link, tmp_path, monkeypatch):
    first, second = Adder("clinic", 40, ABOUT), Adder("clinic", 40, {"use_cases": {}})
    with closing(RollCall(link.endpoint, link.secret)) as roll:
        with serve(link, tmp_path, first):
            look_until(roll, lambda f: "clinic" in f)
        with serve(link, tmp_path, second):
            look_until(roll, lambda f: f["clinic"].online and f["clinic"].use_cases == {})
            second.attributes = ABOUT
            monkeypatch.setattr(module, "_REFRESH_SECONDS", 0.0)
            monkeypatch.setattr(module, "_REFRESH_SECONDS_PER_NODE", 0.0)
            look_until(roll, lambda f: f["clinic"].use_cases != {})


def test_it_goes_on_when_the_superlink_was_away(tmp_path):
    link = SuperLink(tmp_path / "superlink").start()
    try:
        with (
            closing(RollCall(link.endpoint, link.secret)) as roll,
            serve(link, tmp_path, Adder("clinic", 40, ABOUT)),
        ):
            look_until(roll, lambda f: "clinic" in f)
            link.kill()
            with pytest.raises(LinkError, match="does not answer"):
                roll.look()
            assert [(r.name, r.online) for r in roll.known()] == [("clinic", False)]
            link.start()
            look_until(roll, lambda f: "clinic" in f and f["clinic"].online)
    finally:
        link.stop()


def test_a_node_of_another_version_is_reported_with_both_versions(link, tmp_path):
    world = ToyWorld(link, tmp_path)
    world.start("new", 3, "2")
    try:
        with closing(RollCall(link.endpoint, link.secret)) as roll:
            found = look_until(roll, lambda f: f)
            [report] = found.values()
            assert report.name.startswith("node ")
            assert report.online
            assert "(protocol 2)" in report.fault
            assert "(protocol 1)" in report.fault
    finally:
        world.kill("new")


def test_who_goes_by_a_registered_name_needs_its_key(link, tmp_path, caplog):
    owner = digest_key(Identity.keep(tmp_path / "real.key").public_pem)
    registered = {"clinic": owner}
    with (
        serve(link, tmp_path, Adder("clinic", 3), Adder("lab", 4)),
        closing(RollCall(link.endpoint, link.secret, names=lambda: registered)) as roll,
        caplog.at_level(logging.WARNING, "fedloom"),
    ):
        found = look_until(roll, lambda f: len(f) == 2)
        assert "other node's identity: 'clinic' is registered" in found["clinic"].fault
        assert found["lab"].fault == ""
        for _ in range(3):
            roll.look()
        assert caplog.text.count("other node's identity") == 1
        with closing(
            FlowerFleet(link.endpoint, link.secret, "t", {}, names=lambda: registered)
        ) as fleet:
            assert [c.client_id for c in fleet.wait_for(1, 60)] == ["lab"]
            wait_until(lambda: (fleet.online(), fleet.refusals())[1])
            assert "other node's identity" in fleet.refusals()["clinic"]
        assert caplog.text.count("other node's identity") == 2


def test_of_two_with_one_name_the_second_is_at_fault(link, tmp_path):
    (tmp_path / "other").mkdir()
    with (
        serve(link, tmp_path, Adder("clinic", 3)),
        serve(link, tmp_path / "other", Adder("clinic", 4)),
        closing(RollCall(link.endpoint, link.secret)) as roll,
    ):
        wait_until(lambda: len(roll.look()) == 2, 60)
        assert sorted(bool(r.fault) for r in roll.look()) == [False, True]


NODE = Admitted(5, "ab" * 32, "", "online", since="2026-01-01T00:00:00+00:00")
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "name", "fault"),
    [
        (Description("x\n"), "node abababab", ""),
        (Description("x" * 101), "node abababab", ""),
        (Description(3), "node abababab", ""),  # type: ignore[arg-type]
        (Description("x", attributes={"use_cases": 3}), "x", "use_cases."),
        (Description("x", attributes={"use_cases": {"iris": 3}}), "x", "use_cases.iris"),
        (Description("x", attributes=[1]), "x", "an object would be right"),  # type: ignore[arg-type]
        (Description("x", attributes={"a": "b" * 70_000}), "x", "65536 letters"),
        (Description("x", attributes={"use_cases": {"iris": {"rows": 1}}}), "x", ""),
    ],
)
def test_nonsense_that_a_node_says_is_its_fault(said, name, fault):
    report = read_report(NODE, said, "", NOW)
    assert report.name == name
    assert fault in report.fault
    assert bool(report.fault) == bool(fault)


def test_a_node_that_left_was_seen_when_it_left():
    left = Admitted(5, "ab", "", "offline", since="x", left="2026-01-01T08:00:00+02:00")
    assert read_report(left, None, "", NOW).last_seen == datetime(2026, 1, 1, 6, tzinfo=UTC)
    never = Admitted(5, "ab", "clinic", "registered")
    assert read_report(never, None, "", NOW).last_seen is None
    assert read_report(never, None, "", NOW).name == "clinic"


def test_a_name_belongs_to_the_key_it_is_registered_with():
    assert find_name_fault("a", "k1", {"a": "k1"}) == ""
    assert find_name_fault("b", "k2", {"a": "k1"}) == ""
    assert "'a' is registered with key k1…, and this node has k2…" in find_name_fault(
        "a", "k2", {"a": "k1"}
    )


def test_keys_are_told_apart_whatever_their_line_ends(tmp_path):
    pem = Identity.keep(tmp_path / "key").public_pem
    assert digest_key(pem.replace(b"\n", b"\r\n") + b"\n") == digest_key(pem)
    with pytest.raises(InputError, match="no public key in PEM"):
        digest_key(b"-----BEGIN")


def test_exactly_the_wanted_keys_are_let_in(tmp_path):
    pems = {n: Identity.keep(tmp_path / f"{n}.key").public_pem for n in ("a", "b", "c")}
    files = make_certificates(tmp_path)
    with SuperLink(tmp_path / "l", certificates=files, known_nodes_only=True) as link:
        changes = sync_keys(link.endpoint, {"a": pems["a"], "b": pems["b"]})
        assert (changes.admitted, changes.removed) == (("a", "b"), ())
        changes = sync_keys(link.endpoint, {"b": pems["b"] + b"\n", "c": pems["c"]})
        assert (changes.admitted, changes.removed) == (("c",), ("a",))
        assert sorted(node.name for node in list_nodes(link.endpoint)) == ["b", "c"]
        with pytest.raises(InputError, match="no public key"):
            sync_keys(link.endpoint, {"d": b"nonsense"})
        assert sorted(node.name for node in list_nodes(link.endpoint)) == ["b", "c"]
        again = sync_keys(link.endpoint, pems)
        assert again.admitted == ()
        assert "successor" in again.refused["a"]


def test_a_roll_call_does_not_make_nodes_look_often(link, tmp_path):
    """A node that is asked every minute and looks often after each would never rest."""
    with (
        serve(link, tmp_path, Adder("clinic", 3)) as [node],
        closing(RollCall(link.endpoint, link.secret)) as roll,
    ):
        look_until(roll, lambda f: "clinic" in f)
        node._pace._came = -float("inf")
        assert node._pace.wait_s(busy=False) > 0.7 * node._pace.tempo.idle_s
