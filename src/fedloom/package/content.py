"""The files of a package: those in its folder that no ignore file and no rule keeps out."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fedloom.errors import PackageError
from fedloom.package.ignore import IgnoreLines, is_never_packed, read_ignore_lines
from fedloom.package.names import NameRegister, check_name

__all__ = ["LIMIT_BYTES", "MOST_FILES", "Content", "PackedFile", "list_content"]

LIMIT_BYTES = 1024**3
"""Bytes that a package may hold, unpacked, where nothing else is said."""

MOST_FILES = 50_000
"""Files and folders that a package may hold."""


@dataclass(frozen=True, order=True)
class PackedFile:
    """A file of a package.

    Attributes:
        name: its path from the package's folder, with forward slashes.
        size_bytes: its size.
        executable: whether its owner may execute it; nothing else of its mode is kept.
    """

    name: str
    size_bytes: int
    executable: bool = False


@dataclass
class Content:
    """What a folder gives to a package.

    Attributes:
        files: in the order of the archive, by the bytes of their names.
        left_out: files and folders (these end in ``/``) that an ignore file or a rule keeps out.
        negated: ignore lines that begin with ``!``.
    """

    files: list[PackedFile] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    negated: list[str] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size_bytes for file in self.files)


def list_content(
    folder: Path, *, besides: Path | None = None, limit_bytes: int = LIMIT_BYTES
) -> Content:
    """List what of a folder belongs to its package.

    Ignore files hold for the folder in which they lie and all below, as with git.

    Args:
        folder: the package's folder.
        besides: a file that stays out, because it is the archive itself.
        limit_bytes: bytes that the files may have together.

    Raises:
        PackageError: a file is a link or a device, has a name that is refused, or the limit is
            passed.
    """
    content = Content()
    register = NameRegister()
    archive = besides.parent.resolve() / besides.name if besides else None
    for file in _walk(folder.resolve(), "", (), content, archive):
        register.add_file(check_name(file.name))
        content.files.append(file)
        if len(content.files) > MOST_FILES:
            raise PackageError(f"{folder} holds more than {MOST_FILES} files: {_ADVICE}")
    if content.size_bytes > limit_bytes:
        largest = max(content.files, key=lambda file: file.size_bytes)
        raise PackageError(
            f"{folder} holds {content.size_bytes:,} bytes and a package at most {limit_bytes:,}; "
            f"the largest file is {largest.name} with {largest.size_bytes:,}: {_ADVICE}"
        )
    content.files.sort(key=lambda file: file.name.encode())
    content.left_out.sort()
    return content


_ADVICE = "name in .ignore what does not belong to it"


def _walk(
    folder: Path,
    prefix: str,
    outer: tuple[tuple[int, IgnoreLines], ...],
    content: Content,
    archive: Path | None,
) -> Iterator[PackedFile]:
    """Yield the files of a folder and of those below it.

    Args:
        folder: the folder, absolute.
        prefix: its path from the package's folder, with a slash at the end, or empty.
        outer: ignore lines of the folders above, each with the length of its folder's prefix.
        content: where to note what is left out.
        archive: a file that is left out without a word.
    """
    lines = read_ignore_lines(folder)
    if lines is not None:
        outer = (*outer, (len(prefix), lines))
        content.negated += lines.negated
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise PackageError(f"{folder} cannot be read: {error.strerror or error}") from error
    for entry in entries:
        path, name = Path(entry.path), prefix + entry.name
        if archive and path.parent == archive.parent and _is_archive(path.name, archive.name):
            continue
        is_folder = entry.is_dir(follow_symlinks=False)
        if is_never_packed(path, is_folder=is_folder) or _is_ignored(name, entry, outer):
            content.left_out.append(name + "/" * is_folder)
        elif is_folder:
            yield from _walk(path, f"{name}/", outer, content, archive)
        else:
            yield _describe(entry, name)


def _is_archive(name: str, archive: str) -> bool:
    """Say whether a name is the archive's, or that of a half-written one beside it."""
    return name == archive or name.startswith(f".{archive}.")


def _is_ignored(
    name: str, entry: os.DirEntry[str], outer: tuple[tuple[int, IgnoreLines], ...]
) -> bool:
    for start, lines in outer:
        inner = name[start:]
        # A link may stand for a folder, and `data/` was meant for it too.
        like_folder = entry.is_dir(follow_symlinks=False) or entry.is_symlink()
        if like_folder and lines.exclude_folder(inner):
            return True
        if not entry.is_dir(follow_symlinks=False) and lines.exclude_file(inner):
            return True
    return False


def _describe(entry: os.DirEntry[str], name: str) -> PackedFile:
    found = entry.stat(follow_symlinks=False)
    if entry.is_symlink():
        raise PackageError(
            f"{name!r} is a symbolic link: a package holds plain files, so copy what it points to, "
            f"or name it in .ignore"
        )
    if not stat.S_ISREG(found.st_mode):
        raise PackageError(f"{name!r} is no plain file: name it in .ignore")
    return PackedFile(name, found.st_size, bool(found.st_mode & stat.S_IXUSR))
