"""When a cell counts as diverged."""

from __future__ import annotations

from math import isfinite

from fedloom.errors import RunFailedError

__all__ = ["DIVERGED_TIMES", "DivergedError", "refuse_divergence"]

DIVERGED_TIMES = 100.0
"""A loss so many times that of the initial weights is a divergence: guessing costs far less."""

_SMALLEST_LOSS = 1e-6


class DivergedError(RunFailedError):
    """The weights have diverged: nothing that follows can be learnt from them."""


def refuse_divergence(number: int, loss: float | None, initial_loss: float) -> None:
    """Refuse to go on where the loss of a round is not finite or huge.

    Args:
        number: of the round.
        loss: of its weights on the held-out part; None counts as not finite.
        initial_loss: of the initial weights.

    Raises:
        DivergedError: it is.
    """
    limit = DIVERGED_TIMES * max(initial_loss, _SMALLEST_LOSS)
    if loss is None or not isfinite(loss):
        raise DivergedError(f"round {number}: the loss is not finite")
    if loss > limit:
        raise DivergedError(
            f"round {number}: the loss is {loss:.4g}, more than {DIVERGED_TIMES:g} times the"
            f" {initial_loss:.4g} of the initial weights"
        )
