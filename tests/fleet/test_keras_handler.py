"""A node that trains Keras models: which backends it takes part with."""

from __future__ import annotations

import sys
from threading import Event

import numpy as np
import pytest

from fedloom.data.dataset import Dataset, Task
from fedloom.federation.algorithm import build_algorithm
from fedloom.fleet.flower.handlers import KerasHandler, keras_settings
from fedloom.fleet.flower.messages import Describe, Description
from fedloom.learning import LocalTraining
from fedloom.learning import backend as backends


def ask(backend: str) -> Description:
    rows, labels = np.zeros((4, 2), np.float32), np.zeros(4, np.int32)
    dataset = Dataset("d", Task.CLASSIFICATION, rows, labels, rows, labels, ("a", "b"))
    training = LocalTraining("mlp", (4,), 1, 1, 2, "sgd", 0.1, backend)
    algorithm = build_algorithm("FedAvg", clients=1, cohort=1)
    handler = KerasHandler("n", {"u": dataset})
    said = handler.handle(Describe("t", keras_settings(training, algorithm, "u")), Event())
    assert isinstance(said, Description)
    return said


def test_the_backend_of_the_process_is_taken():
    assert ask("jax").takes_part


@pytest.mark.parametrize("backend", ["torch", "tensorflow"])
def test_a_process_that_computes_with_another_backend_says_so(backend):
    said = ask(backend)
    assert not said.takes_part
    assert "Keras is in use with 'jax' in this process" in said.reason


def test_a_node_without_the_framework_names_the_extra(monkeypatch):
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    said = ask("torch")
    assert not said.takes_part
    assert "pip install 'fedloom[torch]'" in said.reason


def test_a_backend_that_nobody_knows_is_refused():
    said = ask("caffe")
    assert not said.takes_part
    assert "unknown backend 'caffe'" in said.reason
