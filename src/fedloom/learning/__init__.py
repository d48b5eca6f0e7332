"""Learning: how one client trains and scores a Keras model.

The only place that knows Keras and its backends. Importing this package imports neither; the first
call of `build_trainer` or `build_step_trainer` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedloom.errors import InputError
from fedloom.learning.backend import use_backend
from fedloom.learning.local_training import LocalTraining
from fedloom.learning.model_names import BACKEND_NAMES, MODEL_NAMES, OPTIMIZER_NAMES

if TYPE_CHECKING:
    from fedloom.data.dataset import Dataset
    from fedloom.federation.objective import Objective
    from fedloom.learning.step_trainer import StepTrainer
    from fedloom.learning.trainer import KerasTrainer

__all__ = [
    "BACKEND_NAMES",
    "MODEL_NAMES",
    "OPTIMIZER_NAMES",
    "LocalTraining",
    "build_step_trainer",
    "build_trainer",
    "use_backend",
]


def build_trainer(
    training: LocalTraining, dataset: Dataset, objective: Objective, *, fast_loops: bool
) -> KerasTrainer:
    """Build the model and what trains it on JAX, as pure functions.

    Args:
        training: how every client trains; its backend is ``jax``.
        dataset: whose rows they train on.
        objective: what they minimise.
        fast_loops: see `fedloom.learning.trainer.KerasTrainer`.

    Raises:
        InputError: this process computes with another backend.
        ModelError: the model cannot be loaded or does not fit the data.
    """
    if training.backend != "jax":
        raise InputError(f"backend={training.backend}: lanes are programs of JAX; use jax")
    use_backend("jax")
    from fedloom.learning.trainer import KerasTrainer

    model = _build_model(training, dataset)
    return KerasTrainer(model, dataset, training, objective, fast_loops=fast_loops)


def build_step_trainer(
    training: LocalTraining,
    dataset: Dataset,
    objective: Objective,
    *,
    fast_loops: bool = False,
) -> StepTrainer:
    """Build the model and what trains it step by step, on any backend.

    Args:
        training: how every client trains, and on which backend.
        dataset: whose rows they train on.
        objective: what they minimise.
        fast_loops: jax: the convolutions and poolings of lanes, where a processor computes; their
            steps are up to twice as fast.

    Raises:
        InputError: this process computes with another backend, or its extra is not installed.
        ModelError: the model cannot be loaded or does not fit the data.
    """
    use_backend(training.backend)
    if training.backend == "jax":
        import jax

        fast = fast_loops and jax.default_backend() == "cpu"
        return build_trainer(training, dataset, objective, fast_loops=fast)
    from fedloom.learning.portable.build import find_calls, share_keras_draws
    from fedloom.learning.portable.trainer import PortableTrainer

    share_keras_draws()
    model = _build_model(training, dataset)
    return PortableTrainer(model, dataset, training, objective, find_calls())


def _build_model(training: LocalTraining, dataset: Dataset) -> Any:
    from fedloom.learning.models import build_model

    return build_model(
        training.model,
        dataset.feature_shape,
        dataset.outputs,
        hidden=training.hidden,
        seed=training.seed,
    )
