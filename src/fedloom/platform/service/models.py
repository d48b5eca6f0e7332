"""Models and their versions in the registry."""

from __future__ import annotations

from pathlib import Path

from fedloom.platform.identity import Identity, Permission, require
from fedloom.platform.registry import (
    Lineage,
    Model,
    Page,
    Version,
    delete_version,
    download_package,
    download_weights,
    find_package,
    get_lineage,
    get_version,
    list_models,
    list_versions,
)
from fedloom.platform.service.desk import Desk
from fedloom.platform.service.task_form import TaskForm, describe_form

__all__ = ["ModelService"]


class ModelService(Desk):
    """What people do with models; all of it raises `LinkError` where the registry is away."""

    def models(self, who: Identity, limit: int = 50, token: str | None = None) -> Page[Model]:
        """Return some of the models, by name; see `list_models`."""
        require(who, Permission.VIEW)
        return list_models(self.registry, limit=limit, token=token)

    def versions(
        self, who: Identity, name: str, limit: int = 50, token: str | None = None
    ) -> Page[Version]:
        """Return some of a model's versions, newest first; see `list_versions`."""
        require(who, Permission.VIEW)
        return list_versions(self.registry, name, limit=limit, token=token)

    def version(self, who: Identity, name: str, number: int) -> Version:
        """Return a version; raises `NotFoundError` where there is none."""
        require(who, Permission.VIEW)
        return get_version(self.registry, name, number)

    def lineage(self, who: Identity, name: str, number: int) -> Lineage | None:
        """Return where a version's weights come from, or None where no task made it."""
        return get_lineage(self.registry, self.version(who, name, number))

    def weights(self, who: Identity, name: str, number: int) -> Path:
        """Return the file of a version's weights (npz); it must not be changed."""
        return download_weights(self.registry, self.version(who, name, number))

    def package_archive(self, who: Identity, name: str, number: int) -> Path:
        """Return the file of a version's package (tgz); it must not be changed."""
        return download_package(self.registry, self.version(who, name, number))

    def package_by_digest(self, who: Identity, digest: str) -> Path:
        """Return the file of the package with a SHA-256, in hexadecimal.

        Raises:
            NotFoundError: no version holds it.
        """
        require(who, Permission.VIEW)
        return download_package(self.registry, find_package(self.registry, digest))

    def delete_version(self, who: Identity, name: str, number: int) -> None:
        """Remove a version; raises `NotFoundError` where there is none."""
        require(who, Permission.MANAGE_MODELS)
        delete_version(self.registry, name, number)
        self._versions.forget(name, number)

    def schema(self, who: Identity, name: str, number: int) -> TaskForm:
        """Return what a form for a new task with this version needs."""
        version = self.version(who, name, number)
        archive = None
        if version.package is not None:
            archive = download_package(self.registry, version)
        return describe_form(version, archive)
