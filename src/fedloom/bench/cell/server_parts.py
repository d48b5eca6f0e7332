"""From the plan of a cell to what carries it out: model, data, fleet over Flower."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fedloom.bench.cell.fleet import CellFleet
from fedloom.bench.cell.history import History
from fedloom.bench.cell.shards import deal_evaluation_rows
from fedloom.errors import InputError
from fedloom.experiment.assembly import Assembly
from fedloom.experiment.described import describe_split
from fedloom.experiment.folder import RunFolder
from fedloom.experiment.plan import Plan
from fedloom.experiment.plan_file import digest_data
from fedloom.experiment.split import split_dataset
from fedloom.federation.algorithm import Algorithm, build_algorithm
from fedloom.federation.fleet import ClientResult, Evaluation
from fedloom.federation.loop import LoopSettings
from fedloom.federation.select import resolve_cohort
from fedloom.federation.weights import Weights
from fedloom.fleet.client_memory import ClientMemory
from fedloom.fleet.flower.handlers import keras_settings

if TYPE_CHECKING:
    from fedloom.bench.cell.belonging import Belonging
    from fedloom.bench.cell.doorway import Doorway
    from fedloom.bench.logs import ServerLog
    from fedloom.fleet.flower.fleet import FlowerFleet
    from fedloom.learning.step_trainer import StepTrainer

__all__ = ["USE_CASE", "ServerParts", "build_cell_algorithm"]

USE_CASE = "bench"
"""Names the data of a cell's clients."""


def build_cell_algorithm(plan: Plan) -> Algorithm:
    """Return the algorithm of a cell's plan.

    Raises:
        InputError: it does not go with the cohort or the clients' optimizer.
    """
    cohort = resolve_cohort(plan.cohort, plan.clients)
    algorithm = build_algorithm(
        plan.algorithm, clients=plan.clients, cohort=cohort, params=plan.algorithm_settings
    )
    if algorithm.requires_sgd and plan.optimizer != "sgd":
        raise InputError(
            f"optimizer={plan.optimizer}: {algorithm.name} is right for plain SGD only; use sgd"
        )
    return algorithm


class ServerParts:
    """Data, model and fleet of a cell; see `fedloom.experiment.parts.Parts` for the calls.

    Args:
        plan: of the cell.
        belonging: the cell.
        doorway: through which its clients come.
        log: of the server.
        wait_s: seconds that clients may take to come.
        gathered: called when all clients have answered.
    """

    def __init__(
        self,
        plan: Plan,
        belonging: Belonging,
        doorway: Doorway,
        log: ServerLog,
        wait_s: float,
        gathered: Callable[[], None],
    ) -> None:
        self.plan = plan
        self._belonging, self._doorway, self._log = belonging, doorway, log
        self._wait_s, self._gathered = wait_s, gathered
        self._split = split_dataset(plan)
        self.digest = digest_data(self._split.dataset)
        self.fleet: CellFleet | None = None

    @property
    def changed(self) -> str:
        """What to say where the digest differs from an earlier one."""
        return f"the rows of {self.plan.dataset} have changed"

    def assemble(self, plan: Plan, folder: RunFolder, *, going_on: bool) -> Assembly:
        """Build the model, and wait for the clients.

        Raises:
            InputError: the plan does not fit the data.
            RunFailedError: the clients did not come in time.
            LinkError: the SuperLink is away.
        """
        trainer, algorithm = self._trainer, self._algorithm
        weights = [np.asarray(array) for array in trainer.initial_weights]
        score = self.load_scorer()
        history = History.read(folder) if going_on else History()
        fleet = CellFleet(self._open_fleet, score, history, self._log, plan.run_id)
        self.fleet = fleet
        try:
            self._log.start(plan.rounds, secured=self._doorway.secured)
            fleet.wait_for(plan.clients, self._wait_s)
            self._gathered()
            if history.initial_loss is None:
                fleet.score_initial(weights)
        except BaseException:
            fleet.close()
            raise
        return Assembly(
            algorithm=algorithm,
            fleet=fleet,
            settings=self._settings(plan, trainer),
            initial_weights=weights,
            resolved={
                "cohort": resolve_cohort(plan.cohort, plan.clients),
                "partition_param": self._split.partition.param,
                "algorithm_params": dict(algorithm.params),
            },
            described=describe_split(plan, self._split),
            take_metrics=fleet.take_metrics,
        )

    def load_scorer(self) -> Callable[[Weights], Evaluation]:
        """Return what scores weights on the whole held-out part.

        Raises:
            InputError: there are fewer held-out rows than clients.
        """
        from fedloom.fleet.process.scorer import Scorer

        rows = len(self._split.dataset.test_labels)
        deal_evaluation_rows(rows, self.plan.clients, self.plan.seed)
        scorer = Scorer(self._trainer)
        return lambda weights: scorer.score(weights, rows)

    def close(self) -> None:
        """Do nothing: who opened the doorway closes it."""

    @cached_property
    def _algorithm(self) -> Algorithm:
        return build_cell_algorithm(self.plan)

    @cached_property
    def _trainer(self) -> StepTrainer:
        from fedloom.learning import build_step_trainer

        trainer = build_step_trainer(
            self.plan.local_training, self._split.dataset, self._algorithm.objective
        )
        trainer.check_model()
        return trainer

    def _settings(self, plan: Plan, trainer: StepTrainer) -> LoopSettings:
        return LoopSettings(
            rounds=plan.rounds,
            cohort=resolve_cohort(plan.cohort, plan.clients),
            epochs=plan.epochs,
            seed=plan.seed,
            trainable_indices=trainer.trainable_indices,
            dropout=plan.dropout,
            local_evaluation=plan.local_evaluation,
            deadline_s=plan.client_timeout_s,
        )

    def _open_fleet(self, observer: Callable[[ClientResult], None]) -> FlowerFleet:
        from fedloom.fleet.flower.fleet import FlowerFleet

        algorithm, trainer = self._algorithm, self._trainer
        trained = [trainer.initial_weights[i] for i in trainer.trainable_indices]
        settings: dict[str, Any] = keras_settings(self.plan.local_training, algorithm, USE_CASE)
        build = partial(FlowerFleet, self._doorway.endpoint, self._doorway.secret)
        return build(
            self._belonging.task,
            {**settings, **self._belonging.settings},
            memory=ClientMemory(algorithm.objective.init_client(trained)),
            observer=observer,
            depot=self._doorway.depot,
        )
