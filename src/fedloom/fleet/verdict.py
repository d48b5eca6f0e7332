"""What counts as a client's result: the same in every fleet on this machine."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

from fedloom.federation.fleet import ClientResult, Evaluation, Failure

__all__ = ["judge"]


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
