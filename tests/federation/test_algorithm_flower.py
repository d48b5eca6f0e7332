"""Flower's own strategies as an oracle: the same replies, the same new weights.

Where theirs differ on purpose or by accident, the test says how and goes round it:

- FedAdam corrects the bias of both moments, as if one round more had passed; the paper (Reddi et
  al., Algorithm 2) and Fedloom do not. A late round makes the correction vanish.
- FedAdagrad, FedAdam and FedYogi start the second moment at 0; the paper and Fedloom at τ². A tiny
  τ makes that vanish.
- MultiKrum weighs the chosen updates by the examples that they claim; the paper and Fedloom do not.
  Equal numbers make that vanish.
- Bulyan of `flwr.serverapp` takes the θ best by one look at the scores; the paper, Fedloom and the
  older `flwr.server.strategy.aggregate` choose one by one and score anew.
"""

from __future__ import annotations

import os
import warnings
from types import SimpleNamespace

import jax
import numpy as np
import optax
import pytest

from fedloom.federation.algorithm import build_algorithm
from fedloom.federation.reduce import Update, bulyan

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
with warnings.catch_warnings():
    # Flower's import of Typer touches a name that Click has deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
    from flwr.server.strategy.aggregate import aggregate_bulyan, aggregate_krum
    from flwr.serverapp import strategy as flower

LATE = 100_000
SHAPES = [(4, 3), (5,)]
ADAPTIVE = {"server_learning_rate": 0.05, "beta_1": 0.9, "tau": 1e-9}
FLOWER_ADAPTIVE = {"eta": 0.05, "beta_1": 0.9, "tau": 1e-9}


def make_rounds(clients, rounds, seed=0, equal=False):
    """Differences and numbers of examples of every client in every round."""
    generator = np.random.default_rng(seed)
    return [
        [
            (
                [generator.normal(size=s).astype(np.float32) for s in SHAPES],
                100 if equal else int(generator.integers(1, 500)),
            )
            for _ in range(clients)
        ]
        for _ in range(rounds)
    ]


def start_weights():
    generator = np.random.default_rng(99)
    return [generator.normal(size=s).astype(np.float32) for s in SHAPES]


def run_ours(name, rounds, **params):
    algorithm = build_algorithm(name, clients=len(rounds[0]), cohort=len(rounds[0]), params=params)
    weights = start_weights()
    server_state = algorithm.server.init(weights)
    for updates in rounds:
        state = algorithm.reducer.init(weights)
        for delta, count in updates:
            state = algorithm.reducer.add(state, Update(delta, count))
        pseudo_gradient = [-d for d in algorithm.reducer.finish(state)]
        step, server_state = algorithm.server.update(pseudo_gradient, server_state, weights)
        weights = [np.asarray(w) for w in optax.apply_updates(weights, step)]
    return weights


def make_reply(weights, count):
    arrays = ArrayRecord({str(i): Array(w) for i, w in enumerate(weights)})
    content = RecordDict({"a": arrays, "m": MetricRecord({"num-examples": count})})
    # A real Message wants a running Flower app; strategies look at no more than this.
    return SimpleNamespace(content=content, has_error=lambda: False)


def run_flower(strategy, rounds):
    weights = start_weights()
    for updates in rounds:
        if isinstance(strategy, flower.FedAvgM):
            strategy.current_arrays = ArrayRecord({str(i): Array(w) for i, w in enumerate(weights)})
        elif hasattr(strategy, "current_arrays"):
            strategy.current_arrays = {str(i): w for i, w in enumerate(weights)}
        replies = [
            make_reply([w + d for w, d in zip(weights, delta, strict=True)], count)
            for delta, count in updates
        ]
        arrays, _ = strategy.aggregate_train(LATE, replies)
        weights = [a.numpy().astype(np.float32) for a in arrays.values()]
    return weights


CASES = {
    "FedAvg": ({}, flower.FedAvg()),
    "FedAvgM": (
        {"server_learning_rate": 0.7, "server_momentum": 0.9},
        flower.FedAvgM(server_learning_rate=0.7, server_momentum=0.9),
    ),
    "FedAdagrad": ({**ADAPTIVE, "beta_1": 0.0}, flower.FedAdagrad(eta=0.05, tau=1e-9)),
    "FedAdam": (
        {**ADAPTIVE, "beta_2": 0.99},
        flower.FedAdam(beta_2=0.99, **FLOWER_ADAPTIVE),
    ),
    "FedYogi": (
        {**ADAPTIVE, "beta_2": 0.99},
        flower.FedYogi(beta_2=0.99, **FLOWER_ADAPTIVE),
    ),
    "FedMedian": ({}, flower.FedMedian()),
    "FedTrimmedAvg": ({"trim_fraction": 0.2}, flower.FedTrimmedAvg(beta=0.2)),
    "Krum": ({"num_byzantine": 2}, flower.Krum(num_malicious_nodes=2)),
    "MultiKrum": (
        {"num_byzantine": 2, "num_selected": 3},
        flower.MultiKrum(num_malicious_nodes=2, num_nodes_to_select=3),
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("clients", [9, 12])
def test_same_weights_as_flower(name, clients):
    params, strategy = CASES[name]
    rounds = make_rounds(clients, 4, seed=clients, equal=name == "MultiKrum")
    for stale in ("m_t", "v_t", "momentum_vector"):
        if hasattr(strategy, stale):
            setattr(strategy, stale, None)
    ours, theirs = run_ours(name, rounds, **params), run_flower(strategy, rounds)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("liars", [0, 1, 2])
def test_bulyan_equals_flowers_choice_one_by_one(liars):
    [updates] = make_rounds(13, 1, seed=liars)
    reducer = bulyan(liars)
    state = reducer.init(start_weights())
    for delta, count in updates:
        state = reducer.add(state, Update(delta, count))
    # Two updates that are each other's only neighbour tie: Flower then takes the first to arrive,
    # Fedloom the first by content.
    updates = sorted(updates, key=lambda update: update[0][0].tolist())
    theirs = aggregate_bulyan(updates, liars, aggregate_krum, to_keep=0)
    for a, b in zip(reducer.finish(state), theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_fedadam_of_flower_corrects_a_bias_that_the_paper_does_not():
    # The difference that LATE hides, so that the day it goes away is noticed.
    params, strategy = CASES["FedAdam"]
    rounds = make_rounds(5, 1)
    strategy.m_t = strategy.v_t = None
    start = start_weights()
    strategy.current_arrays = {str(i): w for i, w in enumerate(start)}
    replies = [
        make_reply([w + d for w, d in zip(start, delta, strict=True)], count)
        for delta, count in rounds[0]
    ]
    arrays, _ = strategy.aggregate_train(1, replies)
    theirs = [a.numpy() - w for a, w in zip(arrays.values(), start, strict=True)]
    ours = jax.tree.map(np.subtract, run_ours("FedAdam", rounds, **params), start)
    factor = (1 - 0.99**2) ** 0.5 / (1 - 0.9**2)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a * factor, b, rtol=1e-3, atol=1e-5)
