"""What of a package's words leaves a node."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fedloom.federation.fleet import Failure
from fedloom.fleet.flower.messages import Evaluated, Failed, Trained
from fedloom.package.contract import list_scalars
from fedloom.platform.client.answers import redact_answer
from fedloom.platform.client.policy import Kind
from fedloom.platform.client.redaction import Redaction, hide_paths


def test_nothing_is_kept_back_by_default() -> None:
    document = {"loss": 0.123456, "per_class": {"a": 1, "b": [1, 2]}, "note": "x", "none": None}
    assert Redaction().apply(document) == document


def test_dropped_kept_and_rounded() -> None:
    document = {
        "loss": 0.123456,
        "secret": 1,
        "per_class": {"a": 0.55555, "b": {"deep": 1.0}},
        "rows": [0.123456, 1],
        "note": "patient 7",
    }
    rules = Redaction(drop=("secret", "per_class.b*"), rounded={"loss": 3, "*": 1})
    assert rules.apply(document) == {
        "loss": 0.123,
        "per_class": {"a": 0.6},
        "rows": [0.1, 1],
        "note": "patient 7",
    }
    assert Redaction(keep=("loss", "per_class.*"), numbers_only=True).apply(document) == {
        "loss": 0.123456,
        "per_class": {"a": 0.55555, "b": {"deep": 1.0}},
    }
    assert Redaction(drop=("*",)).apply(document) == {}
    assert document["loss"] == 0.123456


def test_numbers_without_a_name() -> None:
    rules = Redaction(rounded={"value": 1}, drop=("loss",))
    assert rules.apply(0.26) == 0.3
    assert math.isnan(rules.apply(math.nan))
    assert rules.scalar("loss", 1.0) is None
    assert rules.scalar("other", None) is None
    assert rules.scalar("value", 0.26) == 0.3
    with pytest.raises(ValidationError):
        Redaction(rounded={"x": -1})


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["a", "b", "secret"]), inner, max_size=3)
        ),
        max_leaves=12,
    )
)
def test_what_is_dropped_never_leaves(document: Any) -> None:
    left = Redaction(drop=("secret", "*.secret", "secret.*", "*.secret.*")).apply(document)
    assert "secret" not in json.dumps(left) or "secret" not in json.dumps(document)
    assert '"secret"' not in json.dumps(left)


def test_a_document_that_is_nested_too_deep_is_cut() -> None:
    document: Any = {"x": 1}
    for _ in range(500):
        document = {"a": document}
    assert len(json.dumps(Redaction().apply(document))) < 1000


def test_what_commands_print_may_stay() -> None:
    failed = Failed("error", "train ended with exit code 1: patient 7", ("patient 6", "patient 7"))
    assert redact_answer(failed, Redaction(), Kind.PACKAGE, []) == Failed(
        "error", failed.reason, ["patient 6", "patient 7"]
    )
    kept = redact_answer(failed, Redaction(share_output=False), Kind.PACKAGE, [])
    assert isinstance(kept, Failed)
    assert "patient" not in kept.reason
    assert kept.reason.startswith("train ended with exit code 1 (")
    assert kept.tail == []


def test_a_loss_does_not_slip_out_under_another_name() -> None:
    answer = Trained([], 3, metrics={"loss": 0.5, "x": 1}, train_loss=0.5)
    left = redact_answer(answer, Redaction(drop=("loss",)), Kind.PACKAGE, [])
    assert isinstance(left, Trained)
    assert (left.train_loss, left.metrics) == (None, {"x": 1})
    left = redact_answer(answer, Redaction(rounded={"*": 0}), Kind.PACKAGE, [])
    assert isinstance(left, Trained)
    assert left.train_loss == 0.0
    ours = Trained([], 3, train_loss=0.25, local_loss=0.125, local_score=0.5)
    left = redact_answer(ours, Redaction(drop=("local_*",)), Kind.MODEL, [])
    assert isinstance(left, Trained)
    assert (left.train_loss, left.local_loss, left.local_score) == (0.25, None, None)


def test_scalars_follow_their_document() -> None:
    document = {"accuracy": 0.987, "per_class": {"a": 1.0}}
    answer = Evaluated(3, dict(list_scalars(document)), document)
    rules = Redaction(drop=("per_class*",), rounded={"accuracy": 1})
    left = redact_answer(answer, rules, Kind.PACKAGE, [])
    assert left == Evaluated(3, {"accuracy": 1.0}, {"accuracy": 1.0})
    ours = Evaluated(3, {"loss": 1.0, "score": 0.5})
    assert redact_answer(ours, Redaction(drop=("loss",)), Kind.MODEL, []) == Evaluated(
        3, {"score": 0.5}
    )


def test_places_on_the_machine_are_hidden() -> None:
    roots = [Path("/srv/data"), Path("/srv/data/iris.csv"), Path("/home/ann"), Path("/")]
    text = "cannot read /srv/data/iris.csv: /home/ann/x, /srv"
    assert hide_paths(text, roots) == "cannot read <node>: <node>/x, /srv"
    failed = Failed(Failure.ERROR, "/home/ann/x", ["File /home/ann/train.py"])
    assert redact_answer(failed, Redaction(), Kind.PACKAGE, roots) == Failed(
        Failure.ERROR, "<node>/x", ["File <node>/train.py"]
    )
