"""Unpacking an archive from anyone: all is checked and bounded before a byte is written.

Every name, kind and size is checked here, more strictly than by the `data` filter of `tarfile`, and
the content is written by this module alone: `tarfile` only reads the headers. The archive is read
once, from front to end, so no more of it is ever unpacked than the limit allows.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, cast

from fedloom.errors import OutputError, PackageError
from fedloom.files import output_errors
from fedloom.package.content import LIMIT_BYTES, MOST_FILES
from fedloom.package.names import NameRegister, check_name
from fedloom.package.project import PROJECT_FILES

__all__ = ["digest_file", "extract_archive"]

_CHUNK_BYTES = 1024**2
_LARGEST_HEADER = 64 * 1024
_FRAME_BYTES = MOST_FILES * 3 * 1024
"""What headers and padding may add to the files' own bytes."""

_REFUSED_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        PackageError: the file is missing or cannot be read.
    """
    with _open_archive(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def extract_archive(
    path: Path, folder: Path, *, limit_bytes: int = LIMIT_BYTES, sha256: str | None = None
) -> None:
    """Unpack a package's archive into a fresh folder, or leave nothing behind.

    Args:
        path: a tar archive, compressed with gzip or bzip2 or not at all.
        folder: must not exist, or be empty.
        limit_bytes: bytes that the files may have together, unpacked.
        sha256: the digest that the archive must have, in hexadecimal.

    Raises:
        PackageError: the archive is missing, damaged, not the one that was asked for, too large,
            holds no project file, or holds anything but plain files with safe names.
        OutputError: the folder is not empty or cannot be written.
    """
    with _open_archive(path) as file:
        if sha256 is not None:
            found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != sha256.lower():
                raise PackageError(f"{path} has the SHA-256 {found} instead of {sha256}")
            file.seek(0)
        with _fresh_folder(folder) as fresh, _archive_errors(path), _decompress(file) as content:
            _unpack(_BoundedReader(content, limit_bytes + _FRAME_BYTES), fresh, limit_bytes)


@contextmanager
def _open_archive(path: Path) -> Iterator[BufferedReader]:
    if path.exists() and not path.is_file():
        raise PackageError(f"package {path} is no file")
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise PackageError(f"package {path} does not exist") from error
    except OSError as error:
        raise PackageError(f"{path} cannot be read: {error.strerror or error}") from error
    with file:
        yield file


@contextmanager
def _fresh_folder(folder: Path) -> Iterator[Path]:
    """Give a folder beside `folder` that takes its place when the block ends well."""
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise OutputError(f"{folder} exists and is not empty: name a new folder")
    with output_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield fresh
        with output_errors(folder):
            fresh.chmod(0o755)
            if folder.exists():
                folder.rmdir()
            fresh.rename(folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


@contextmanager
def _archive_errors(path: Path) -> Iterator[None]:
    """Name the archive in every fault of it."""
    try:
        yield
    except PackageError as error:
        raise PackageError(f"package {path}: {error}") from error
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise PackageError(f"package {path} is no readable archive: {reason}") from error


def _decompress(file: BufferedReader) -> IO[bytes]:
    magic = file.read(4)
    file.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=file, mode="rb"))
    if magic.startswith(b"BZh"):
        return cast(IO[bytes], bz2.BZ2File(file))
    if magic.startswith(b"PK"):
        raise PackageError("it is a zip archive: wanted is a .tgz, as `package create` writes it")
    return file


class _BoundedReader:
    """A stream that is read once and forwards only, up to a limit.

    As far as `tarfile` needs a file. It reads headers through `read`, which refuses a header so
    large that only an attack explains it; content is read with `read_content`.
    """

    def __init__(self, source: IO[bytes], limit_bytes: int) -> None:
        self._source = source
        self._limit = limit_bytes
        self._position = 0

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> None:
        """Skip forward to a position."""
        if position < self._position:
            raise PackageError("its headers lead backwards")
        while self._position < position:
            if not self.read_content(min(_CHUNK_BYTES, position - self._position)):
                return

    def read(self, size: int) -> bytes:
        """Read part of a header."""
        if not 0 <= size <= _LARGEST_HEADER:
            raise PackageError(f"it has a header of {size:,} bytes")
        return self.read_content(size)

    def read_content(self, size: int) -> bytes:
        """Read up to `size` bytes; none at the end of the stream."""
        data = self._source.read(size)
        self._position += len(data)
        if self._position > self._limit:
            raise PackageError(f"unpacked it passes the limit of {self._limit:,} bytes")
        return data


def _unpack(reader: _BoundedReader, folder: Path, limit_bytes: int) -> None:
    register = NameRegister()
    members = total = 0
    has_project = False
    # `tarfile` needs no more of a file than the reader has.
    with tarfile.open(fileobj=cast(Any, reader), mode="r:", encoding="utf-8") as archive:
        while (member := archive.next()) is not None:
            members += 1
            total += member.size
            if members > MOST_FILES or total > limit_bytes:
                raise PackageError(
                    f"it holds more than {limit_bytes:,} bytes or {MOST_FILES:,} files"
                )
            name = check_name(member.name)
            _check_kind(member, name)
            if member.isdir():
                register.add_folder(name)
                _make_folder(folder / name)
            else:
                register.add_file(name)
                _write_file(reader, member, folder / name)
                has_project |= name.rpartition("/")[2] in PROJECT_FILES
    while reader.read_content(_CHUNK_BYTES):
        pass  # the checksum stands at the end of the compressed stream
    if not has_project:
        raise PackageError(f"it holds no project file: wanted is one of {', '.join(PROJECT_FILES)}")


def _check_kind(member: tarfile.TarInfo, name: str) -> None:
    if member.isdir():
        return
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
        kind = _REFUSED_KINDS.get(member.type, "no plain file")
        raise PackageError(f"{name!r} is {kind}: a package holds plain files only")
    if not name:
        raise PackageError("it holds a file without a name")
    if member.size < 0:
        raise PackageError(f"{name!r} has a negative size")


def _make_folder(folder: Path) -> None:
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


def _write_file(reader: _BoundedReader, member: tarfile.TarInfo, target: Path) -> None:
    _make_folder(target.parent)
    with output_errors(target):
        file = target.open("xb")
    left = member.size
    with file:
        while left:
            data = reader.read_content(min(_CHUNK_BYTES, left))
            if not data:
                raise PackageError(f"it ends within {member.name!r}")
            left -= len(data)
            with output_errors(target):
                file.write(data)
        with output_errors(target):
            file.flush()
            target.chmod(0o755 if member.mode & 0o100 else 0o644)
