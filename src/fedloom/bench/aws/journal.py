"""The launcher's journal: what it is about to make, and what it has made, on disk at once."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from fedloom.errors import DataError
from fedloom.files import output_errors

__all__ = ["Journal", "find_region", "locate_journal", "read_journal", "uninterrupted"]


def locate_journal(run: Path) -> Path:
    """Return the journal of the run in a folder."""
    return run / ".aws" / "journal.jsonl"


class Journal:
    """Appends a line for each step, before and after it, and waits until it is on disk.

    Args:
        path: of the file; made with its folder.
        notify: called after each line, with it.
    """

    def __init__(
        self, path: Path, notify: Callable[[dict[str, str]], None] = lambda _: None
    ) -> None:
        self.path, self._notify = path, notify

    def note(self, what: str, state: str, name: str = "") -> None:
        """Write one line.

        Args:
            what: kind of the thing: ``bucket``, ``role``, …
            state: ``making``, ``made``, ``removing`` or ``removed``.
            name: its name or ids.

        Raises:
            OutputError: it cannot be written.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"time": now, "what": what, "state": state, "name": name}
        with output_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
                file.flush()
                os.fsync(file.fileno())
        self._notify(line)

    @contextmanager
    def step(self, what: str, name: str) -> Iterator[None]:
        """Note that something is made, before and after the block, in which no signal disturbs.

        Raises:
            OutputError: the journal cannot be written; nothing is made then.
        """
        self.note(what, "making", name)
        with uninterrupted():
            yield
        self.note(what, "made", name)


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a journal; a last one that is torn is left out.

    Raises:
        DataError: it cannot be read.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def find_region(run: Path) -> str | None:
    """Return the region where a run was begun, None where its folder does not say.

    Raises:
        DataError: its journal cannot be read.
    """
    lines = read_journal(locate_journal(run))
    regions = [line["name"] for line in lines if line.get("what") == "region"]
    return regions[-1] if regions else None


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Put off Ctrl-C and a request to end until the block is over.

    An answer of AWS that says what was made is so never lost. The block must be short, or bounded.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *call: came.append(call)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if came:
            signal.raise_signal(came[0][0])
