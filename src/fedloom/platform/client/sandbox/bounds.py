"""What a command of a package may use, and which files it sees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Bounds", "View"]

_MEBI, _GIBI = 1024**2, 1024**3


@dataclass(frozen=True)
class Bounds:
    """How much one call may use.

    Attributes:
        memory_bytes: of data for each of its processes (the system's RLIMIT_DATA, which unlike
            RLIMIT_AS leaves out what frameworks only reserve), and in use by all of them together.
        file_bytes: of one file that it writes.
        folder_bytes: of all that it keeps in its folder.
        processes: at one time.
    """

    memory_bytes: int = 8 * _GIBI
    file_bytes: int = 4 * _GIBI
    folder_bytes: int = 16 * _GIBI
    processes: int = 256


@dataclass(frozen=True)
class View:
    """Which files a command sees, all of them absolute and without symbolic links.

    Attributes:
        writable: the folder that it may write in.
        hidden: files and folders that it finds empty.
        shown: files and folders to read that lie inside of hidden ones.
        note: file in which the processes that begin calls are noted: they are not leftovers.
    """

    writable: Path
    hidden: tuple[Path, ...] = ()
    shown: tuple[Path, ...] = ()
    note: Path | None = None
