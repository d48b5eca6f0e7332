"""What describes a client's training, small enough to send to another process."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LocalTraining"]


@dataclass(frozen=True)
class LocalTraining:
    """How every client of a run trains.

    Attributes:
        model: see `fedloom.learning.models.build_model`.
        hidden: widths of the hidden layers, or None for the model's own.
        seed: determines the initial weights.
        epochs: passes over a client's rows in a round.
        batch_size: rows in a step.
        optimizer: the local optimizer's name.
        learning_rate: its step size.
        backend: what Keras computes with.
    """

    model: str
    hidden: tuple[int, ...] | None
    seed: int
    epochs: int
    batch_size: int
    optimizer: str
    learning_rate: float
    backend: str = "jax"
