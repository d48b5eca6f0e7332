"""Randomness that is derived, never drawn from a global state.

Every random choice belongs to a key (seed, purpose, round, client, …). Its stream depends on that
key alone, so adding a client, a round or a model changes nobody else's draws.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

__all__ = ["derive_generator", "derive_seed"]


def derive_seed(seed: int, purpose: str, *parts: int | str) -> int:
    """Return an unsigned 64-bit seed for one purpose.

    Args:
        seed: the seed of the run.
        purpose: what the draw is for ("shuffle", "dropout").
        parts: what tells this draw from others of the same purpose, such as round and client.

    Example:
        >>> derive_seed(42, "shuffle", 1, 0) == derive_seed(42, "shuffle", 1, 0)
        True
        >>> derive_seed(42, "shuffle", 1, 0) == derive_seed(42, "shuffle", 1, 1)
        False
    """
    key = "\x1f".join([str(seed), purpose, *(f"{type(p).__name__}:{p}" for p in parts)])
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "little")


def derive_generator(seed: int, purpose: str, *parts: int | str) -> np.random.Generator:
    """Return a NumPy generator whose stream depends on (seed, purpose, parts) alone."""
    return np.random.Generator(np.random.Philox(key=derive_seed(seed, purpose, *parts)))
