"""Finding and ending what confined commands left running, wherever it hides.

Each confined process has mounts of its own, which it cannot change and its children inherit. Among
them is the folder that it may write in, which nobody else has as a mount: that tells who belongs to
it, also when a process changed its session, its parent and its environment. (The number of a
namespace would not do: the system gives it to another one as soon as the first is gone.)
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, SIGSTOP
from time import monotonic, sleep

__all__ = ["end_confined", "find_confined", "read_note", "start_of", "sum_memory"]

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_END_SECONDS = 5.0
_LOOK_SECONDS = 0.01


def read_note(note: Path | None) -> frozenset[tuple[int, int]]:
    """Return the processes that began confined calls: number and time of start of each."""
    if note is None or not note.exists():
        return frozenset()
    pairs = (line.split() for line in note.read_text("ascii").splitlines())
    return frozenset((int(pair[0]), int(pair[1])) for pair in pairs if len(pair) == 2)


def find_confined(folder: Path) -> list[int]:
    """Return the living processes that are confined to a folder, or to one inside of it."""
    own = _space_of(os.getpid())
    return [
        pid
        for pid in _list_processes()
        if _space_of(pid) not in (0, own) and _is_confined(pid, folder) and _lives(pid)
    ]


def end_confined(folder: Path, *, besides: Collection[tuple[int, int]] = ()) -> int:
    """End all processes that are confined to a folder by force, and return how many there were.

    They are halted before they are ended, so that none can start another one meanwhile.

    Args:
        folder: as for `find_confined`.
        besides: processes to leave alone, see `read_note`.
    """
    ended: set[int] = set()
    until = monotonic() + _END_SECONDS
    while monotonic() < until:
        found = {pid for pid in find_confined(folder) if (pid, start_of(pid)) not in besides}
        if not found:
            break
        new = found - ended
        for pid in new or found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, SIGSTOP if new else SIGKILL)
        if not new:
            sleep(_LOOK_SECONDS)
        ended |= found
    return len(ended)


def sum_memory(pids: Collection[int]) -> int:
    """Return the bytes that processes use together; what they share counts once, in parts."""
    rough = sum(_read_rss(pid) for pid in pids)
    return rough if len(pids) < 2 else min(rough, sum(map(_read_proportional, pids)))


def start_of(pid: int) -> int:
    """Return when a process started, in the system's ticks; 0 where it is gone."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
    return 0


def _list_processes() -> list[int]:
    own = os.getpid()
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != own]  # noqa: PTH208


def _space_of(pid: int) -> int:
    try:
        return os.stat(f"/proc/{pid}/ns/user").st_ino  # noqa: PTH116 - asked thousands of times
    except OSError:
        return 0


def _is_confined(pid: int, folder: Path) -> bool:
    wanted = os.fsencode(folder)
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/mountinfo").read_bytes().splitlines():
            place = _unescape(line.split(b" ", 5)[4])
            if place == wanted or place.startswith(wanted + b"/"):
                return True
    return False


def _unescape(path: bytes) -> bytes:
    """Return a path of which the system wrote blanks and line ends as octal numbers."""
    return re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), path)


def _lives(pid: int) -> bool:
    with suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1]
        return state not in (b"Z", b"X")
    return False


def _read_rss(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE_BYTES
    return 0


def _read_proportional(pid: int) -> int:
    """Return what a process uses, pages of several divided among them."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return _read_rss(pid)
