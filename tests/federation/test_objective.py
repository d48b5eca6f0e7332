from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fedloom.federation.objective import plain, proximal, scaffold
from fedloom.federation.reduce import Update, mean_by_examples

F = np.float32
WEIGHTS, GLOBAL = [F([3.0, 1.0])], [F([1.0, 2.0])]
GRADIENT = [F([0.5, -0.5])]


def test_plain_changes_nothing():
    objective = plain()
    own, shared = objective.init_client(GLOBAL), objective.init_shared(GLOBAL)
    assert (own, shared, objective.stateful) == ((), (), False)
    assert objective.correct(GRADIENT, WEIGHTS, GLOBAL, own, shared) is GRADIENT
    assert objective.finish_client(own, shared, GLOBAL, WEIGHTS, 3, 0.1) == ((), ())
    assert objective.finish_round(shared, (), 1.0) == ()


def test_proximal_by_hand():
    # g + μ (w − w_global) = (0.5 + 0.1 · 2, −0.5 − 0.1 · 1)
    [corrected] = proximal(0.1).correct(GRADIENT, WEIGHTS, GLOBAL, (), ())
    np.testing.assert_allclose(corrected, [0.7, -0.6], rtol=1e-6)
    assert corrected.dtype == np.float32


def test_proximal_is_the_gradient_of_the_paper_objective():
    weights, start = jnp.array([3.0, 1.0]), jnp.array([1.0, 2.0])

    def loss(w):
        return (w**3).sum()

    def penalised(w):
        return loss(w) + 0.3 / 2 * ((w - start) ** 2).sum()

    [corrected] = proximal(0.3).correct([jax.grad(loss)(weights)], [weights], [start], (), ())
    np.testing.assert_allclose(corrected, jax.grad(penalised)(weights), rtol=1e-6)


def test_scaffold_by_hand():
    objective = scaffold()
    own, shared = [F([0.1, 0.2])], [F([0.3, -0.1])]
    [corrected] = objective.correct(GRADIENT, WEIGHTS, GLOBAL, own, shared)
    # g − cᵢ + c
    np.testing.assert_allclose(corrected, [0.7, -0.8], rtol=1e-6)
    [new], [drift] = objective.finish_client(own, shared, GLOBAL, WEIGHTS, 4, 0.5)
    # cᵢ − c + (x − y) / (K η) with K η = 2: (0.1 − 0.3 − 1, 0.2 + 0.1 + 0.5)
    np.testing.assert_allclose(new, [-1.2, 0.8], rtol=1e-6)
    np.testing.assert_allclose(drift, [-1.3, 0.6], rtol=1e-6)
    [server] = objective.finish_round(shared, [drift], 0.25)
    np.testing.assert_allclose(server, [0.3 - 1.3 / 4, -0.1 + 0.6 / 4], rtol=1e-6)
    assert {a.dtype for a in (corrected, new, drift, server)} == {np.dtype(np.float32)}


def test_scaffold_begins_with_zeros_and_takes_a_client_without_steps():
    objective = scaffold()
    assert objective.stateful
    own, shared = objective.init_client([F([np.inf, 1])]), objective.init_shared(GLOBAL)
    np.testing.assert_array_equal(own, [[0, 0]])
    [new], [drift] = objective.finish_client(own, shared, GLOBAL, GLOBAL, 0, 0.5)
    np.testing.assert_array_equal(new, [0, 0])
    np.testing.assert_array_equal(drift, [0, 0])


def test_one_scaffold_client_variate_is_its_mean_gradient():
    # With c = cᵢ = 0 and plain SGD, option II gives the mean of the gradients along the way.
    objective, rate = scaffold(), 0.1
    weights, own, shared = GLOBAL, objective.init_client(GLOBAL), objective.init_shared(GLOBAL)
    gradients = []
    for _ in range(5):
        gradients.append(2 * weights[0])
        corrected = objective.correct([gradients[-1]], weights, GLOBAL, own, shared)
        weights = [w - F(rate) * g for w, g in zip(weights, corrected, strict=True)]
    [new], _ = objective.finish_client(own, shared, GLOBAL, weights, 5, rate)
    np.testing.assert_allclose(new, np.mean(gradients, axis=0), rtol=1e-5)


@pytest.mark.parametrize("cohorts", [[[0, 1, 2]], [[0], [1, 2], [0, 2], [1]]])
def test_shared_variate_stays_the_weighted_mean_of_all(cohorts):
    objective, fold = scaffold(), mean_by_examples()
    generator = np.random.default_rng(0)
    counts = [10, 30, 60]
    own = [objective.init_client(GLOBAL) for _ in counts]
    shared = objective.init_shared(GLOBAL)
    for cohort in cohorts:
        state = fold.init(shared)
        for client in cohort:
            moved = [w + generator.normal(size=w.shape).astype(w.dtype) for w in GLOBAL]
            own[client], drift = objective.finish_client(own[client], shared, GLOBAL, moved, 5, 0.1)
            state = fold.add(state, Update(drift, counts[client]))
        fraction = sum(counts[k] for k in cohort) / sum(counts)
        shared = objective.finish_round(shared, fold.finish(state), fraction)
    expected = np.average([variate[0] for variate in own], axis=0, weights=counts)
    np.testing.assert_allclose(shared[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("objective", [plain(), proximal(0.5), scaffold()], ids=lambda o: o.name)
def test_a_trace_gives_what_numpy_gives(objective):
    def run(gradient, weights, start, steps):
        own, shared = objective.init_client(start), objective.init_shared(start)
        shared = [s + 0.5 for s in shared]
        corrected = objective.correct(gradient, weights, start, own, shared)
        own, drift = objective.finish_client(own, shared, start, weights, steps, 0.1)
        return corrected, own, drift, objective.finish_round(shared, drift, 0.5)

    plain_result = run(GRADIENT, WEIGHTS, GLOBAL, np.int64(7))
    traced = jax.jit(run)(GRADIENT, WEIGHTS, GLOBAL, jnp.int32(7))
    # What NumPy gives must not have been widened; and the same numbers.
    assert jax.tree.structure(plain_result) == jax.tree.structure(traced)
    for a, b in zip(jax.tree.leaves(plain_result), jax.tree.leaves(traced), strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=1e-6)
