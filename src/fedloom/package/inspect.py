"""What a package holds, before anyone trusts it with data."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from fedloom.errors import PackageError
from fedloom.package.archive import digest_file, digest_folder, extract_archive
from fedloom.package.content import LIMIT_BYTES, Content, PackedFile, list_content
from fedloom.package.environment.environment_file import EnvironmentFile, read_environment_file
from fedloom.package.project import Project, read_project

__all__ = ["PackageReport", "inspect_package"]

_DATA = tuple(
    "*.npz *.npy *.csv *.tsv *.parquet *.arrow *.feather *.jsonl *.h5 *.hdf5 *.pt *.pkl".split()
)
_SECRETS = tuple(".env *.pem *.key id_rsa id_ed25519 .netrc credentials*.json".split())
_LARGE_BYTES = 10 * 1024**2


@dataclass(frozen=True)
class PackageReport:
    """A package, as a folder or an archive.

    Attributes:
        path: what was inspected.
        is_archive: whether it is an archive.
        sha256: of the archive, or of the one that the folder would give.
        project_file: its path inside the package.
        entry_points: name → command.
        environment: what the environment file asks for, its paths as inside the package; None
            means the current environment.
        files: what the package holds, in its order.
        left_out: what of the folder stays out; unknown, and empty, for an archive.
        size_bytes: of all files together.
        warnings: one line each.
    """

    path: Path
    is_archive: bool
    sha256: str
    project_file: str
    entry_points: Mapping[str, str]
    environment: EnvironmentFile | None
    files: tuple[PackedFile, ...]
    left_out: tuple[str, ...]
    size_bytes: int
    warnings: tuple[str, ...]


def inspect_package(path: Path, *, limit_bytes: int = LIMIT_BYTES) -> PackageReport:
    """Read a package without running anything of it.

    Args:
        path: a package's folder, or its archive, which is unpacked into a folder that is removed
            again.
        limit_bytes: bytes that its files may have together.

    Raises:
        PackageError: the package is missing, wrong, or refused; the message says why.
    """
    if path.is_dir():
        content = list_content(path, limit_bytes=limit_bytes)
        return _report(path, path, content, digest_folder(path, limit_bytes=limit_bytes))
    sha256 = digest_file(path)
    with tempfile.TemporaryDirectory(prefix="fedloom-package-") as scratch:
        folder = Path(scratch).resolve() / "package"
        extract_archive(path, folder, limit_bytes=limit_bytes, sha256=sha256)
        try:
            return _report(path, folder, _list_unpacked(folder), sha256)
        except PackageError as error:
            raise PackageError(str(error).replace(str(folder), str(path))) from error


def _list_unpacked(folder: Path) -> Content:
    """List every file of an unpacked archive, also those that its own ignore files name."""
    files = [
        PackedFile(
            path.relative_to(folder).as_posix(), path.stat().st_size, os.access(path, os.X_OK)
        )
        for path in folder.rglob("*")
        if path.is_file()
    ]
    return Content(sorted(files, key=lambda file: file.name.encode()))


def _report(path: Path, folder: Path, content: Content, sha256: str) -> PackageReport:
    project = read_project(folder)
    top = folder.resolve()
    warnings = [*project.warnings, *_list_gaps(project), *_list_doubts(content)]
    return PackageReport(
        path=path,
        is_archive=path.is_file(),
        sha256=sha256,
        project_file=project.file.relative_to(top).as_posix(),
        entry_points={name: entry.command for name, entry in project.entry_points.items()},
        environment=_read_environment(project, top),
        files=tuple(content.files),
        left_out=tuple(content.left_out),
        size_bytes=content.size_bytes,
        warnings=tuple(warning.replace(str(top), str(path)) for warning in warnings),
    )


def _read_environment(project: Project, top: Path) -> EnvironmentFile | None:
    """Read the environment file; its paths are those inside the package."""
    if project.python_env is None:
        return None
    found = read_environment_file(project.python_env)
    inner = tuple(Path(os.path.relpath(file, top)) for file in found.files)
    return replace(found, path=project.python_env.relative_to(top), files=inner)


def _list_gaps(project: Project) -> Iterator[str]:
    if "train" not in project.entry_points:
        yield f"{project.file} has no entry point 'train': no client can learn with it"


def _list_doubts(content: Content) -> Iterator[str]:
    """Name the files that may be there by mistake, and ignore lines that may not do as meant."""
    for file in content.files:
        name = file.name.rpartition("/")[2]
        if any(fnmatchcase(name, pattern) for pattern in _SECRETS):
            yield f"{file.name} looks like a secret, and goes wherever the package goes"
        elif any(fnmatchcase(name, pattern) for pattern in _DATA):
            yield f"{file.name} ({file.size_bytes:,} bytes) looks like data: is it to leave?"
        elif file.size_bytes > _LARGE_BYTES:
            yield f"{file.name} is large: {file.size_bytes:,} bytes"
    for line in content.negated:
        yield (
            f"ignore line {line!r}: what another line names stays out, because the systems that "
            f"packages come from know no '!'"
        )
