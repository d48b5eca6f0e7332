"""What the fleet and its workers say to each other through Ray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedloom.data.dataset import Dataset
from fedloom.federation.fleet import ClientResult, LocalEvaluation
from fedloom.federation.objective import Objective
from fedloom.federation.weights import Weights
from fedloom.fleet.simulated.round_table import Capacity
from fedloom.learning.batches import RowLists
from fedloom.learning.local_training import LocalTraining

__all__ = ["Hello", "Parcel", "ParcelDone", "RoundOrder", "Welcome"]


@dataclass(frozen=True)
class Welcome:
    """What a worker needs once; its arrays lie in the object store, once per node.

    Attributes:
        dataset: that clients hold rows of.
        training: how clients train.
        objective: what they minimise.
        lists: the rows of all clients.
        client_state: what is remembered of a client that has not trained yet.
    """

    dataset: Dataset
    training: LocalTraining
    objective: Objective
    lists: RowLists
    client_state: Weights


@dataclass(frozen=True)
class Hello:
    """A worker is ready.

    Attributes:
        pid: of its process.
        node: name of its machine.
        version: of the Fedloom there.
    """

    pid: int
    node: str
    version: str


@dataclass(frozen=True)
class RoundOrder:
    """What all workers are told about a round; lies in the object store, once per node.

    Attributes:
        number: counts the orders of a fleet, so that one can be stopped.
        round: as the fields below, see `fedloom.federation.fleet.Order`.
        weights: the global weights.
        seed: of the run.
        shared: what the objective sends to all clients.
        local_evaluation: on how much of the test part clients' weights are scored.
        reducer: the reducer, pickled; equal bytes mean the same compiled program.
        capacity: size of the tables.
        wants_weights: whether clients' weights are handed out.
    """

    number: int
    round: int
    weights: Weights
    seed: int
    shared: Any
    local_evaluation: LocalEvaluation
    reducer: bytes
    capacity: Capacity
    wants_weights: bool


@dataclass(frozen=True)
class Parcel:
    """Clients that one worker trains in one go.

    Attributes:
        clients: in the order in which they train.
        states: what is remembered of each, where the objective remembers anything.
        time_left_s: seconds after which no other call of the lane begins; None for no limit.
    """

    clients: Sequence[int]
    states: Mapping[int, Weights]
    time_left_s: float | None


@dataclass(frozen=True)
class ParcelDone:
    """What became of a parcel.

    Attributes:
        fold: the reducer's state over its accepted updates.
        drift: the mean's state over what the objective returned; ``()`` for nothing.
        results: one per client.
        states: what is remembered from now on of each accepted client.
        weights: of each accepted client, where they were asked for.
        evaluate_seconds: wall time of scoring clients' own weights.
    """

    fold: Any
    drift: Any
    results: Sequence[ClientResult]
    states: Mapping[int, Weights]
    weights: Mapping[int, Weights]
    evaluate_seconds: float
