"""The loop, written once: cohort trains, updates are reduced, the server steps, weights are scored.

Simulation, packages and a real federation all run this; only the fleet differs. The loop knows no
files, no clock of its own and no framework, and draws nothing from a global generator. It yields
after each round, with all that is needed to write records and to go on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from fedloom.federation.algorithm import Algorithm
from fedloom.federation.devices import DeviceModel, DeviceRound
from fedloom.federation.fleet import (
    Client,
    ClientResult,
    Evaluation,
    Failure,
    Fleet,
    LocalEvaluation,
    Order,
    Reply,
    WeightsSink,
)
from fedloom.federation.select import choose_cohort, draw_dropouts
from fedloom.federation.server_step import LoopState, Server, begin
from fedloom.federation.weights import Array, Weights, count_bytes

__all__ = ["LoopSettings", "LoopState", "RoundOutcome", "begin", "run_rounds"]


@dataclass(frozen=True)
class LoopSettings:
    """What the loop needs to know of a plan.

    Attributes:
        rounds: how many rounds the run has in all.
        cohort: clients chosen for a round.
        epochs: passes over a client's rows; the device model counts them.
        seed: the run's seed.
        dropout: probability with which a chosen client drops out of a round.
        devices: the device model, or None.
        local_evaluation: on how much of the test part each client's own weights are scored.
        trainable_indices: positions of the arrays that the server optimizer steps; others (batch
            statistics) take the aggregated difference as it is.
        deadline_s: seconds after which a fleet gives up on unfinished clients; None for never.
        choose: from a round's number and all clients to its cohort, ascending, in place of a
            random choice.
    """

    rounds: int
    cohort: int
    epochs: int
    seed: int
    trainable_indices: Sequence[int]
    dropout: float = 0.0
    devices: DeviceModel | None = None
    local_evaluation: LocalEvaluation = LocalEvaluation.FULL
    deadline_s: float | None = None
    choose: Callable[[int, Sequence[Client]], Sequence[int]] | None = None


@dataclass(frozen=True)
class RoundOutcome:
    """A finished round.

    Attributes:
        state: where the next round starts.
        results: one per client of the cohort, ascending.
        participants: indices of the clients whose updates are in the aggregate.
        evaluation: of the new global weights.
        update_norm: L2 norm of the new global weights minus the old ones.
        epsilon: privacy spent so far, or None.
        devices: the simulated times of the cohort, or None.
        train_seconds: shuffling, training, reduction and server step.
        evaluate_seconds: all scoring.
    """

    state: LoopState
    results: Sequence[ClientResult]
    participants: Sequence[int]
    evaluation: Evaluation
    update_norm: float
    epsilon: float | None
    devices: DeviceRound | None
    train_seconds: float
    evaluate_seconds: float


@dataclass(frozen=True)
class _Attendance:
    """Who of a cohort trains, and why the others do not."""

    present: list[int]
    absent: dict[int, Failure] = field(default_factory=dict)
    devices: DeviceRound | None = None


def run_rounds(
    state: LoopState,
    *,
    algorithm: Algorithm,
    fleet: Fleet,
    settings: LoopSettings,
    clock: Callable[[], float],
    sink_for: Callable[[int], WeightsSink | None] = lambda _: None,
) -> Iterator[RoundOutcome]:
    """Run the rounds after `state`, one at a time.

    Args:
        state: from `begin`, or from the outcome of an earlier round.
        algorithm: what clients and server do.
        fleet: where the clients are.
        settings: the run.
        clock: gives seconds; only differences are used.
        sink_for: from a round's number to where its clients' weights go, if anywhere.

    Raises:
        RunFailedError: the server step gave weights that are not finite.
    """
    sizes = [client.num_examples for client in fleet.clients()]
    server = Server(algorithm, sizes, settings.trainable_indices, settings.cohort, settings.seed)
    for number in range(state.round + 1, settings.rounds + 1):
        outcome = _run_round(number, state, server, fleet, settings, clock, sink_for(number))
        state = outcome.state
        yield outcome


def _run_round(
    number: int,
    state: LoopState,
    server: Server,
    fleet: Fleet,
    settings: LoopSettings,
    clock: Callable[[], float],
    sink: WeightsSink | None,
) -> RoundOutcome:
    began = clock()
    algorithm = server.algorithm
    clients = len(fleet.clients())
    poisson = algorithm.poisson_sampling
    if settings.choose is not None:
        cohort = list(settings.choose(number, fleet.clients()))
    else:
        cohort = choose_cohort(settings.seed, number, clients, settings.cohort, poisson=poisson)
    attendance = _take_attendance(number, cohort, state.weights, fleet, settings)
    order = Order(
        round=number,
        cohort=attendance.present,
        weights=state.weights,
        seed=settings.seed,
        shared=state.shared,
        local_evaluation=settings.local_evaluation,
        sink=sink,
        deadline_s=settings.deadline_s,
    )
    reply = fleet.train(order, algorithm.reducer)
    server.resize([client.num_examples for client in fleet.clients()])
    moved = server.step(number, state, reply)
    trained = clock()
    evaluation = fleet.evaluate(moved.weights)
    evaluated = clock()
    aside = reply.evaluate_seconds + reply.store_seconds
    return RoundOutcome(
        state=moved,
        results=_gather_results(cohort, attendance, reply),
        participants=[r.client for r in reply.results if r.failure is None],
        evaluation=evaluation,
        update_norm=_distance(moved.weights, state.weights),
        epsilon=_account(number, algorithm, settings, clients),
        devices=attendance.devices,
        train_seconds=max(0.0, trained - began - aside),
        evaluate_seconds=evaluated - trained + reply.evaluate_seconds,
    )


def _take_attendance(
    number: int, cohort: Sequence[int], weights: Weights, fleet: Fleet, settings: LoopSettings
) -> _Attendance:
    """Tell who trains: drop-outs, absent devices and stragglers are known beforehand.

    A straggler's update would come too late to be used, so no time of the host is spent on it.
    """
    dropped = draw_dropouts(settings.seed, number, cohort, settings.dropout)
    absent = dict.fromkeys(dropped, Failure.DROPPED_OUT)
    devices = None
    if settings.devices is not None:
        size = float(count_bytes(weights))
        clients = fleet.clients()
        examples = [clients[c].num_examples * settings.epochs for c in cohort]
        devices = settings.devices.simulate(
            settings.seed, number, cohort, examples, download_bytes=size, upload_bytes=size
        )
        for position, client in enumerate(cohort):
            if not devices.available[position]:
                absent.setdefault(client, Failure.UNAVAILABLE)
            elif devices.straggler[position]:
                absent.setdefault(client, Failure.STRAGGLER)
    return _Attendance([c for c in cohort if c not in absent], absent, devices)


def _gather_results(
    cohort: Sequence[int], attendance: _Attendance, reply: Reply
) -> list[ClientResult]:
    trained = {result.client: result for result in reply.results}
    absent = {c: ClientResult(client=c, failure=why) for c, why in attendance.absent.items()}
    return [trained[c] if c in trained else absent[c] for c in cohort]


def _account(
    number: int, algorithm: Algorithm, settings: LoopSettings, clients: int
) -> float | None:
    if algorithm.privacy is None:
        return None
    return algorithm.privacy.epsilon(settings.cohort / clients, number)


def _distance(new: Weights, old: Weights) -> float:
    """Return the L2 norm of a difference of which one array at a time is there."""
    return float(sum(_square_sum(a, b) for a, b in zip(new, old, strict=True)) ** 0.5)


def _square_sum(new: Array, old: Array) -> Array:
    changed = np.asarray(np.subtract(np.asarray(new), np.asarray(old)))
    return np.multiply(changed, changed, out=changed).sum()
