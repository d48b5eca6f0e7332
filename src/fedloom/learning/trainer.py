"""How a client learns a Keras model: pure functions that a fleet compiles as it likes.

The simulated fleet runs them inside its lanes, the process fleet one step at a time; both therefore
learn the same thing from the same rows in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fedloom.data.dataset import Dataset
from fedloom.errors import ModelError
from fedloom.federation.fleet import Evaluation
from fedloom.federation.objective import Objective
from fedloom.federation.weights import Weights
from fedloom.learning.describe import describe_error
from fedloom.learning.framework import keras
from fedloom.learning.functional import FunctionalModel, Variables
from fedloom.learning.local_training import LocalTraining
from fedloom.learning.losses import read_output_kind, row_hits, row_losses
from fedloom.learning.noise import noise_key
from fedloom.learning.optimizers import build_optimizer
from fedloom.learning.rewrite import rewrite_for_loops
from fedloom.learning.score_sheet import EVALUATION_BATCH, EvaluationSums, ScoreSheet
from fedloom.learning.scored_rows import ScoredRows

__all__ = ["EVALUATION_BATCH", "EvaluationSums", "KerasTrainer", "LocalState", "noise_key"]


class LocalState(NamedTuple):
    """What a client carries from step to step."""

    variables: Variables
    optimizer: Any


class KerasTrainer:
    """Local training and scoring of one Keras model on one data set.

    Args:
        model: built for the data set's rows, on the JAX backend.
        dataset: whose train part the clients share out and whose test part scores weights.
        settings: the local training.
        objective: corrects the gradient, and keeps client state where the algorithm asks for it.
        fast_loops: rewrite convolutions and poolings into forms that are fast inside a compiled
            loop on a CPU; the numbers are the same within float rounding.
    """

    def __init__(
        self,
        model: keras.Model,
        dataset: Dataset,
        settings: LocalTraining,
        objective: Objective,
        *,
        fast_loops: bool = True,
    ) -> None:
        self.dataset = dataset
        self.settings = settings
        self.objective = objective
        self.functional = FunctionalModel(model)
        self._kind = read_output_kind(model, dataset.task)
        self._optimizer = build_optimizer(settings.optimizer, settings.learning_rate)
        self._fast_loops = fast_loops

    @property
    def initial_weights(self) -> Weights:
        """The weights that the model was built with."""
        return self.functional.initial_weights

    @property
    def trainable_indices(self) -> tuple[int, ...]:
        """Positions of the trainable arrays among the weights."""
        return self.functional.trainable_indices

    @property
    def test_rows(self) -> ScoredRows:
        """The test part in the order in which weights are scored on it."""
        return self._sheet.rows

    def check_model(self) -> None:
        """Trace the model in training, so that its faults show before anything is written.

        Raises:
            ModelError: the model's own code raises.
        """
        try:
            forward = self._train_forward
            if not self._fast_loops:
                jax.eval_shape(forward, *self._shapes(self.settings.batch_size))
        except Exception as error:  # code of the user's may raise anything
            raise ModelError(
                f"model {self.settings.model!r} raises in training: {describe_error(error)}"
            ) from error

    def place(self, arrays: Any) -> list[Any]:
        """Bring a list of arrays to where JAX computes."""
        return [jnp.asarray(array) for array in arrays]

    def compile_step(self) -> Callable[..., tuple[LocalState, Any]]:
        """Return `step` compiled, to be called from Python."""
        return jax.jit(self.step)

    def compile_score(self) -> Callable[..., EvaluationSums]:
        """Return `score_batch` compiled, to be called from Python."""
        return jax.jit(self.score_batch)

    def begin(self, weights: Sequence[Any], key: Any) -> LocalState:
        """Return the state in which a client starts a round."""
        variables = self.functional.unpack(weights, key)
        return LocalState(variables, self._optimizer.init(variables.trainable))

    def step(
        self,
        state: LocalState,
        anchor: Weights,
        client_state: Any,
        shared: Any,
        rows: Any,
        labels: Any,
        count: Any,
    ) -> tuple[LocalState, Any]:
        """Take one step on a batch.

        Args:
            state: from `begin` or the step before.
            anchor: the trainable weights that the round started with.
            client_state: what the objective remembers of this client.
            shared: what the objective got from the server.
            rows: shape (batch_size, *feature_shape).
            labels: shape (batch_size,).
            count: how many leading rows carry weight.

        Returns:
            The new state, and the mean loss over the counted rows before the step.
        """
        objective = self.objective

        def measure(trainable: list[Any]) -> tuple[Any, tuple[Variables, Any]]:
            variables = state.variables._replace(trainable=trainable)
            outputs, after, extra = self._train_forward(variables, rows)
            losses = row_losses(self._kind, outputs, labels)
            counted = (jnp.arange(losses.shape[0]) < count).astype(losses.dtype)
            loss = (losses * counted).sum() / count
            return loss + extra, (after, loss)

        trainable = state.variables.trainable
        (_, (after, loss)), gradient = jax.value_and_grad(measure, has_aux=True)(trainable)
        gradient = objective.correct(gradient, trainable, anchor, client_state, shared)
        updates, optimizer = self._optimizer.update(gradient, state.optimizer, trainable)
        moved = optax.apply_updates(trainable, updates)
        return LocalState(after._replace(trainable=list(moved)), optimizer), loss

    def finish(self, state: LocalState) -> Weights:
        """Return the weights a client ends its round with."""
        return self.functional.pack(state.variables)

    def score_batch(self, weights: Weights, rows: Any, labels: Any, count: Any) -> EvaluationSums:
        """Sum loss and hits over the first `count` rows of a batch of `EVALUATION_BATCH`."""
        variables = self.functional.unpack(weights, jnp.zeros(2, jnp.uint32))
        outputs, _, _ = self._score_forward(variables, rows)
        # Not by multiplication: rows of zeros that fill the last batch may well give NaN.
        counted = jnp.arange(labels.shape[0]) < count
        return EvaluationSums(
            jnp.where(counted, row_losses(self._kind, outputs, labels), 0).sum(),
            jnp.where(counted, row_hits(self._kind, outputs, labels), 0).sum(),
        )

    def summarise(self, sums: EvaluationSums, row_count: int) -> Evaluation:
        """Turn sums over the first `row_count` of `test_rows` into a mean loss and a score."""
        return self._sheet.summarise(sums, row_count)

    @cached_property
    def _sheet(self) -> ScoreSheet:
        return ScoreSheet(self.dataset)

    @cached_property
    def _train_forward(self) -> Any:
        return self._trace(training=True, rows=self.settings.batch_size)

    @cached_property
    def _score_forward(self) -> Any:
        return self._trace(training=False, rows=EVALUATION_BATCH)

    def _trace(self, *, training: bool, rows: int) -> Any:
        def forward(variables: Variables, batch: Any) -> Any:
            return self.functional.apply(variables, batch, training=training)

        return rewrite_for_loops(forward, *self._shapes(rows)) if self._fast_loops else forward

    def _shapes(self, rows: int) -> tuple[Any, Any]:
        """Return the shapes of the model's variables and of a batch."""
        key = np.zeros(2, np.uint32)
        variables = jax.eval_shape(self.functional.unpack, self.initial_weights, key)
        shape: Any = (rows, *self.dataset.feature_shape)
        return variables, jax.eval_shape(lambda: jnp.zeros(shape, jnp.float32))
