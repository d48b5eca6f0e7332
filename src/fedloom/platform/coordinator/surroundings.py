"""What all tasks of a coordinator share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fedloom.fleet.flower.link import Link
from fedloom.fleet.flower.registered import Registered
from fedloom.platform.coordinator.settings import CoordinatorSettings
from fedloom.platform.registry import Registry
from fedloom.platform.store import Store

__all__ = ["Surroundings"]


@dataclass(frozen=True)
class Surroundings:
    """What all tasks of a coordinator share.

    Attributes:
        store: holds the tasks.
        registry: holds packages and weights.
        links: the SuperLinks.
        folder: for the folders of tasks.
        owner: this coordinator, as leases name it.
        settings: how it works.
        names: registered names with their keys.
    """

    store: Store
    registry: Registry
    links: Sequence[Link]
    folder: Path
    owner: str
    settings: CoordinatorSettings
    names: Registered

    @property
    def private(self) -> tuple[Path, ...]:
        """Files and folders that code of packages must not see."""
        files = [self.folder, *filter(None, [self.store.file])]
        # Beside them lie keys and tokens; the root of everything is no folder of ours.
        return tuple(f if f.parent == Path(f.anchor) else f.parent for f in files)
