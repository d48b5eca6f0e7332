"""Documents and checkpoints of a task: kept, replaced, cut and deleted with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest

from fedloom.errors import InputError
from fedloom.platform.store import DocumentKind, Store
from fedloom.platform.store.checkpoints import _PART_BYTES
from fedloom.platform.task import NewTask, TaskStatus

from .conftest import SetClock

Maker = Callable[..., NewTask]
VALIDATION, METADATA = DocumentKind.VALIDATION, DocumentKind.METADATA


@pytest.fixture
def task_id(store: Store, new_task: Maker) -> int:
    task_id = store.add_task(new_task()).id
    store.claim_task("me", 60, lambda tasks: tasks[-1].id)
    return task_id


def found(store: Store, task_id: int, **wanted: object) -> list[tuple[object, ...]]:
    documents = store.documents(task_id, **wanted)  # type: ignore[arg-type]
    return [(d.round, d.client_id, str(d.kind), d.document) for d in documents]


def test_documents_come_back_whole_and_in_order(store: Store, task_id: int) -> None:
    given = {"loss": float("nan"), "by_class": np.array([1, 2]), "deep": [{"ï": None}]}
    assert store.add_document(task_id, 2, "b", VALIDATION, given, "me")
    assert store.add_document(task_id, 1, "b", METADATA, [1], "me")
    assert store.add_document(task_id, 1, "a", VALIDATION, None)
    plain = {"loss": None, "by_class": [1, 2], "deep": [{"ï": None}]}
    rows = [
        (1, "a", "validation", None),
        (1, "b", "metadata", [1]),
        (2, "b", "validation", plain),
    ]
    assert found(store, task_id) == rows
    assert found(store, task_id, round=1) == rows[:2]
    assert found(store, task_id, client_id="b") == rows[1:]
    assert found(store, task_id, kind=VALIDATION, round=2) == rows[2:]
    assert found(store, task_id, client_id="no\x00name") == []
    assert found(store, task_id, round=2**70) == []
    assert found(store, 2**70) == []


def test_a_second_document_takes_the_place_of_the_first(store: Store, task_id: int) -> None:
    store.add_document(task_id, 1, "a", VALIDATION, 1, "me")
    store.add_document(task_id, 1, "a", VALIDATION, 2, "me")
    assert found(store, task_id) == [(1, "a", "validation", 2)]


def test_only_who_holds_a_running_task_may_write(store: Store, task_id: int) -> None:
    assert not store.add_document(task_id, 1, "a", VALIDATION, 1, "you")
    assert not store.keep_checkpoint(task_id, 1, b"x", "you")
    assert store.finish_task(task_id, "me", TaskStatus.SUCCESS)
    assert not store.add_document(task_id, 1, "a", VALIDATION, 1)
    assert not store.keep_checkpoint(task_id, 1, b"x", "me")
    assert found(store, task_id) == []


def test_rubbish_is_refused(store: Store, task_id: int) -> None:
    with pytest.raises(InputError, match="client_id"):
        store.add_document(task_id, 1, "\ud800", VALIDATION, 1, "me")
    with pytest.raises(ValueError, match="round is 0"):
        store.add_document(task_id, 0, "a", VALIDATION, 1, "me")
    with pytest.raises(TypeError, match="JSON has nothing"):
        store.add_document(task_id, 1, "a", VALIDATION, object(), "me")
    assert found(store, task_id) == []


def test_documents_go_with_their_round_and_their_task(
    store: Store, task_id: int, clock: SetClock
) -> None:
    for number in (1, 2, 3):
        store.add_document(task_id, number, "a", VALIDATION, number, "me")
    store.keep_checkpoint(task_id, 1, b"first", "me")
    assert store.cut_rounds(task_id, 1, "me")
    assert found(store, task_id) == [(1, "a", "validation", 1)]
    store.finish_task(task_id, "me", TaskStatus.SUCCESS)
    clock.advance(10)
    store.prune(clock.now - timedelta(seconds=5))
    assert found(store, task_id) == []
    assert store.checkpoint(task_id) is None


@pytest.mark.parametrize("size", [0, 1, _PART_BYTES, _PART_BYTES + 1])
def test_a_checkpoint_replaces_the_one_before(store: Store, task_id: int, size: int) -> None:
    assert store.checkpoint(task_id) is None
    old, new = bytes(_PART_BYTES + 7), np.random.default_rng(1).bytes(size)
    assert store.keep_checkpoint(task_id, 1, old, "me")
    assert store.keep_checkpoint(task_id, 2, new, "me")
    assert store.checkpoint(task_id) == (2, new)
    store.drop_checkpoint(task_id)
    assert store.checkpoint(task_id) is None
    assert store.checkpoint(2**70) is None
