"""Learning: how one client trains and scores a Keras model.

The only place that knows Keras and its backends. Importing this package imports neither; the first
call of `build_trainer` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedloom.learning.backend import use_backend
from fedloom.learning.local_training import LocalTraining
from fedloom.learning.model_names import BACKEND_NAMES, MODEL_NAMES, OPTIMIZER_NAMES

if TYPE_CHECKING:
    from fedloom.data.dataset import Dataset
    from fedloom.federation.objective import Objective
    from fedloom.learning.trainer import KerasTrainer

__all__ = [
    "BACKEND_NAMES",
    "MODEL_NAMES",
    "OPTIMIZER_NAMES",
    "LocalTraining",
    "build_trainer",
    "use_backend",
]


def build_trainer(
    training: LocalTraining, dataset: Dataset, objective: Objective, *, fast_loops: bool
) -> KerasTrainer:
    """Build the model and what trains it.

    Args:
        training: how every client trains.
        dataset: whose rows they train on.
        objective: what they minimise.
        fast_loops: see `fedloom.learning.trainer.KerasTrainer`.

    Raises:
        ModelError: the model cannot be loaded or does not fit the data.
    """
    use_backend(training.backend)
    from fedloom.learning.models import build_model
    from fedloom.learning.trainer import KerasTrainer

    model = build_model(
        training.model,
        dataset.feature_shape,
        dataset.outputs,
        hidden=training.hidden,
        seed=training.seed,
    )
    return KerasTrainer(model, dataset, training, objective, fast_loops=fast_loops)
