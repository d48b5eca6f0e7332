"""A platform's models and their versions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fedloom.errors import LinkError, NotFoundError
from fedloom.package.archive import digest_file
from fedloom.package.signing import read_signature
from fedloom.platform.connection.link import ApiLink, read_json
from fedloom.platform.connection.values import (
    LineageStep,
    Model,
    ValueT,
    Version,
    read_list,
    read_value,
)

__all__ = ["Models", "model_path"]

_PAGE = 100


class Models:
    """What can be done with models; all of it raises `FedloomError` where the platform says no.

    Args:
        link: to the API.
    """

    def __init__(self, link: ApiLink) -> None:
        self._link = link

    def list(self) -> Sequence[Model]:
        """Return all models, by name."""
        return [*self._all("/models", Model)]

    def versions(self, name: str) -> Sequence[Version]:
        """Return all versions of a model, newest first."""
        return [*self._all(f"{model_path(name)}/versions", Version)]

    def latest(self, name: str) -> Version:
        """Return a model's newest version; raises `NotFoundError` if it has none."""
        found = next(self._all(f"{model_path(name)}/versions", Version, 1), None)
        if found is None:
            raise NotFoundError(f"model {name!r} has no version: push a package under its name")
        return found

    def get(self, name: str, version: int) -> Version:
        """Return a version of a model."""
        return read_value(Version, self._link.get(_version_path(name, version)))

    def lineage(self, name: str, version: int) -> LineageStep | None:
        """Return where a version's weights come from, or None where no task made it."""
        found = self._link.get(f"{_version_path(name, version)}/lineage")
        return None if found is None else read_value(LineageStep, found)

    def schema(self, name: str, version: int) -> Any:
        """Return what a task for a version may say, as the new-task form shows it."""
        return self._link.get(f"{_version_path(name, version)}/schema")

    def download(self, name: str, version: int, path: str | PathLike[str]) -> Path:
        """Write a version's weights to a file (npz), and check that it is whole; it is replaced.

        Raises:
            LinkError: it is not what the version says.
        """
        return self._fetch(name, version, "weights", Path(path))

    def download_package(self, name: str, version: int, path: str | PathLike[str]) -> Path:
        """Write a version's package to a file (tgz), and check that it is whole; it is replaced.

        Raises:
            LinkError: it is not what the version says.
        """
        return self._fetch(name, version, "package", Path(path))

    def sign(self, name: str, version: int, signatures: Sequence[str | PathLike[str]]) -> Version:
        """Keep signatures of a version's package, beside those that it has.

        Args:
            name: of the model.
            version: of it.
            signatures: files that `fedloom package sign` wrote.

        Raises:
            InputError: a file holds none, or one of another package.
        """
        signed = [read_signature(Path(file)).describe() for file in signatures]
        path = f"{_version_path(name, version)}/signatures"
        answer = self._link.ask("PUT", path, json={"signatures": signed})
        return read_value(Version, read_json(answer))

    def delete(self, name: str, version: int) -> None:
        """Delete a version of a model."""
        self._link.send("DELETE", _version_path(name, version))

    def _fetch(self, name: str, version: int, part: str, path: Path) -> Path:
        told = self.get(name, version)
        wanted = told.digest if part == "package" else told.weights_digest
        target = self._link.download(f"{_version_path(name, version)}/{part}", path)
        found = digest_file(target)
        if wanted and found != wanted:
            target.unlink()
            raise LinkError(
                f"the {part} of {told} came with the SHA-256 {found[:16]}… instead of"
                f" {wanted[:16]}…: it was damaged on its way"
            )
        return target

    def _all(self, path: str, kind: type[ValueT], size: int = _PAGE) -> Iterator[ValueT]:
        """Yield what is on all pages; the next one's token is in the answer or in a header."""
        token: str | None = None
        while True:
            answer = self._link.ask("GET", path, query={"limit": size, "token": token})
            found = read_json(answer)
            yield from read_list(kind, found)
            told = found.get("next_token") if isinstance(found, dict) else None
            following = told or answer.headers.get("X-Next-Token")
            if not following or following == token:
                return
            token = following


def model_path(name: str) -> str:
    """Return where a model is, whatever characters its name has."""
    return f"/models/{quote(name, safe='')}"


def _version_path(name: str, version: int) -> str:
    return f"{model_path(name)}/versions/{version:d}"
