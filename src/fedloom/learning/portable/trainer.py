"""How a client learns a Keras model on a backend other than JAX, one compiled step at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedloom.data.dataset import Dataset
from fedloom.errors import ModelError
from fedloom.federation.fleet import Evaluation
from fedloom.federation.objective import Objective
from fedloom.federation.weights import Weights
from fedloom.learning.describe import describe_error
from fedloom.learning.framework import keras
from fedloom.learning.local_training import LocalTraining
from fedloom.learning.output_kind import read_output_kind
from fedloom.learning.portable.framework_calls import FrameworkCalls
from fedloom.learning.portable.losses import row_hits, row_losses
from fedloom.learning.portable.model import PortableModel
from fedloom.learning.portable.optimizers import build_portable_optimizer
from fedloom.learning.score_sheet import EvaluationSums, ScoreSheet
from fedloom.learning.scored_rows import ScoredRows
from fedloom.learning.weight_order import Variables

__all__ = ["PortableTrainer"]

ops = keras.ops


class _State(NamedTuple):
    variables: Variables
    optimizer: Any


class PortableTrainer:
    """The trainer of PyTorch and TensorFlow; see `fedloom.learning.step_trainer.StepTrainer`.

    Args:
        model: built for the data set's rows, on this process' backend.
        dataset: whose train part the clients share out and whose test part scores weights.
        settings: the local training.
        objective: corrects the gradient.
        calls: what is the framework's own.
    """

    def __init__(
        self,
        model: keras.Model,
        dataset: Dataset,
        settings: LocalTraining,
        objective: Objective,
        calls: FrameworkCalls,
    ) -> None:
        self.dataset, self.settings, self.objective = dataset, settings, objective
        self._model = PortableModel(model, calls.place)
        self._kind = read_output_kind(model, dataset.task)
        self._optimizer = build_portable_optimizer(settings.optimizer, settings.learning_rate)
        self._calls = calls
        self._sheet = ScoreSheet(dataset)

    @property
    def initial_weights(self) -> Weights:
        """The weights that the model was built with."""
        return self._model.initial_weights

    @property
    def trainable_indices(self) -> tuple[int, ...]:
        """Positions of the trainable arrays among the weights."""
        return self._model.trainable_indices

    @property
    def test_rows(self) -> ScoredRows:
        """The test part in the order in which weights are scored on it."""
        return self._sheet.rows

    def check_model(self) -> None:
        """Take one step on rows of zeros, so that the model's faults show early.

        Raises:
            ModelError: the model's own code raises.
        """
        rows, settings = self.settings.batch_size, self.settings
        weights = self.initial_weights
        trained = [weights[i] for i in self.trainable_indices]
        own, shared = self.objective.init_client(trained), self.objective.init_shared(trained)
        batch = np.zeros((rows, *self.dataset.feature_shape), np.float32)
        labels = np.zeros(rows, self.dataset.train_labels.dtype)
        try:
            state = self.begin(self.place(weights), np.zeros(2, np.uint32))
            self.step(
                state,
                self.place(trained),
                self.place(own),
                self.place(shared),
                self._calls.place(batch),
                self._calls.place(labels),
                self._calls.place(np.int64(rows)),
            )
        except ModelError:
            raise
        except Exception as error:  # code of the user's may raise anything
            raise ModelError(
                f"model {settings.model!r} raises in training: {describe_error(error)}"
            ) from error

    def place(self, arrays: Any) -> list[Any]:
        """Bring a list of arrays to where the framework computes."""
        return [self._calls.place(np.asarray(array)) for array in arrays]

    def begin(self, weights: Sequence[Any], key: NDArray[np.uint32]) -> Any:
        """Return the state in which a client starts a round."""
        variables = self._model.unpack(weights, key)
        zero = self._calls.place(np.float32(0))
        return _State(variables, self._optimizer.init(variables.trainable, zero))

    def compile_step(self) -> Callable[..., tuple[Any, Any]]:
        """Return the compiled step."""
        step, place = self._calls.compile(self.step), self._calls.place

        def take(
            state: Any, anchor: Any, own: Any, shared: Any, rows: Any, labels: Any, count: int
        ) -> tuple[Any, Any]:
            batch = place(rows), place(labels), place(np.int64(count))
            moved, loss = step(state, anchor, own, shared, *batch)
            return moved, loss

        return take

    def finish(self, state: Any) -> Weights:
        """Return the weights a client ends its round with."""
        return [self._calls.fetch(w) for w in self._model.order.pack(state.variables)]

    def compile_score(self) -> Callable[[Any, Any, Any, int], EvaluationSums]:
        """Return the compiled scorer."""
        score, place = self._calls.compile(self._score), self._calls.place

        def measure(weights: Any, rows: Any, labels: Any, count: int) -> EvaluationSums:
            loss, hits = score(weights, place(rows), place(labels), place(np.int64(count)))
            return EvaluationSums(loss, hits)

        return measure

    def summarise(self, sums: EvaluationSums, row_count: int) -> Evaluation:
        """Turn sums over the first `row_count` of `test_rows` into a mean loss and a score."""
        return self._sheet.summarise(sums, row_count)

    def step(
        self, state: Any, anchor: Any, own: Any, shared: Any, rows: Any, labels: Any, count: Any
    ) -> tuple[_State, Any]:
        """Take one step on a placed batch; see `KerasTrainer.step`."""

        def measure(trainable: list[Any]) -> tuple[Any, Any]:
            variables = state.variables._replace(trainable=trainable)
            outputs, after, extra = self._model.apply(variables, rows, training=True)
            losses = row_losses(self._kind, outputs, labels)
            counted = ops.cast(_count_off(losses, count), losses.dtype)
            loss = ops.sum(losses * counted) / ops.cast(count, losses.dtype)
            return loss + extra, (after.others, after.seeds, loss)

        trainable = list(state.variables.trainable)
        (_, (others, seeds, loss)), gradient = self._calls.differentiate(measure, trainable)
        gradient = self.objective.correct(gradient, trainable, anchor, own, shared)
        moved, optimizer = self._optimizer.step(gradient, state.optimizer, trainable)
        return _State(Variables(moved, list(others), list(seeds)), optimizer), loss

    def _score(self, weights: Any, rows: Any, labels: Any, count: Any) -> tuple[Any, Any]:
        variables = self._model.unpack(weights, np.zeros(2, np.uint32))
        outputs, _, _ = self._model.apply(variables, rows, training=False)
        losses, hits = (f(self._kind, outputs, labels) for f in (row_losses, row_hits))
        # Not by multiplication: rows of zeros that fill the last batch may well give NaN.
        counted = _count_off(losses, count)
        return ops.sum(ops.where(counted, losses, 0.0)), ops.sum(ops.where(counted, hits, 0.0))


def _count_off(values: Any, count: Any) -> Any:
    """Mark the first `count` of some values."""
    return ops.arange(values.shape[0], dtype="int64") < count
