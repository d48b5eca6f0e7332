"""The archive of a package: the same bytes for the same files, on any machine and at any time."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from fedloom.errors import OutputError, PackageError
from fedloom.files import open_replacing
from fedloom.package.content import LIMIT_BYTES, Content, PackedFile, list_content
from fedloom.package.environment.environment_file import read_environment_file
from fedloom.package.extract import digest_file, extract_archive
from fedloom.package.project import Project, read_project
from fedloom.package.stored_gzip import StoredGzip

__all__ = [
    "LIMIT_BYTES",
    "Archive",
    "create_archive",
    "digest_file",
    "digest_folder",
    "extract_archive",
]

_CHUNK_BYTES = 1024**2


@dataclass(frozen=True)
class Archive:
    """An archive that was written.

    Attributes:
        path: where it is.
        sha256: of its bytes, in hexadecimal.
        size_bytes: of the archive; it is not compressed, see `StoredGzip`.
        files: what it holds, in its order.
    """

    path: Path
    sha256: str
    size_bytes: int
    files: tuple[PackedFile, ...]


def create_archive(folder: Path, output: Path, *, limit_bytes: int = LIMIT_BYTES) -> Archive:
    """Pack a package's folder into a ``.tgz``.

    Equal files give equal bytes: names are sorted, times and owners are left out, and of a file's
    mode only whether it can be executed is kept. Folders without files are not packed.

    Args:
        folder: holds the project file, at best directly.
        output: the archive; it is replaced, and may lie inside the folder.
        limit_bytes: bytes that the files may have together.

    Raises:
        PackageError: the project is wrong or kept out by an ignore file, a file cannot be packed,
            or the limit is passed.
        OutputError: `output` cannot be written.
    """
    if output.is_dir():
        raise OutputError(f"{output} is a folder: name a file in it, such as {output}/package.tgz")
    files = _list_package(folder, output, limit_bytes)
    with open_replacing(output) as file:
        stream = StoredGzip(file.write)
        _write_tar(folder, files, stream.write)
        sha256 = stream.finish()
    return Archive(output, sha256, stream.size_bytes, files)


def digest_folder(folder: Path, *, limit_bytes: int = LIMIT_BYTES) -> str:
    """Return the SHA-256 that the archive of a folder would have, without writing it.

    Raises:
        PackageError: as for `create_archive`.
    """
    stream = StoredGzip(len)
    _write_tar(folder, _list_package(folder, None, limit_bytes), stream.write)
    return stream.finish()


def _list_package(folder: Path, output: Path | None, limit_bytes: int) -> tuple[PackedFile, ...]:
    project = read_project(folder)
    content = list_content(folder, besides=output, limit_bytes=limit_bytes)
    _check_complete(project, content, folder)
    return tuple(content.files)


def _check_complete(project: Project, content: Content, folder: Path) -> None:
    """Refuse a package from which an ignore file keeps out what it cannot do without."""
    names = {file.name for file in content.files}
    top = folder.resolve()
    needed = [project.file]
    if project.python_env is not None:
        needed += [project.python_env, *read_environment_file(project.python_env).files]
    for path in needed:
        if (name := Path(os.path.relpath(path, top)).as_posix()) not in names:
            raise PackageError(
                f"{name} is not among what is packed of {folder}, but the package needs it: is it "
                f"in an ignore file?"
            )


def _write_tar(
    folder: Path, files: tuple[PackedFile, ...], write: Callable[[bytes | memoryview], None]
) -> None:
    total = 0
    for file in files:
        header = tarfile.TarInfo(file.name)
        header.size = file.size_bytes
        header.mode = 0o755 if file.executable else 0o644
        raw = header.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
        padding = bytes(-file.size_bytes % tarfile.BLOCKSIZE)
        write(raw)
        _write_content(folder / file.name, file, write)
        write(padding)
        total += len(raw) + file.size_bytes + len(padding)
    total += 2 * tarfile.BLOCKSIZE
    write(bytes(2 * tarfile.BLOCKSIZE + -total % tarfile.RECORDSIZE))


def _write_content(
    path: Path, file: PackedFile, write: Callable[[bytes | memoryview], None]
) -> None:
    buffer = memoryview(bytearray(min(_CHUNK_BYTES, file.size_bytes + 1)))
    left = file.size_bytes
    try:
        with _open_plain(path) as source:
            while read := source.readinto(buffer):
                left -= read
                if left < 0:
                    break
                write(buffer[:read])
    except OSError as error:
        raise PackageError(f"{path} cannot be read: {error.strerror or error}") from error
    if left:
        raise PackageError(f"{path} changed while it was being packed: try again")


def _open_plain(path: Path) -> FileIO:
    """Open a file, and not what a link put there since would point to."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    return FileIO(os.open(path, flags), "rb")
