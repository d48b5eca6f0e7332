"""What clients report beside their weights, and how a global score is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import Any

from fedloom.federation.fleet import Evaluation

__all__ = [
    "LOSS_NAMES",
    "SCORE_NAMES",
    "TRAIN_LOSS_NAMES",
    "ClientReport",
    "find_first",
    "score_reports",
]

LOSS_NAMES = ("test_loss", "validation_loss", "val_loss", "eval_loss", "loss")
"""What a package may call the loss of the weights it validates; the first found counts."""

SCORE_NAMES = (
    "test_accuracy",
    "validation_accuracy",
    "val_accuracy",
    "eval_accuracy",
    "accuracy",
    "test_score",
    "validation_score",
    "val_score",
    "score",
    "test_r2",
    "r2",
)
"""What a package may call the score of the weights it validates; the first found counts."""

TRAIN_LOSS_NAMES = ("train_loss", "training_loss", "loss")
"""What a package may call its mean loss in training."""


@dataclass
class ClientReport:
    """What one client reported in one round.

    Attributes:
        client_id: its name.
        num_examples: rows it trained on.
        metadata: what training said beside that; None where it did not end well.
        train: the numbers in it, by name.
        document: what validation wrote; None where there was none.
        validate: the numbers in it, by name.
        validated: whether there was a validation.
    """

    client_id: str
    num_examples: int = 0
    metadata: Mapping[str, Any] | None = None
    train: Mapping[str, float] = field(default_factory=dict)
    document: Any = None
    validate: Mapping[str, float] = field(default_factory=dict)
    validated: bool = False


def score_reports(reports: Sequence[ClientReport]) -> Evaluation:
    """Return the clients' mean loss and score, weighted by examples; NaN where nobody has one."""
    return Evaluation(_mean(reports, LOSS_NAMES), _mean(reports, SCORE_NAMES))


def find_first(values: Mapping[str, float], names: Sequence[str]) -> float:
    """Return the value of the first name that is there; NaN if none is."""
    return next((values[name] for name in names if name in values), nan)


def _mean(reports: Sequence[ClientReport], names: Sequence[str]) -> float:
    """All clients run the same package, so one name serves for all that have it."""
    for name in names:
        having = [r for r in reports if name in r.validate and r.num_examples > 0]
        if having:
            total = sum(r.num_examples for r in having)
            return sum(r.validate[name] * (r.num_examples / total) for r in having)
    return nan
