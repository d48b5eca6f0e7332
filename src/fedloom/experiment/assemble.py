"""From a plan to the parts that carry it out: trainer, fleet, algorithm, loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fedloom.errors import InputError
from fedloom.experiment.assembly import Assembly
from fedloom.experiment.described import describe_split
from fedloom.experiment.plan import FleetName, Plan
from fedloom.experiment.split import Split
from fedloom.federation.algorithm import Algorithm, build_algorithm
from fedloom.federation.devices import DeviceModel
from fedloom.federation.fleet import Fleet
from fedloom.federation.loop import LoopSettings
from fedloom.federation.select import resolve_cohort
from fedloom.federation.weights import Weights
from fedloom.learning.backend import use_backend

__all__ = ["assemble"]


def assemble(plan: Plan, split: Split) -> Assembly:
    """Build the parts of a run; nothing is written and nobody trains yet.

    Raises:
        InputError: the plan names something that does not exist or does not fit the data.
    """
    cohort = resolve_cohort(plan.cohort, plan.clients)
    algorithm = build_algorithm(
        plan.algorithm, clients=plan.clients, cohort=cohort, params=plan.algorithm_settings
    )
    if algorithm.requires_sgd and plan.optimizer != "sgd":
        raise InputError(
            f"optimizer={plan.optimizer}: {algorithm.name} is right for plain SGD only; use sgd"
        )
    use_backend(plan.backend)
    fleet, weights, trainable, chosen = _FLEETS[plan.fleet](plan, split, algorithm)
    if algorithm.privacy is not None and len(trainable) < len(weights):
        fleet.close()
        raise InputError(
            f"model={plan.model_name}: {algorithm.name} bounds what clients may change, and batch "
            "statistics would be drowned in its noise; take a model without them"
        )
    settings = LoopSettings(
        rounds=plan.rounds,
        cohort=cohort,
        epochs=plan.epochs,
        seed=plan.seed,
        trainable_indices=trainable,
        dropout=plan.dropout,
        devices=None if plan.devices is None else DeviceModel.from_mapping(plan.devices),
        local_evaluation=plan.local_evaluation,
        deadline_s=plan.client_timeout_s,
    )
    resolved = {
        "cohort": cohort,
        "partition_param": split.partition.param,
        "algorithm_params": dict(algorithm.params),
        **chosen,
    }
    described = describe_split(plan, split)
    return Assembly(algorithm, fleet, settings, weights, resolved, described)


_Parts = tuple[Fleet, Weights, Sequence[int], dict[str, Any]]


def _assemble_simulated(plan: Plan, split: Split, algorithm: Algorithm) -> _Parts:
    from fedloom.fleet.simulated import SimulatedFleet, open_lanes

    layout = open_lanes(plan.lanes)
    from fedloom.learning import build_trainer

    trainer = build_trainer(
        plan.local_training, split.dataset, algorithm.objective, fast_loops=layout.on_cpu
    )
    trainer.check_model()
    fleet = SimulatedFleet(trainer, split.client_ids, split.rows, layout)
    return fleet, trainer.initial_weights, trainer.trainable_indices, {"lanes": layout.lanes}


def _assemble_process(plan: Plan, split: Split, algorithm: Algorithm) -> _Parts:
    from fedloom.fleet.process import ProcessFleet
    from fedloom.learning import build_step_trainer

    trainer = build_step_trainer(plan.local_training, split.dataset, algorithm.objective)
    fleet = ProcessFleet(
        trainer,
        plan.local_training,
        split.client_ids,
        split.rows,
        workers=plan.workers,
    )
    return fleet, trainer.initial_weights, trainer.trainable_indices, {"workers": fleet.workers}


def _assemble_ray(plan: Plan, split: Split, algorithm: Algorithm) -> _Parts:
    from fedloom.fleet.ray import RayFleet
    from fedloom.learning import build_trainer

    training = plan.local_training
    trainer = build_trainer(training, split.dataset, algorithm.objective, fast_loops=True)
    trainer.check_model()
    fleet = RayFleet(
        trainer,
        training,
        split.client_ids,
        split.rows,
        workers=plan.workers,
        address=plan.ray_address,
    )
    return fleet, trainer.initial_weights, trainer.trainable_indices, {"workers": fleet.workers}


_FLEETS: dict[FleetName, Callable[[Plan, Split, Algorithm], _Parts]] = {
    FleetName.SIMULATED: _assemble_simulated,
    FleetName.PROCESS: _assemble_process,
    FleetName.RAY: _assemble_ray,
}
