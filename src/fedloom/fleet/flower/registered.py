"""Names that operators gave to keys: nobody else may go by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

__all__ = ["Registered", "find_name_fault"]

Registered: TypeAlias = Callable[[], Mapping[str, str]]
"""Gives the registered names, each with the digest of its key (see `admission.digest_key`)."""


def find_name_fault(name: str, key: str, registered: Mapping[str, str]) -> str:
    """Return why a node may not go by a name; empty where it may.

    Args:
        name: what the node calls itself.
        key: digest of its key.
        registered: names with the digests of their keys.
    """
    owner = registered.get(name)
    if owner is None or owner == key:
        return ""
    return (
        f"other node's identity: {name!r} is registered with key {owner[:12]}…, and this node has "
        f"{key[:12]}…; register its key, or give it a name of its own"
    )
