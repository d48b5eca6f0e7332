"""Keys that people register with the platform, brought to SuperLinks that let in nobody else."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from fedloom.fleet.flower.link import Link

__all__ = ["Admission", "is_registered"]

_LOGGER = logging.getLogger(__name__)


class Admission:
    """Lets in whose key is registered, and nobody else.

    Args:
        links: SuperLinks that accept known nodes only.
    """

    def __init__(self, links: Sequence[Link]) -> None:
        self._links = links
        self._done: dict[int, Mapping[str, str]] = {}

    def admit(self, keys: Mapping[str, str]) -> None:
        """Bring every SuperLink up to date that is not.

        Args:
            keys: public keys by the nodes' names; those that are no PEM were not registered.

        Raises:
            InputError: one of them is no public key.
            LinkError: a SuperLink cannot be reached; call it again later.
        """
        from fedloom.fleet.flower.admission import sync_keys

        wanted = {name: key for name, key in keys.items() if is_registered(key)}
        for index, link in enumerate(self._links):
            if self._done.get(index) == wanted:
                continue
            pems = {name: key.encode() for name, key in wanted.items()}
            changes = sync_keys(link.endpoint, pems)
            for name, reason in changes.refused.items():
                _LOGGER.warning("node %s is not let in: %s", name, reason)
            told = [f"in: {', '.join(changes.admitted)}"] if changes.admitted else []
            told += [f"out: {', '.join(changes.removed)}"] if changes.removed else []
            if told:
                _LOGGER.info("SuperLink %s: %s", link.endpoint.address, "; ".join(told))
            self._done[index] = wanted


def is_registered(public_key: str) -> bool:
    """Say whether the store has a node's key itself, and not just its digest."""
    return public_key.lstrip().startswith("-----BEGIN")
