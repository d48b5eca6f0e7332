"""Packages that people bring: checked, built, and put into the registry."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import BoundedSemaphore

from fedloom.errors import LinkError
from fedloom.package.signing import Signature
from fedloom.platform.identity import Identity, Permission, require
from fedloom.platform.registry import Version, add_signatures, get_version, push_package
from fedloom.platform.service.build import make_builder
from fedloom.platform.service.desk import Desk

__all__ = ["PackageService"]

_AT_ONCE = 2
_WAIT_S = 30.0
_TURNS = BoundedSemaphore(_AT_ONCE)


class PackageService(Desk):
    """What people do with packages."""

    def push_package(
        self,
        who: Identity,
        archive: Path,
        name: str,
        use_case: str | None = None,
        seed_model: Path | None = None,
        description: str = "",
        signatures: Sequence[Signature] = (),
    ) -> Version:
        """Put a package into the registry as a version of a model; see `registry.push_package`.

        Args:
            who: asks.
            archive: the package, as people brought it.
            name: of the model.
            use_case: the only one that it is for; None for all.
            seed_model: npz file of the first weights; without one, the package's `build` makes them
                in a child, in the sandbox of the nodes.
            description: what people should know about it.
            signatures: of the package.

        Raises:
            PackageError: the package or the seed model is not as agreed, or `build` fails.
            InputError: the name or the use case cannot be used, or a signature is not of this
                package.
            LinkError: the registry cannot be reached, or too many packages come at once.
            OutputError: the disk is full.
        """
        require(who, Permission.PUSH_MODEL)
        with _take_turn():
            return push_package(
                self.registry,
                archive,
                name,
                use_case=use_case,
                seed_model=seed_model,
                description=description,
                signatures=signatures,
                build=make_builder(self._list_private()),
            )

    def sign_package(
        self, who: Identity, name: str, number: int, signatures: Sequence[Signature]
    ) -> Version:
        """Keep signatures of a version's package, beside those that it has; see `add_signatures`.

        Who may push may sign: pushing the same package again would do the same.
        """
        require(who, Permission.PUSH_MODEL)
        signed = add_signatures(self.registry, get_version(self.registry, name, number), signatures)
        self._versions.forget(name, number)
        return signed

    def _list_private(self) -> tuple[Path, ...]:
        """Return what a stranger's command must not see: databases, uploads, the owner's keys."""
        files = [self.store.file, self.registry.address.file]
        beside = [
            Path(f"{file}{ending}") for file in files if file for ending in ("", "-wal", "-shm")
        ]
        home = Path(os.path.expanduser("~"))  # noqa: PTH111 - no error where there is none
        keys = [home / name for name in (".ssh", ".aws", ".netrc", ".config")]
        return (self.folder, *beside, *keys)


@contextmanager
def _take_turn() -> Iterator[None]:
    """Let few packages be built at once: each may take a machine's memory."""
    if not _TURNS.acquire(timeout=_WAIT_S):
        raise LinkError(f"{_AT_ONCE} packages are being built already: try again in a minute")
    try:
        yield
    finally:
        _TURNS.release()
