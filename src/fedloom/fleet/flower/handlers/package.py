"""A node that runs a compute package for its tasks; the package's folder and runner stay warm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from typing import Any, TypeAlias

from fedloom.errors import FedloomError, LinkError
from fedloom.federation.fleet import Failure
from fedloom.fleet.flower.messages import (
    Answer,
    Describe,
    Description,
    Done,
    Evaluate,
    Evaluated,
    Failed,
    Forget,
    Request,
    Train,
    Trained,
)
from fedloom.fleet.package.reports import TRAIN_LOSS_NAMES, find_first
from fedloom.package.client_folder import ClientFolder
from fedloom.package.contract import list_scalars
from fedloom.package.trainer import Fault, PackageTrainer

__all__ = ["OpenSite", "PackageHandler", "PackageSite", "package_settings"]

_TRAINER = "package"


@dataclass(frozen=True)
class PackageSite:
    """A package at this node, ready for a task.

    Attributes:
        folder: its private copy, with the node's data.
        trainer: runs it.
        logs: takes what its commands print.
        close: removes all of it when the task is over.
    """

    folder: ClientFolder
    trainer: PackageTrainer
    logs: Path
    close: Callable[[], None]


OpenSite: TypeAlias = Callable[[str, Mapping[str, Any]], PackageSite]
"""From a task's name and settings to the package; raises `FedloomError` where it may not run."""


def package_settings(
    name: str,
    digest: str,
    use_case: str,
    settings: Any = None,
    signatures: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """Return what the nodes of a task are told.

    Args:
        name: of the package.
        digest: SHA-256 of its archive; nodes fetch it by this.
        use_case: names the data that a node must have.
        settings: what its scripts are told beside the round's number.
        signatures: of the archive, each a public key and the signature under these two names.
    """
    signed = {"signatures": [dict(one) for one in signatures]} if signatures else {}
    return {
        "trainer": _TRAINER,
        "use_case": use_case,
        "package": {"name": name, "digest": digest, **signed},
        "settings": dict(settings or {}),
    }


class PackageHandler:
    """Trains and validates with packages; see `Handler`.

    Args:
        describe: says whether the node takes part in a task with such settings; cheap, and asked
            before anything is fetched.
        open_site: makes the package ready, at the first order of a task.
    """

    def __init__(
        self, describe: Callable[[Mapping[str, Any]], Description], open_site: OpenSite
    ) -> None:
        self._describe, self._open_site = describe, open_site
        self._sites: dict[str, PackageSite] = {}
        self._locks: dict[str, Lock] = {}
        self._lock = Lock()

    def handle(self, request: Request, stop: Event) -> Answer:
        """Carry out one request; `LinkError` where a package cannot be fetched."""
        if isinstance(request, Describe):
            return self._describe(request.settings)
        if isinstance(request, Forget):
            self._close_site(request.task)
            return Done()
        if not isinstance(request, Train | Evaluate):
            return Done()
        with self._lock_of(request.task):
            site = self._site(request, stop)
            if isinstance(site, Fault):
                return _fail(site)
            if isinstance(request, Train):
                return _train(site, request, stop)
            return _validate(site, request, stop)

    def close(self) -> None:
        """Remove the packages of all tasks."""
        for task in list(self._sites):
            self._close_site(task)

    def _site(self, request: Train | Evaluate, stop: Event) -> PackageSite | Fault:
        """Return the package of a task, made ready and started if it is not yet."""
        found = self._sites.get(request.task)
        if found is not None:
            return found
        try:
            site = self._open_site(request.task, request.settings)
        except LinkError:
            raise  # where the package lies is out of reach; the order may come again from elsewhere
        except FedloomError as error:
            return Fault(Failure.REJECTED, str(error))
        fault = site.trainer.start(site.folder, log=site.logs / "startup.log", cancel=stop)
        if fault is not None:
            site.close()
            return fault
        self._sites[request.task] = site
        return site

    def _close_site(self, task: str) -> None:
        with self._lock_of(task):
            site = self._sites.pop(task, None)
            if site is not None:
                site.close()
        with self._lock:
            self._locks.pop(task, None)

    def _lock_of(self, task: str) -> Lock:
        with self._lock:
            return self._locks.setdefault(task, Lock())


def _train(site: PackageSite, request: Train, stop: Event) -> Answer:
    log = site.logs / f"round_{request.round:04d}.train.log"
    told = dict(request.settings.get("settings", {})) | {"round": request.round}
    done = site.trainer.train(site.folder, request.weights, told, log=log, cancel=stop)
    if isinstance(done, Fault):
        return _fail(done)
    update = done.update
    scalars = dict(list_scalars(update.metadata))
    return Trained(
        weights=update.weights,
        num_examples=update.num_examples,
        metrics=update.metadata,
        train_loss=find_first(scalars, TRAIN_LOSS_NAMES),
        train_seconds=done.seconds,
    )


def _validate(site: PackageSite, request: Evaluate, stop: Event) -> Answer:
    if "validate" not in site.trainer.project.entry_points:
        return Failed("rejected", "the package has no entry point validate")
    log = site.logs / f"round_{request.round:04d}.validate.log"
    told = dict(request.settings.get("settings", {})) | {"round": request.round}
    done = site.trainer.validate(site.folder, request.weights, told, log=log, cancel=stop)
    if isinstance(done, Fault):
        return _fail(done)
    return Evaluated(0, done.scalars, done.document)


def _fail(fault: Fault) -> Failed:
    return Failed(str(fault.failure), fault.reason, fault.tail)
