"""Steps and scores of a trainer against NumPy by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from fedloom.data.dataset import Dataset, Task
from fedloom.federation.fleet import LocalEvaluation
from fedloom.federation.objective import proximal
from fedloom.learning.scored_rows import SAMPLE_ROWS, arrange_test_rows, count_scored_rows
from fedloom.learning.trainer import EVALUATION_BATCH, EvaluationSums, noise_key

from .small_trainers import CLASSES, ROWS, VALUES, make_trainer, take_steps

KERNEL = np.array([[0.1, -0.2, 0.3], [0.4, 0.0, -0.1]], np.float32)
BIAS = np.array([0.05, -0.05, 0.0], np.float32)
RATE = 0.1


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def logistic_gradient(kernel, bias, count):
    rows, wanted = ROWS[:count], np.eye(3)[CLASSES[:count]]
    error = (softmax(rows @ kernel + bias) - wanted) / count
    return rows.T @ error, error.sum(axis=0)


def logistic_loss(kernel, bias, count):
    chosen = softmax(ROWS[:count] @ kernel + bias)[np.arange(count), CLASSES[:count]]
    return -np.log(chosen).mean()


@pytest.mark.parametrize("count", [4, 3, 1])
def test_one_step_of_logistic_regression_on_a_partly_filled_batch(count):
    trainer = make_trainer([keras.layers.Dense(3)])
    (kernel, bias), losses = take_steps(trainer, [KERNEL, BIAS], count=count)
    by_kernel, by_bias = logistic_gradient(KERNEL, BIAS, count)
    np.testing.assert_allclose(kernel, KERNEL - RATE * by_kernel, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(bias, BIAS - RATE * by_bias, rtol=1e-5, atol=1e-6)
    assert losses == pytest.approx([logistic_loss(KERNEL, BIAS, count)], rel=1e-5)


@pytest.mark.parametrize("count", [4, 2])
def test_one_step_of_linear_regression(count):
    kernel, bias = np.array([[0.5], [-1.0]], np.float32), np.array([0.25], np.float32)
    trainer = make_trainer([keras.layers.Dense(1)], Task.REGRESSION)
    ended, losses = take_steps(trainer, [kernel, bias], count=count)
    error = (ROWS[:count] @ kernel + bias)[:, 0] - VALUES[:count]
    by_kernel = 2 / count * ROWS[:count].T @ error[:, None]
    np.testing.assert_allclose(ended[0], kernel - RATE * by_kernel, rtol=1e-5)
    np.testing.assert_allclose(ended[1], bias - RATE * 2 * error.mean(), rtol=1e-5)
    assert losses == pytest.approx([(error**2).mean()], rel=1e-5)


def test_momentum_by_formula():
    trainer = make_trainer([keras.layers.Dense(3)], optimizer="Momentum")
    (kernel, _), _ = take_steps(trainer, [KERNEL, BIAS], steps=2)
    weights, speed = [KERNEL, BIAS], [0.0, 0.0]
    for _ in range(2):
        gradient = logistic_gradient(*weights, 4)
        speed = [0.9 * s + g for s, g in zip(speed, gradient, strict=True)]
        weights = [w - RATE * s for w, s in zip(weights, speed, strict=True)]
    np.testing.assert_allclose(kernel, weights[0], rtol=1e-5)


def test_adam_by_formula():
    trainer = make_trainer([keras.layers.Dense(3)], optimizer="adam")
    (kernel, bias), _ = take_steps(trainer, [KERNEL, BIAS], steps=3)
    weights, first, second = [KERNEL, BIAS], [0.0, 0.0], [0.0, 0.0]
    for step in range(1, 4):
        gradient = logistic_gradient(*weights, 4)
        first = [0.9 * m + 0.1 * g for m, g in zip(first, gradient, strict=True)]
        second = [0.999 * v + 0.001 * g * g for v, g in zip(second, gradient, strict=True)]
        weights = [
            w - RATE * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
            for w, m, v in zip(weights, first, second, strict=True)
        ]
    np.testing.assert_allclose(kernel, weights[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(bias, weights[1], rtol=1e-4, atol=1e-5)


def test_the_optimizer_starts_anew_in_every_round():
    trainer = make_trainer([keras.layers.Dense(3)], optimizer="adam")
    once = take_steps(trainer, [KERNEL, BIAS])[0]
    again = take_steps(trainer, [KERNEL, BIAS])[0]
    np.testing.assert_array_equal(once[0], again[0])


def test_a_regulariser_enters_the_gradient_but_not_the_loss():
    dense = keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.5))
    (kernel, bias), losses = take_steps(make_trainer([dense]), [KERNEL, BIAS])
    by_kernel, by_bias = logistic_gradient(KERNEL, BIAS, 4)
    np.testing.assert_allclose(kernel, KERNEL - RATE * (by_kernel + KERNEL), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(bias, BIAS - RATE * by_bias, rtol=1e-5, atol=1e-6)
    assert losses == pytest.approx([logistic_loss(KERNEL, BIAS, 4)], rel=1e-5)


def test_the_proximal_objective_pulls_towards_where_the_round_started():
    trainer = make_trainer([keras.layers.Dense(3)], objective=proximal(2.0))
    (kernel, _), _ = take_steps(trainer, [KERNEL, BIAS], steps=2)
    weights = [KERNEL, BIAS]
    for _ in range(2):
        gradient = logistic_gradient(*weights, 4)
        weights = [
            w - RATE * (g + 2.0 * (w - start))
            for w, g, start in zip(weights, gradient, [KERNEL, BIAS], strict=True)
        ]
    np.testing.assert_allclose(kernel, weights[0], rtol=1e-5)


def test_probabilities_and_logits_give_the_same():
    logits = make_trainer([keras.layers.Dense(3)])
    for last in (
        [keras.layers.Dense(3, activation="softmax")],
        [keras.layers.Dense(3), keras.layers.Softmax()],
        [keras.layers.Dense(3), keras.layers.Activation("softmax")],
        [keras.Sequential([keras.layers.Dense(3, activation="softmax")])],
    ):
        weights, losses = take_steps(make_trainer(last), [KERNEL, BIAS])
        expected, expected_losses = take_steps(logits, [KERNEL, BIAS])
        assert losses == pytest.approx(expected_losses, rel=1e-5)
        np.testing.assert_allclose(weights[0], expected[0], rtol=1e-4, atol=1e-6)


# Scores


def score(trainer, weights, rows=ROWS, labels=CLASSES, count=4):
    fill = EVALUATION_BATCH - len(rows)
    padded = np.pad(rows, [(0, fill)] + [(0, 0)] * (rows.ndim - 1))
    sums = trainer.score_batch(weights, padded, np.pad(labels, (0, fill)), count)
    return trainer.summarise(EvaluationSums(float(sums.loss), float(sums.hits)), count)


def test_accuracy_and_loss_by_hand():
    given = score(make_trainer([keras.layers.Dense(3)]), [KERNEL, BIAS])
    right = (ROWS @ KERNEL + BIAS).argmax(axis=1) == CLASSES
    assert given.score == pytest.approx(right.mean())
    assert given.loss == pytest.approx(logistic_loss(KERNEL, BIAS, 4), rel=1e-5)


def test_r_squared_by_hand():
    kernel, bias = np.array([[0.5], [-1.0]], np.float32), np.array([0.25], np.float32)
    trainer = make_trainer([keras.layers.Dense(1)], Task.REGRESSION)
    given = score(trainer, [kernel, bias], labels=VALUES)
    errors = ((ROWS @ kernel + bias)[:, 0] - VALUES) ** 2
    expected = 1 - errors.sum() / ((VALUES - VALUES.mean()) ** 2).sum()
    assert given.score == pytest.approx(expected, rel=1e-5)
    assert given.loss == pytest.approx(errors.mean(), rel=1e-5)


def test_r_squared_of_a_sample_is_about_the_mean_of_that_sample():
    labels = np.arange(SAMPLE_ROWS * 3, dtype=np.float32) ** 2  # sorted: the first are no sample
    features = np.zeros((len(labels), 2), np.float32)
    trainer = make_trainer([keras.layers.Dense(1)], Task.REGRESSION, features=features)
    dataset = Dataset("sorted", Task.REGRESSION, features, labels, features, labels)
    trainer.dataset = dataset
    sample = arrange_test_rows(dataset, EVALUATION_BATCH).labels[:SAMPLE_ROWS].astype(float)
    loss_of_the_mean = EvaluationSums(sample.var() * SAMPLE_ROWS, 0.0)
    assert trainer.summarise(loss_of_the_mean, SAMPLE_ROWS).score == pytest.approx(0.0, abs=1e-9)


def test_r_squared_where_all_labels_are_equal():
    labels = np.ones(4, np.float32)
    trainer = make_trainer([keras.layers.Dense(1)], Task.REGRESSION, labels=labels)
    assert trainer.summarise(EvaluationSums(4.0, 0.0), 4).score == 0.0


def test_rows_that_fill_the_last_batch_may_give_nan():
    divide = keras.layers.Lambda(lambda x: x / keras.ops.sum(x * x, axis=-1, keepdims=True))
    given = score(make_trainer([divide, keras.layers.Dense(3)]), [KERNEL, BIAS])
    assert np.isfinite(given.loss)


def test_how_many_rows_are_scored():
    assert count_scored_rows(LocalEvaluation.NONE, 10_000) == 0
    assert count_scored_rows(LocalEvaluation.SAMPLE, 10_000) == SAMPLE_ROWS
    assert count_scored_rows(LocalEvaluation.SAMPLE, 100) == 100
    assert count_scored_rows(LocalEvaluation.FULL, 10_000) == 10_000


def test_the_test_part_is_shuffled_whole():
    trainer = make_trainer([keras.layers.Dense(3)])
    rows = trainer.test_rows
    assert rows.features.shape == (EVALUATION_BATCH, 2)
    assert sorted(map(tuple, rows.features[:4])) == sorted(map(tuple, ROWS))
    assert not rows.features[4:].any()
    assert rows.row_count == 4


# What is not a plain weight


def test_batch_statistics_come_from_all_rows_of_the_batch_and_are_weights():
    norm = keras.layers.BatchNormalization(momentum=0.75)
    trainer = make_trainer([norm, keras.layers.Dense(3)])
    start = trainer.initial_weights
    ended, _ = take_steps(trainer, start, count=2)
    # Rows 2 and 3 fill the batch: they are the client's own, and carry no weight in the loss.
    np.testing.assert_allclose(ended[2], 0.25 * ROWS.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(ended[3], 0.75 + 0.25 * ROWS.var(axis=0), rtol=1e-5)
    assert [w.shape for w in start] == [(2,), (2,), (2,), (2,), (2, 3), (3,)]
    assert trainer.trainable_indices == (0, 1, 4, 5)


def test_scoring_uses_the_statistics_and_leaves_them():
    norm = keras.layers.BatchNormalization(epsilon=0.0)
    trainer = make_trainer([norm, keras.layers.Dense(3)])
    mean, variance = ROWS.mean(axis=0), ROWS.var(axis=0)
    weights = [np.ones(2), np.zeros(2), mean, variance, KERNEL, BIAS]
    given = score(trainer, [w.astype(np.float32) for w in weights])
    logits = (ROWS - mean) / np.sqrt(variance) @ KERNEL + BIAS
    chosen = softmax(logits)[np.arange(4), CLASSES]
    assert given.loss == pytest.approx(-np.log(chosen).mean(), rel=1e-4)


def test_dropout_differs_between_clients_and_rounds_and_repeats():
    layers = [keras.layers.Dropout(0.5), keras.layers.Dense(3)]
    trainer = make_trainer(layers, features=np.ones((4, 64), np.float32))
    kernel = np.full((64, 3), 0.1, np.float32)

    def end(seed, round_number, client):
        key = noise_key(seed, round_number, client)
        return take_steps(trainer, [kernel, BIAS], key=tuple(key))[0][0]

    np.testing.assert_array_equal(end(1, 1, 0), end(1, 1, 0))
    for other in ((1, 1, 1), (1, 2, 0), (2, 1, 0)):
        assert not np.array_equal(end(1, 1, 0), end(*other))


def test_the_layers_of_a_model_and_the_steps_of_a_client_drop_different_units():
    features = np.ones((4, 64), np.float32)
    layers = [keras.layers.Dropout(0.5), keras.layers.Dropout(0.5), keras.layers.Dense(3)]
    trainer = make_trainer(layers, features=features)
    functional = trainer.functional
    variables = functional.unpack(trainer.initial_weights, np.array([7, 9], np.uint32))
    first, second = (np.asarray(s) for s in variables.seeds)
    assert not np.array_equal(first, second)
    _, after, _ = functional.apply(variables, features, training=True)
    assert not np.array_equal(np.asarray(after.seeds[0]), first)
    _, scored, _ = functional.apply(variables, features, training=False)
    np.testing.assert_array_equal(np.asarray(scored.seeds[0]), first)


class Counter(keras.layers.Layer):
    """Counts its calls in an integer weight, and adds the count to its inputs."""

    def build(self, shape):
        self.calls = self.add_weight(
            shape=(), initializer="zeros", dtype="int32", trainable=False, name="calls"
        )

    def call(self, inputs):
        self.calls.assign(self.calls + 1)
        return inputs + keras.ops.cast(self.calls, "float32")


def test_weights_that_are_no_floats_are_constants():
    trainer = make_trainer([Counter(), keras.layers.Dense(3)])
    before = int(trainer.functional.model.layers[0].calls.value)
    first = take_steps(trainer, [KERNEL, BIAS])
    second = take_steps(trainer, [KERNEL, BIAS])
    assert [w.shape for w in trainer.initial_weights] == [(2, 3), (3,)]
    np.testing.assert_array_equal(first[0][0], second[0][0])
    assert int(trainer.functional.model.layers[0].calls.value) == before


def test_frozen_layers_stay_and_are_sent():
    frozen = keras.layers.Dense(2, trainable=False)
    trainer = make_trainer([frozen, keras.layers.Dense(3)])
    start = trainer.initial_weights
    assert trainer.trainable_indices == (2, 3)
    ended, _ = take_steps(trainer, start)
    np.testing.assert_array_equal(ended[0], start[0])
    assert not np.array_equal(ended[2], start[2])


def test_pack_is_the_inverse_of_unpack():
    norm, noise = keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)
    trainer = make_trainer([keras.layers.Dense(2, trainable=False), norm, noise, Counter()])
    functional = trainer.functional
    marked = [w + i for i, w in enumerate(functional.initial_weights)]
    packed = functional.pack(functional.unpack(marked, np.zeros(2, np.uint32)))
    for ours, theirs in zip(packed, marked, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_fast_loops_change_nothing():
    features = np.linspace(-1, 1, 4 * 36, dtype=np.float32).reshape(4, 6, 6, 1)

    def layers():
        return [
            keras.layers.Conv2D(3, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]

    fast = make_trainer(layers(), features=features)
    plain = make_trainer(layers(), features=features, fast_loops=False)
    start = fast.initial_weights
    for ours, theirs in zip(take_steps(fast, start)[0], take_steps(plain, start)[0], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
