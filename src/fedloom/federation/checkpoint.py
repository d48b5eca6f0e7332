"""A loop's state as named arrays, for whoever stores them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fedloom.errors import DataError
from fedloom.federation.loop import LoopState

__all__ = ["pack_state", "unpack_state"]

_GROUPS = ("weights", "server", "shared")


def pack_state(state: LoopState) -> dict[str, Any]:
    """Return a state as arrays named ``weights/0``, ``server/0``, …, and ``round``."""
    from jax import tree

    packed: dict[str, Any] = {"round": np.int64(state.round)}
    for group in _GROUPS:
        leaves = tree.leaves(getattr(state, group))
        packed |= {f"{group}/{index}": np.asarray(leaf) for index, leaf in enumerate(leaves)}
    return packed


def unpack_state(packed: Mapping[str, Any], like: LoopState) -> LoopState:
    """Return the state that `pack_state` made arrays of.

    Args:
        packed: the arrays.
        like: a state of the same algorithm and model, such as that before the first round.

    Raises:
        DataError: the arrays belong to another algorithm or model.
    """
    groups = {group: _rebuild(packed, group, getattr(like, group)) for group in _GROUPS}
    return LoopState(round=int(packed["round"]), **groups)


def _rebuild(packed: Mapping[str, Any], group: str, like: Any) -> Any:
    from jax import tree

    leaves, structure = tree.flatten(like)
    names = [f"{group}/{index}" for index in range(len(leaves))]
    stored = [name for name in packed if name.startswith(f"{group}/")]
    fits = set(stored) == set(names) and all(
        np.shape(packed[name]) == np.shape(leaf) for name, leaf in zip(names, leaves, strict=True)
    )
    if not fits:
        raise DataError(f"the checkpoint's {group} belong to another model or algorithm")
    return tree.unflatten(structure, [np.asarray(packed[name]) for name in names])
