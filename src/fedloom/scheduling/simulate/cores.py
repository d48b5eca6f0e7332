"""Which core simulates a policy."""

from __future__ import annotations

from typing import Literal

from fedloom.errors import InputError
from fedloom.scheduling.policy import Policy
from fedloom.scheduling.problem import NEVER, Problem

__all__ = ["Core", "choose_core", "is_static"]

Core = Literal["auto", "python", "compiled"]
"""Which core is asked for."""

_WORTH_COMPILING = 50_000
"""Tasks from which on the compiled core is taken by itself."""

_MOST_PLACES = 20_000_000
"""So many residents in all may the compiled core's tables have places for."""

_KEPT = ("group", "place", "choose", "evict", "started", "ended")


def is_static(policy: Policy) -> bool:
    """Return whether a policy changes nothing but the order, and that in a way known beforehand.

    It has the placement, the eviction and the rank of `Policy`, or a rank for which it gives
    `rank_all` (see `fedloom.scheduling.task_columns`).
    """
    kind = type(policy)
    if any(getattr(kind, name) is not getattr(Policy, name) for name in _KEPT):
        return False
    if any(name in vars(policy) for name in (*_KEPT, "rank", "rank_all")):
        return False
    ranked = next(each for each in kind.__mro__ if "rank" in vars(each))
    # Who changes the rank of such a policy must say anew what it is for all tasks.
    return ranked is Policy or any("rank_all" in vars(each) for each in _up_to(kind, ranked))


def choose_core(problem: Problem, policy: Policy, core: Core) -> Literal["python", "compiled"]:
    """Return which core simulates a policy.

    Raises:
        InputError: the compiled one was asked for, and cannot.
    """
    if core not in ("auto", "python", "compiled"):
        raise InputError(f"core={core!r}: give auto, python or compiled")
    if core == "python" or (core == "auto" and problem.tasks < _WORTH_COMPILING):
        return "python"
    if not is_static(policy) or _moves_deadlines(problem, policy):
        if core == "auto":
            return "python"
        raise InputError(
            f"core=compiled: policy {policy.name} does more than order the queue in a way that is "
            "known beforehand; use core=python"
        )
    return "compiled" if _places(problem) <= _MOST_PLACES else _refuse(core)


def _moves_deadlines(problem: Problem, policy: Policy) -> bool:
    """Return whether a rank may depend on deadlines that move with the arrivals of closed loops."""
    moving = (problem.after >= 0) & (problem.deadline_us != NEVER)
    return type(policy).rank is not Policy.rank and bool(moving.any())


def _up_to(kind: type[Policy], last: type) -> list[type]:
    mro = list(kind.__mro__)
    return mro[: mro.index(last) + 1]


def _places(problem: Problem) -> int:
    from fedloom.scheduling.simulate.kernel.tables import resident_places

    return len(problem.cluster.gpus) * resident_places(problem)


def _refuse(core: Core) -> Literal["python"]:
    if core == "compiled":
        raise InputError("core=compiled: too many models for so many GPUs; use core=python")
    return "python"
