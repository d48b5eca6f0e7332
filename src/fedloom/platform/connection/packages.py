"""Pushing packages to a platform."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import httpx

from fedloom.errors import InputError, PackageError
from fedloom.package.archive import create_archive, digest_file
from fedloom.package.project import find_project_folder
from fedloom.package.signing import read_signature, sign_package
from fedloom.platform.connection.link import ApiLink, read_json
from fedloom.platform.connection.values import Version, read_value

__all__ = ["Packages"]

_BUILD_S = 3700.0
"""The platform gives a package's `build` an hour."""


class Packages:
    """What can be done with packages; all of it raises `FedloomError` where the platform says no.

    Args:
        link: to the API.
    """

    def __init__(self, link: ApiLink) -> None:
        self._link = link

    def push(
        self,
        path: str | PathLike[str],
        name: str,
        *,
        use_case: str | None = None,
        seed_model: str | PathLike[str] | None = None,
        description: str = "",
        key: str | PathLike[str] | None = None,
        signatures: Sequence[str | PathLike[str]] = (),
    ) -> Version:
        """Put a package into the platform's registry; what is there already stays that version.

        Its `Version.was_there` says so.

        Args:
            path: the package's folder, a folder around it, or an archive.
            name: of the model.
            use_case: nodes that hold data for it can train it; any if None.
            seed_model: file of the first weights; without one, the package's `build` makes them
                on the platform.
            description: what people should know about it.
            key: file of a private key that signs it, here; the key stays here.
            signatures: files of signatures that were made before.

        Raises:
            PackageError: the package is not as agreed.
            InputError: a name cannot be used, a file is missing, or a signature is not of this
                package.
        """
        with ExitStack() as stack:
            archive = _pack(Path(path), stack)
            files = {"file": ("package.tgz", _open(archive, stack), "application/gzip")}
            if seed_model is not None:
                seed = _open(Path(seed_model), stack)
                files["seed_model"] = (Path(seed_model).name, seed, "application/octet-stream")
            signed = [read_signature(Path(file)) for file in signatures]
            signed += [sign_package(archive, Path(key))] if key is not None else []
            fields = {"name": name, "use_case": use_case, "description": description or None}
            data: dict[str, Any] = {key: value for key, value in fields.items() if value}
            data["signature"] = [one.dump() for one in signed]
            answer = self._link.ask(
                "POST",
                "/packages",
                data=data,
                files=files,
                timeout=httpx.Timeout(self._link.timeout_s, read=_BUILD_S),
            )
        was_there = answer.status_code == httpx.codes.OK
        return read_value(Version, read_json(answer)).model_copy(update={"was_there": was_there})

    def download(self, digest: str, path: str | PathLike[str]) -> Path:
        """Write the archive with a SHA-256 to a file, and check that it is it.

        Raises:
            PackageError: it is another.
        """
        target = self._link.download(f"/packages/{digest}", Path(path))
        if (found := digest_file(target)) != digest:
            target.unlink()
            raise PackageError(f"the package has the SHA-256 {found[:16]}…, not {digest[:16]}…")
        return target


def _pack(path: Path, stack: ExitStack) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise InputError(f"{path} does not exist: name a package's folder or archive")
    working = stack.enter_context(TemporaryDirectory(prefix="fedloom-push-"))
    folder = find_project_folder(path)
    return create_archive(folder, Path(working) / "package.tgz").path


def _open(path: Path, stack: ExitStack) -> IO[bytes]:
    try:
        return stack.enter_context(path.open("rb"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
