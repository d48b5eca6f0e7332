"""What a coordinator and a node say to each other, as plain typed messages.

A node's handler and the fleet know these only; nothing here knows Flower. Every message carries the
version of Fedloom and of this protocol (see `codec`). Arrays travel beside the rest, in named
groups (see `parcel`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from fedloom.federation.weights import Weights

__all__ = [
    "Answer",
    "Asked",
    "Cancel",
    "Describe",
    "Description",
    "Done",
    "Evaluate",
    "Evaluated",
    "Failed",
    "Forget",
    "Request",
    "State",
    "Tempo",
    "Train",
    "Trained",
]


_LEAST_HEARTBEAT_SECONDS, _MOST_GRACE_SECONDS = 10.0, 30.0


@dataclass(frozen=True)
class Tempo:
    """How often a node looks for messages; the coordinator knows how many nodes there are.

    Attributes:
        active_s: seconds between looks while a message is due soon.
        idle_s: seconds between looks while nothing is going on.
        heartbeat_s: after twice this time without a sign of life a node counts as gone, 10 to 1800.
    """

    active_s: float = 0.15
    idle_s: float = 5.0
    heartbeat_s: float = 10.0

    @classmethod
    def for_nodes(cls, count: int) -> Tempo:
        """Return what a SuperLink that serves 80 requests a second can bear from so many nodes.

        Looks take half of that while a message is due soon, and an eighth while nothing is going
        on; signs of life a twentieth.
        """
        heartbeat_s = min(1800.0, max(_LEAST_HEARTBEAT_SECONDS, 0.3 * count))
        return cls(max(0.15, count / 40), max(5.0, count / 10), heartbeat_s)

    @property
    def grace_s(self) -> float:
        """Seconds in which a node that seems to be gone may come back.

        None with up to 33 nodes. The more there are, the busier is their SuperLink, and the sooner
        signs of life are late.
        """
        return min(_MOST_GRACE_SECONDS, self.heartbeat_s - _LEAST_HEARTBEAT_SECONDS)


@dataclass(frozen=True)
class Describe:
    """Ask who a node is and whether it takes part.

    Attributes:
        task: of which it would be part.
        settings: what every client of the task is told.
    """

    verb: ClassVar[str] = "query.describe"
    task: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Train:
    """Train for one round; fields as in `fedloom.federation.fleet.Order`.

    Attributes:
        task: which the round belongs to.
        settings: what every client of the task is told.
        client: index of the client; what it draws is derived from it.
        client_state: what the objective remembers of the client.
    """

    verb: ClassVar[str] = "train"
    task: str
    settings: Mapping[str, Any]
    round: int
    client: int
    seed: int
    local_evaluation: str
    weights: Weights
    shared: Any = ()
    client_state: Any = ()


@dataclass(frozen=True)
class Evaluate:
    """Score weights on the node's own data; fields as in `Train`."""

    verb: ClassVar[str] = "evaluate"
    task: str
    settings: Mapping[str, Any]
    round: int
    client: int
    weights: Weights


@dataclass(frozen=True)
class Asked:
    """Ask where a node is with an order, by the order's name."""

    verb: ClassVar[str] = "query.asked"
    task: str
    order: str


@dataclass(frozen=True)
class Cancel:
    """Stop what a node does for a task; its orders are answered as failed."""

    verb: ClassVar[str] = "query.cancel"
    task: str


@dataclass(frozen=True)
class Forget:
    """The task is over: stop, and drop all that is kept for it."""

    verb: ClassVar[str] = "query.forget"
    task: str


Request: TypeAlias = Describe | Train | Evaluate | Asked | Cancel | Forget


@dataclass(frozen=True)
class Description:
    """Who a node is.

    Attributes:
        name: how the node calls itself; unique in a federation.
        takes_part: whether it holds the data that the task asks for and is allowed to.
        reason: why not, in one line.
        num_examples: training rows it holds for this task; 0 where only training can tell.
        attributes: anything else it says of itself.
        inside: whether it takes records inside of messages; see `parcel`.
    """

    name: str
    takes_part: bool = True
    reason: str = ""
    num_examples: int = 0
    attributes: Mapping[str, Any] = field(default_factory=dict)
    inside: bool = True


@dataclass(frozen=True)
class Trained:
    """The answer to `Train`.

    Attributes:
        weights: what the client ended the round with.
        num_examples: rows behind them.
        client_state: what the objective remembers of the client from now on.
        drift: what the objective returns to the server.
        metrics: what training said beside that.
        train_loss: as the other fields, see `fedloom.federation.fleet.ClientResult`.
    """

    weights: Weights
    num_examples: int
    client_state: Any = ()
    drift: Any = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    train_loss: float | None = None
    local_loss: float | None = None
    local_score: float | None = None
    train_seconds: float | None = None
    evaluate_seconds: float | None = None
    cpu_seconds: float | None = None


@dataclass(frozen=True)
class Evaluated:
    """The answer to `Evaluate`: the numbers by name, and the whole document behind them."""

    num_examples: int
    scalars: Mapping[str, float]
    document: Any = None


@dataclass(frozen=True)
class Failed:
    """An order could not be carried out.

    Attributes:
        failure: a value of `fedloom.federation.fleet.Failure`.
        reason: one line.
        tail: the last lines that a command printed.
    """

    failure: str
    reason: str
    tail: Sequence[str] = ()


@dataclass(frozen=True)
class State:
    """The answer to `Asked`: ``unknown``, ``waiting``, ``running`` or ``answered``."""

    state: str


@dataclass(frozen=True)
class Done:
    """The answer where there is nothing to say."""


Answer: TypeAlias = Description | Trained | Evaluated | Failed | State | Done
