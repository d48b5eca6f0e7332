"""What counts as a client's result: the same in every fleet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from typing import Any

from fedloom.federation.fleet import ClientResult, Evaluation, Failure
from fedloom.federation.weights import Array, find_mismatch

__all__ = ["find_update_fault", "judge"]


def find_update_fault(
    weights: Sequence[Array], like: Sequence[Array], num_examples: Any
) -> str | None:
    """Return why what came from elsewhere is no update of the model of `like`, or None if it is.

    Weights that are not finite are left to `judge`, which counts them as diverged.

    Args:
        weights: that a client sent.
        like: the global weights.
        num_examples: rows that it says are behind them.
    """
    whole = isinstance(num_examples, int) and not isinstance(num_examples, bool)
    if not whole or num_examples < 1:
        return f"num_examples={num_examples!r}: a whole number of at least 1 would be right"
    return find_mismatch(weights, like)


def judge(
    measured: ClientResult, *, loss: float, norm: float, scored: Evaluation | None
) -> ClientResult:
    """Complete a client's result, and reject what diverged.

    Args:
        measured: the client and what its training took.
        loss: mean training loss.
        norm: L2 norm of its update; not finite where any of its weights is not, or where they
            went so far that float32 cannot hold the norm.
        scored: the client's own weights on the test part, if they were scored.
    """
    reached = replace(measured, train_loss=_finite(loss))
    if not isfinite(norm):
        return replace(
            reached,
            failure=Failure.DIVERGED,
            failure_detail="its weights are no longer finite; lower learning_rate",
        )
    return replace(
        reached,
        divergence=norm,
        local_loss=None if scored is None else _finite(scored.loss),
        local_score=None if scored is None else _finite(scored.score),
    )


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
