"""Every named algorithm, with its defaults, learns real digits in the default number of rounds.

A small loop in NumPy stands for loop and fleet, so that this tests the algorithms alone.
"""

from __future__ import annotations

import numpy as np
import optax
import pytest
from sklearn.datasets import load_digits

from fedloom.federation.algorithm import Algorithm, algorithm_names, build_algorithm
from fedloom.federation.reduce import Update, mean_by_examples
from fedloom.federation.select import choose_cohort
from fedloom.randomness import derive_generator

CLIENTS, ROUNDS, EPOCHS, BATCH, RATE = 20, 5, 5, 32, 0.5


@pytest.fixture(scope="module")
def digits():
    features, labels = load_digits(return_X_y=True)
    order = derive_generator(7, "split").permutation(len(labels))
    features, labels = (features[order] / 16).astype(np.float32), labels[order]
    return (features[:1437], labels[:1437]), (features[1437:], labels[1437:])


def start_weights(hidden=64):
    generator = derive_generator(7, "weights")
    shapes = [(64, hidden), (hidden, 10)]
    layers = [generator.uniform(-1, 1, s) * (6 / sum(s)) ** 0.5 for s in shapes]
    arrays = [layers[0], np.zeros(hidden), layers[1], np.zeros(10)]
    return [a.astype(np.float32) for a in arrays]


def forward(weights, x):
    hidden = np.maximum(x @ weights[0] + weights[1], 0)
    return hidden, hidden @ weights[2] + weights[3]


def gradient_of(weights, x, y):
    hidden, logits = forward(weights, x)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    error = (shifted / shifted.sum(axis=1, keepdims=True) - np.eye(10, dtype=np.float32)[y]) / len(
        y
    )
    back = (error @ weights[2].T) * (hidden > 0)
    return [x.T @ back, back.sum(axis=0), hidden.T @ error, error.sum(axis=0)]


def train_client(algorithm, start, x, y, own, shared, generator):
    weights, steps = start, 0
    for _ in range(EPOCHS):
        order = generator.permutation(len(y))
        for rows in np.array_split(order, -(-len(y) // BATCH)):
            gradient = gradient_of(weights, x[rows], y[rows])
            gradient = algorithm.objective.correct(gradient, weights, start, own, shared)
            weights = [w - RATE * g for w, g in zip(weights, gradient, strict=True)]
            steps += 1
    own, drift = algorithm.objective.finish_client(own, shared, start, weights, steps, RATE)
    return weights, own, drift


def run_rounds(algorithm: Algorithm, parts, weights):
    objective, reducer, drifts = algorithm.objective, algorithm.reducer, mean_by_examples()
    own = {k: objective.init_client(weights) for k in range(CLIENTS)}
    shared, server_state = objective.init_shared(weights), algorithm.server.init(weights)
    total = sum(len(y) for _, y in parts)
    for number in range(1, ROUNDS + 1):
        cohort = choose_cohort(7, number, CLIENTS, CLIENTS, poisson=algorithm.poisson_sampling)
        state, drift_state = reducer.init(weights), drifts.init(weights)
        for client in cohort:
            x, y = parts[client]
            generator = derive_generator(7, "shuffle", number, client)
            new, own[client], drift = train_client(
                algorithm, weights, x, y, own[client], shared, generator
            )
            delta = [a - b for a, b in zip(new, weights, strict=True)]
            state = reducer.add(state, Update(delta, len(y)))
            if objective.stateful:
                drift_state = drifts.add(drift_state, Update(drift, len(y)))
        fraction = sum(len(parts[k][1]) for k in cohort) / total
        mean_drift = drifts.finish(drift_state) if objective.stateful else ()
        shared = objective.finish_round(shared, mean_drift, fraction)
        difference = reducer.finish(state)
        if algorithm.privacy:
            noise = derive_generator(7, "noise", number)
            difference = algorithm.privacy.add_noise(difference, noise, CLIENTS)
        step, server_state = algorithm.server.update(
            [-d for d in difference], server_state, weights
        )
        weights = [np.asarray(w) for w in optax.apply_updates(weights, step)]
    return weights


def score(name, digits):
    (features, labels), (test_features, test_labels) = digits
    rows = np.array_split(np.arange(len(labels)), CLIENTS)
    parts = [(features[r], labels[r]) for r in rows]
    algorithm = build_algorithm(name, clients=CLIENTS, cohort=CLIENTS)
    _, logits = forward(run_rounds(algorithm, parts, start_weights()), test_features)
    return float((logits.argmax(axis=1) == test_labels).mean())


@pytest.fixture(scope="module")
def fedavg_score(digits):
    return score("FedAvg", digits)


@pytest.mark.parametrize("name", algorithm_names())
def test_defaults_reach_nine_tenths_of_fedavg(name, digits, fedavg_score):
    reached = score(name, digits)
    assert fedavg_score > 0.9
    assert reached >= 0.9 * fedavg_score
