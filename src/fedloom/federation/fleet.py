"""What the loop asks of a fleet, and what a fleet answers.

A fleet is where the clients are: in compiled lanes of this process, in processes on this machine,
on other machines. The loop gives it an order for a round and gets back one reducer state and one
result per client, never the updates themselves: lanes and combiners do not have them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from fedloom.federation.reduce import Reducer
from fedloom.federation.weights import Weights

__all__ = [
    "Client",
    "ClientResult",
    "Evaluation",
    "Failure",
    "Fleet",
    "LocalEvaluation",
    "Order",
    "Reply",
    "WeightsSink",
]

WeightsSink = Callable[[int, Weights], None]
"""Takes the index of a client and the weights it ended a round with."""


class Failure(StrEnum):
    """Why a client of the cohort is not in a round's aggregate."""

    DROPPED_OUT = "dropped_out"
    UNAVAILABLE = "unavailable"
    STRAGGLER = "straggler"
    ERROR = "error"
    DIVERGED = "diverged"
    REJECTED = "rejected"
    TIMEOUT = "timeout"
    LOST = "lost"


class LocalEvaluation(StrEnum):
    """On how much of the test part each client's own weights are scored."""

    NONE = "none"
    SAMPLE = "sample"
    FULL = "full"


@dataclass(frozen=True)
class Client:
    """A holder of data: its position among the clients, its name, its number of training rows."""

    index: int
    client_id: str
    num_examples: int


@dataclass(frozen=True)
class Order:
    """What a fleet is to do in one round.

    Attributes:
        round: counted from 1.
        cohort: indices of the clients that train, ascending.
        weights: the global weights that every client starts from.
        seed: the run's seed; what a client draws is derived from (seed, purpose, round, client).
        shared: what the objective sends to every client (SCAFFOLD's server control variate).
        local_evaluation: on how much of the test part each client's own weights are scored.
        sink: called with each client's weights, where the run keeps them.
        deadline_s: seconds after which an unanswered client counts as `Failure.TIMEOUT`.
    """

    round: int
    cohort: Sequence[int]
    weights: Weights
    seed: int
    shared: Any = ()
    local_evaluation: LocalEvaluation = LocalEvaluation.NONE
    sink: WeightsSink | None = None
    deadline_s: float | None = None


@dataclass(frozen=True)
class ClientResult:
    """How one client of the cohort fared.

    Attributes:
        client: index of the client.
        failure: None where its update is in the aggregate.
        failure_detail: one line for the log.
        train_loss: mean loss over the rows it trained on, before each step.
        divergence: L2 norm of its weights minus those the round started with.
        local_loss: loss of its weights on the test part.
        local_score: score of its weights on the test part.
        train_seconds: wall time; in a lane, the lane's time apportioned by batches.
        evaluate_seconds: as `train_seconds`, for the scoring of its weights.
        cpu_seconds: processor time of its training.
        printed: the last lines that a command of it printed, where that failed.
    """

    client: int
    failure: Failure | None = None
    failure_detail: str = ""
    train_loss: float | None = None
    divergence: float | None = None
    local_loss: float | None = None
    local_score: float | None = None
    train_seconds: float | None = None
    evaluate_seconds: float | None = None
    cpu_seconds: float | None = None
    printed: Sequence[str] = ()


@dataclass(frozen=True)
class Reply:
    """A fleet's answer to an order: a reducer's state, and a result for each client of the cohort.

    Attributes:
        state: the reducer's state over all accepted updates.
        results: one per client of the cohort, in the cohort's order.
        drift: weighted sum of what the objective returns from the clients; see `Objective`.
        evaluate_seconds: wall time spent on scoring the clients' own weights.
        store_seconds: wall time spent in the order's sink.
    """

    state: Any
    results: Sequence[ClientResult]
    drift: Any = ()
    evaluate_seconds: float = 0.0
    store_seconds: float = 0.0


@dataclass(frozen=True)
class Evaluation:
    """Loss and score of some weights on the test part."""

    loss: float
    score: float


class Fleet(Protocol):
    """Where the clients are. Every fleet gives the same weights for the same orders."""

    def clients(self) -> Sequence[Client]:
        """Return all clients, in the order of their indices."""

    def train(self, order: Order, reducer: Reducer) -> Reply:
        """Let the cohort train and fold its updates with `reducer`.

        A client that fails is a result with its failure; the others go on.
        """

    def evaluate(self, weights: Weights) -> Evaluation:
        """Score weights on the whole test part."""

    def cancel(self) -> None:
        """Ask a running `train` to return early, with `Failure.TIMEOUT` for the unfinished."""

    def close(self) -> None:
        """Release processes, threads and memory; may be called twice."""

    def save(self) -> dict[str, Any]:
        """Return what the fleet remembers about clients between rounds, as named arrays."""

    def load(self, state: dict[str, Any]) -> None:
        """Take back what `save` returned."""
