from __future__ import annotations

import jax
import numpy as np
import optax
import pytest

from fedloom.federation.server import adagrad, adam, sgd, yogi

BUILDERS = {
    "sgd": sgd(0.5),
    "momentum": sgd(0.5, 0.9),
    "adagrad": adagrad(0.1, 0.0, 0.01),
    "adam": adam(0.1, 0.9, 0.99, 0.01),
    "yogi": yogi(0.1, 0.9, 0.99, 0.01),
}


def run_server(server, differences, start=0.0):
    """Let a server step along differences of one number each; return where it stood."""
    weights = [np.float32([start])]
    state, path = server.init(weights), []
    for difference in differences:
        step, state = server.update([np.float32([-difference])], state, weights)
        weights = [np.asarray(w) for w in optax.apply_updates(weights, step)]
        path.append(float(weights[0][0]))
    return path


def test_plain_server_adds_the_difference():
    assert run_server(sgd(1.0), [2.0, -0.5], start=1.0) == [3.0, 2.5]
    assert run_server(sgd(0.5), [2.0]) == [1.0]


def test_momentum_by_hand():
    # m: 1, 0.5 + 1, 0.75 + 1
    assert run_server(sgd(1.0, 0.5), [1.0, 1.0, 1.0]) == [1.0, 2.5, 4.25]


def test_adagrad_by_hand():
    path = run_server(adagrad(0.1, 0.0, 0.01), [3.0, 4.0])
    first = 0.1 * 3 / ((0.01**2 + 9) ** 0.5 + 0.01)
    second = 0.1 * 4 / ((0.01**2 + 25) ** 0.5 + 0.01)
    np.testing.assert_allclose(path, [first, first + second], rtol=1e-6)


def test_adam_by_hand():
    path = run_server(adam(0.1, 0.9, 0.99, 0.01), [2.0, -1.0])
    m1, v1 = 0.1 * 2, 0.99 * 0.01**2 + 0.01 * 4
    m2, v2 = 0.9 * m1 - 0.1, 0.99 * v1 + 0.01
    first = 0.1 * m1 / (v1**0.5 + 0.01)
    second = 0.1 * m2 / (v2**0.5 + 0.01)
    np.testing.assert_allclose(path, [first, first + second], rtol=1e-5)


def test_yogi_by_hand():
    path = run_server(yogi(0.1, 0.9, 0.99, 0.01), [2.0, 0.1])
    m1, v1 = 0.1 * 2, 0.01**2 + 0.01 * 4  # below the square: grows
    m2, v2 = 0.9 * m1 + 0.1 * 0.1, v1 - 0.01 * 0.1**2  # above it: shrinks
    first = 0.1 * m1 / (v1**0.5 + 0.01)
    second = 0.1 * m2 / (v2**0.5 + 0.01)
    np.testing.assert_allclose(path, [first, first + second], rtol=1e-5)


@pytest.mark.parametrize("name", BUILDERS)
def test_the_step_follows_the_difference_and_compiles(name):
    server = BUILDERS[name]
    weights = [np.float32([[1, 2]]), np.float32(3)]
    pseudo = [np.float32([[-1, 1]]), np.float32(-2)]
    state = server.init(weights)
    step, after = server.update(pseudo, state, weights)
    for s, p, w in zip(step, pseudo, weights, strict=True):
        assert s.shape == w.shape
        assert s.dtype == w.dtype
        np.testing.assert_array_equal(np.sign(s), -np.sign(p))
    compiled, compiled_after = jax.jit(server.update)(pseudo, state, weights)
    for a, b in zip(
        jax.tree.leaves((step, after)), jax.tree.leaves((compiled, compiled_after)), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5)


@pytest.mark.parametrize("name", BUILDERS)
def test_state_survives_flattening(name):
    # A checkpoint stores the leaves and takes the structure from a new `init`.
    server, weights = BUILDERS[name], [np.float32([1, 2])]
    _, state = server.update([np.float32([1, -1])], server.init(weights), weights)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    again = jax.tree.unflatten(jax.tree.structure(server.init(weights)), leaves)
    one, _ = server.update([np.float32([1, 1])], state, weights)
    other, _ = server.update([np.float32([1, 1])], again, weights)
    np.testing.assert_array_equal(one, other)
