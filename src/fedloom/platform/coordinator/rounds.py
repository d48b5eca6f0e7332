"""The rounds of a task: the one federated loop over its fleet, written down as it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from fedloom.errors import RunFailedError
from fedloom.federation.algorithm import Algorithm
from fedloom.federation.loop import LoopSettings, LoopState, begin, run_rounds
from fedloom.federation.weights import Weights
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.platform.coordinator.checkpoints import Checkpoints
from fedloom.platform.coordinator.gathering import Gathering
from fedloom.platform.coordinator.interruption import Interruption
from fedloom.platform.coordinator.recipe import Recipe, shape_of_algorithm
from fedloom.platform.coordinator.round_book import RoundBook, list_numbers
from fedloom.platform.coordinator.server_code import NO_SERVER_CODE, LiveServerCode
from fedloom.platform.coordinator.surroundings import Surroundings
from fedloom.platform.coordinator.watched_fleet import WatchedFleet
from fedloom.platform.store import Store
from fedloom.platform.task import Task

__all__ = ["Learnt", "Rounds", "list_participants"]


@dataclass(frozen=True)
class Learnt:
    """What the rounds of a task gave.

    Attributes:
        weights: the last aggregate.
        rounds: how many there were.
        clients: names of those whose updates are in it.
        metrics: the last round's numbers, by name.
    """

    weights: Weights
    rounds: int
    clients: Sequence[str]
    metrics: dict[str, float]


class Rounds:
    """The rounds of one task that are left.

    Args:
        around: what all tasks share.
        task: whose.
        recipe: what the loop needs of it.
        fleet: where its clients are.
        book: takes what is written down.
        checkpoints: of the task.
        interruption: of the task.
        wait_s: seconds that its clients are waited for before the first round.
        server: what the package itself decides.
    """

    def __init__(
        self,
        around: Surroundings,
        task: Task,
        recipe: Recipe,
        fleet: FlowerFleet,
        book: RoundBook,
        checkpoints: Checkpoints,
        interruption: Interruption,
        wait_s: float,
        server: LiveServerCode = NO_SERVER_CODE,
    ) -> None:
        self._around, self._task, self._recipe, self._fleet = around, task, recipe, fleet
        self._book, self._checkpoints, self._interruption = book, checkpoints, interruption
        self._wait_s, self._server = wait_s, server

    def run(self, weights: Weights) -> Learnt:
        """Carry out what is left.

        Args:
            weights: what the first round starts from.

        Raises:
            RunFailedError: too few clients, or the weights diverged.
            StoppedError: the task is to stop.
            LinkError: a SuperLink or the database stayed away for too long.
        """
        terms = self._recipe.terms
        shape = self._server.change(shape_of_algorithm(terms))
        state = self._go_on(begin(shape, weights, self._recipe.trainable_indices))
        del weights
        if state.round < terms.rounds:
            clients = len(self._gather(self._wait_s).begin())
            state = self._carry_on(state, self._server.change(terms.build(clients)), clients)
        return self._sum_up(state)

    def _carry_on(self, state: LoopState, algorithm: Algorithm, clients: int) -> LoopState:
        task, recipe, defaults = self._task, self._recipe, self._around.settings
        poisson = algorithm.poisson_sampling
        settings = LoopSettings(
            rounds=recipe.terms.rounds,
            cohort=recipe.terms.count(clients),
            epochs=1,
            seed=recipe.terms.seed,
            trainable_indices=recipe.trainable_indices,
            local_evaluation=recipe.local_evaluation,
            deadline_s=task.round_timeout_s or defaults.round_timeout_s,
            choose=self._gather(defaults.wait_s, poisson=poisson).choose,
        )
        fleet = WatchedFleet(
            self._fleet,
            self._interruption,
            task.quorum,
            may_be_empty=poisson,
            log=self._book.log,
            wait_s=defaults.wait_s,
        )
        rounds = run_rounds(
            state, algorithm=algorithm, fleet=fleet, settings=settings, clock=perf_counter
        )
        del state
        for outcome in rounds:
            self._book.write(outcome, self._fleet.clients(), self._fleet.take_reports())
            self._checkpoints.write(outcome.state, self._fleet.save(), self._interruption)
            self._interruption.check()
            last = outcome.state
        return last

    def _gather(self, wait_s: float, *, poisson: bool = False) -> Gathering:
        return Gathering(
            self._fleet,
            self._recipe.terms,
            _count_needed(self._task),
            wait_s,
            self._interruption,
            poisson,
            self._server.select,
            self._book.log.say,
        )

    def _go_on(self, first: LoopState) -> LoopState:
        """Return to the last round that counts, and forget what came after it."""
        store, task, owner = self._around.store, self._task, self._around.owner
        found = self._checkpoints.read(first)
        state = first
        if found is not None:
            state, fleet_state = found
            self._fleet.load(fleet_state)
        if task.attempt > 1 or task.rounds_done:
            self._interruption.insist(lambda: store.cut_rounds(task.id, state.round, owner))
            self._book.log.say(_say_where(state.round, task.rounds_done))
        return state

    def _sum_up(self, state: LoopState) -> Learnt:
        store, task_id = self._around.store, self._task.id
        names = list_participants(store, task_id)
        if not names:
            raise RunFailedError("no client gave an update in any round")
        last = store.rounds(task_id, after=state.round - 1)[-1]
        return Learnt(state.weights, state.round, names, list_numbers(last))


def list_participants(store: Store, task_id: int) -> list[str]:
    """Return the names of the clients whose updates are in a task's weights, sorted."""
    rows = store.clients(task_id)
    return sorted({str(row["client_id"]) for row in rows if row.get("participated")})


def _say_where(number: int, done: int) -> str:
    if number == 0 and done:
        return f"begins again: the checkpoint of round {done} is not here"
    return f"goes on after round {number}" if number else "begins again"


def _count_needed(task: Task) -> int:
    """Return the clients without whom no round can count."""
    return max(task.min_clients, task.quorum if isinstance(task.quorum, int) else 1)
