"""Removing a folder whose content others decided."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import sleep

__all__ = ["remove_tree"]

_LOGGER = logging.getLogger(__name__)

_TRIES = 3
_PAUSE_SECONDS = 0.1


def remove_tree(folder: Path) -> None:
    """Remove a folder with all in it, also what was made unreadable; links are not followed.

    What cannot be removed is logged: nobody who waits for an answer can mend it.
    """
    for attempt in range(_TRIES):
        if not folder.is_symlink() and not folder.exists():
            return
        if attempt:
            sleep(_PAUSE_SECONDS)  # something may have been written meanwhile
        if folder.is_symlink() or not folder.is_dir():
            with suppress(OSError):
                folder.unlink()
        else:
            shutil.rmtree(folder, onerror=_open_and_retry)
    if folder.exists():
        _LOGGER.error("%s cannot be removed; remove it by hand", folder)


def _open_and_retry(act: Callable[..., object], path: str, _error: object) -> None:
    """Give ourselves the rights that were taken away, and try once more."""
    with suppress(OSError):
        for place in (os.path.dirname(path), path):  # noqa: PTH120 - as rmtree has it
            if not os.path.islink(place):  # noqa: PTH114
                os.chmod(place, 0o700)  # noqa: PTH101
        if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114
            shutil.rmtree(path, ignore_errors=True)
        elif act is not os.open:
            act(path)
        else:
            os.unlink(path)  # noqa: PTH108
