"""Files in the registry: put in and read back, brought back and checked."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fedloom.errors import LinkError, NotFoundError, PackageError
from fedloom.federation.weights import Array, Weights
from fedloom.files import open_replacing
from fedloom.package.arrays import fit_arrays, read_arrays
from fedloom.platform.registry.cache import digest_of
from fedloom.platform.registry.failures import registry_errors
from fedloom.platform.registry.registry import Registry
from fedloom.platform.registry.version import StoredFile, Version

__all__ = [
    "download_package",
    "download_weights",
    "fetch_file",
    "load_weights",
    "store_file",
    "write_weights",
]

_FOLDER = "fedloom"
_DIGEST_LENGTH = 16
_LIMIT_BYTES = 4 * 1024**3


def download_package(registry: Registry, version: Version, to: Path | None = None) -> Path:
    """Bring a version's package, as an archive with the digest that the version names.

    Args:
        registry: where it is.
        version: which.
        to: the file to write; by default it stays in the cache, where it must not be changed.

    Raises:
        PackageError: the version holds no package, or not the one that it names.
        LinkError: the registry cannot be reached.
        OutputError: the file cannot be written.
    """
    return _download(registry, version, version.package, "package", to)


def download_weights(registry: Registry, version: Version, to: Path | None = None) -> Path:
    """Bring a version's weights as an npz file; see `download_package`."""
    return _download(registry, version, version.weights, "weights", to)


def load_weights(registry: Registry, version: Version) -> Weights:
    """Return a version's weights, in the order of its model.

    Raises:
        PackageError: the version holds none, not those that it names, or the file is no model.
        LinkError: the registry cannot be reached.
    """
    path = download_weights(registry, version)
    # Named by its version: its name in the cache is a digest.
    what = f"the weights of {version}"
    limit = max(_LIMIT_BYTES, path.stat().st_size)
    try:
        return fit_arrays(read_arrays(path, None, limit), None, what, [])
    except PackageError as error:
        raise PackageError(f"{what}: {error}") from error


def _download(
    registry: Registry, version: Version, stored: StoredFile | None, part: str, to: Path | None
) -> Path:
    if stored is None:
        raise PackageError(
            f"{version} holds no {part} that Fedloom put there: push a package with"
            " `fedloom package push`"
        )
    kept = fetch_file(registry, stored, f"the {part} of {version}")
    if to is None:
        return kept
    with kept.open("rb") as source, open_replacing(to) as target:
        shutil.copyfileobj(source, target, 1024**2)
    return to


def fetch_file(registry: Registry, stored: StoredFile, what: str) -> Path:
    """Return a file of the registry, from the cache if it is there.

    Raises:
        PackageError: it has another digest than it should have.
        LinkError: the registry cannot be reached.
    """

    def fetch(folder: Path) -> Path:
        client = registry.client()
        missing = (
            f"{what} is gone from the registry at {registry.address.shown}: its files or its run"
            " were deleted; put them back from a backup, or push the package again"
        )
        with registry_errors(registry.address, f"download {what}", missing=missing):
            try:
                return Path(client.download_artifacts(stored.run_id, stored.path, str(folder)))
            except Exception as error:
                if _is_missing(error):
                    raise NotFoundError(missing) from error
                raise

    return registry.cache.get(stored.sha256, what, fetch)


def _is_missing(error: Exception) -> bool:
    """Say whether a store of files, of whatever kind, says that it does not have one."""
    answer = getattr(error, "response", None)  # of S3 a mapping, of HTTP an object
    if isinstance(answer, Mapping):
        return str(answer.get("Error", {}).get("Code")) in ("404", "NoSuchKey", "NoSuchBucket")
    return isinstance(error, FileNotFoundError) or getattr(answer, "status_code", None) == 404


def store_file(
    registry: Registry, run_id: str, file: Path, *, like: Sequence[Array] | None = None
) -> StoredFile:
    """Put a file into a run, read it back, and compare.

    Its place is named by its digest, so two that put different files of one name do not overwrite
    each other, and doing it again after a crash mends what was left half.

    Args:
        registry: where to.
        run_id: of the run.
        file: what.
        like: for a file of weights, what must be in it, bit for bit.

    Raises:
        LinkError: the registry cannot be reached, or gives back something else.
        OutputError: its folder cannot be written.
    """
    sha256 = digest_of(file)
    folder = f"{_FOLDER}/{sha256[:_DIGEST_LENGTH]}"
    stored = StoredFile(run_id, f"{folder}/{file.name}", sha256, file.stat().st_size)
    client = registry.client()
    with registry.cache.working_folder() as back:
        with registry_errors(registry.address, f"put {file.name} into the registry"):
            client.log_artifact(run_id, str(file), folder)
            read = Path(client.download_artifacts(run_id, stored.path, back))
        if digest_of(read) != sha256 or (like is not None and not _holds(read, like)):
            raise LinkError(
                f"the registry at {registry.address.shown} gave back another {file.name} than it"
                " was given: nothing was published"
            )
        registry.cache.keep(read, sha256)
    return stored


def write_weights(file: Path, weights: Sequence[Array]) -> Path:
    """Write weights as npz with the keys "0" … "n-1": equal weights give equal bytes.

    Raises:
        OutputError: the file cannot be written.
    """
    with open_replacing(file) as opened:
        arrays: dict[str, Any] = {str(i): np.asarray(array) for i, array in enumerate(weights)}
        np.savez(opened, **arrays)
    return file


def _holds(file: Path, weights: Sequence[Array]) -> bool:
    """Compare one array after the other, so that no second model is in memory."""
    with np.load(file, allow_pickle=False) as read:
        return len(read.files) == len(weights) and all(
            _equal(read[str(index)], np.asarray(array)) for index, array in enumerate(weights)
        )


def _equal(read: Any, given: Any) -> bool:
    return read.dtype == given.dtype and bool(np.array_equal(read, given))
