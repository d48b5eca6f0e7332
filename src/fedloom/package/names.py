"""Names that a file of a package may have, so that it can be unpacked safely on any machine."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

from fedloom.errors import PackageError

__all__ = ["NameRegister", "check_name"]

_DRIVE = re.compile(r"^[A-Za-z]:")
_LONGEST_PART = 255
"""Bytes that a file system grants one part of a path."""


def check_name(name: str) -> str:
    """Return a file's path inside a package in its one form: relative, with forward slashes.

    Args:
        name: as an archive or a folder has it; a leading ``./`` is dropped.

    Raises:
        PackageError: the name is absolute, leads out of the package, or cannot be written on every
            machine.
    """
    if name.startswith("/") or _DRIVE.match(name):
        raise PackageError(f"{name!r} is an absolute path: a package holds relative ones only")
    if "\\" in name:
        raise PackageError(f"{name!r} holds a backslash, which some machines read as a folder")
    parts = PurePosixPath(name).parts
    if ".." in parts:
        raise PackageError(f"{name!r} leads out of the package: '..' is refused")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise PackageError(f"{name!r} holds characters that are no text: rename the file")
    if any(len(part.encode()) > _LONGEST_PART for part in parts):
        raise PackageError(f"{name[:40]!r}… has a part longer than {_LONGEST_PART} bytes")
    return "/".join(parts)


class NameRegister:
    """The names of one package, of which no two may fall together on any machine.

    On some machines ``Data.py`` and ``data.py`` are one file, and letters with accents have two
    spellings; a file and a folder of one name are refused too.
    """

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._folders: dict[str, str] = {}

    def add_file(self, name: str) -> None:
        """Take a file's name, as `check_name` returned it.

        Raises:
            PackageError: it falls together with one that was taken before.
        """
        self._add_folder(name.rpartition("/")[0])
        key = _fold(name)
        if (other := self._files.get(key) or self._folders.get(key)) is not None:
            raise _collision(name, other)
        self._files[key] = name

    def add_folder(self, name: str) -> None:
        """Take a folder's name; the same one may come again.

        Raises:
            PackageError: it falls together with another one that was taken before.
        """
        self._add_folder(name)

    def _add_folder(self, name: str) -> None:
        while name and self._folders.get(key := _fold(name)) != name:
            if (other := self._files.get(key) or self._folders.get(key)) is not None:
                raise _collision(name, other)
            self._folders[key] = name
            name = name.rpartition("/")[0]


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _collision(name: str, other: str) -> PackageError:
    if name == other:
        return PackageError(f"{name!r} is there twice")
    return PackageError(f"{name!r} and {other!r} are the same file on some machines: rename one")
