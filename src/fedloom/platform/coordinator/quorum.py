"""How many updates make a round count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

from fedloom.errors import RunFailedError
from fedloom.federation.fleet import ClientResult

__all__ = ["count_quorum", "refuse_too_few"]

_NAMED = 5


def count_quorum(quorum: int | float | None, cohort: int) -> int:
    """Return how many updates a round of so many clients needs.

    Example:
        >>> count_quorum(None, 5), count_quorum(3, 5), count_quorum(0.5, 5)
        (1, 3, 3)
    """
    if quorum is None:
        return 1
    return quorum if isinstance(quorum, int) else max(1, ceil(quorum * cohort))


def refuse_too_few(
    number: int,
    results: Sequence[ClientResult],
    needed: int,
    name: Callable[[int], str],
    more: str = "",
) -> None:
    """Refuse a round that too few clients are in.

    Args:
        number: of the round.
        results: of its cohort.
        needed: updates that it needs.
        name: from a client's index to its name.
        more: what else is to be said.

    Raises:
        RunFailedError: the message says who is missing, and why.
    """
    failed = [result for result in results if result.failure is not None]
    accepted = len(results) - len(failed)
    if accepted >= needed:
        return
    told = [f"{name(r.client)}: {r.failure_detail or r.failure}" for r in failed[:_NAMED]]
    others = [f"and {len(failed) - _NAMED} more"] if len(failed) > _NAMED else []
    raise RunFailedError(
        f"round {number}: {accepted} of {len(results)} clients gave an update, {needed} would be"
        f" needed; {'; '.join([*told, *others])}{more}"
    )
