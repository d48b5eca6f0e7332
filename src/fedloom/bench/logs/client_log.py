"""The log of a cell's client, in the messages that old extractors look for, with durations."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from fedloom.bench.logs.log_file import LogFile

__all__ = ["ClientLog"]

_PLACE = "client_log.py:1"
_USED = re.compile(r"history during (fit|evaluate)\(\) : .*'round': (\d+)")


class ClientLog:
    """Writes what a client does; a cell that goes on adds to what was written before.

    Args:
        path: of the file.
        backend: what computes.
        strategy: the federated algorithm.
        instance_id: the machine's name, which on EC2 begins with ``i-``.

    Raises:
        OutputError: the file cannot be read or written; so may every call.
    """

    def __init__(self, path: Path, backend: str, strategy: str, instance_id: str) -> None:
        self._file = LogFile(path, backend, strategy, _PLACE)
        self._instance_id = instance_id

    def connected(self, *, secured: bool = False) -> None:
        """Note that the server has answered.

        Args:
            secured: whether over TLS.
        """
        opened = "secure" if secured else "insecure"
        why = "certificates were passed" if secured else "no certificates were passed"
        self._file.write(
            f"Opened {opened} gRPC connection ({why})",
            "ChannelConnectivity.IDLE",
            "ChannelConnectivity.READY",
        )

    def used(
        self,
        work: Literal["fit", "evaluate"],
        number: int,
        cpu_percent: float,
        at: datetime | float,
        seconds: float,
    ) -> None:
        """Note what a round's training or scoring took.

        Args:
            work: which of the two.
            number: the round.
            cpu_percent: of the machine, while it ran; 100 is all cores busy.
            at: when it began; a number is seconds since the epoch.
            seconds: how long it ran.
        """
        moment = datetime.fromtimestamp(at, UTC) if isinstance(at, int | float) else at
        told = (
            f"{{'timestamp': {_spell(moment)}, 'cpu_utilization': {round(float(cpu_percent), 1)}, "
            f"'round': {number}, 'seconds': {round(seconds, 6)}}}"
        )
        key = (number, work == "evaluate")
        self._file.cut(lambda line: _read_key(line) >= key)
        self._file.write(
            f"Instance {self._instance_id} : CPU usage history during {work}() : {told}"
        )

    def closed(self) -> None:
        """Note that the client ends."""
        self._file.write("gRPC channel closed", "Disconnect and shut down")


def _spell(moment: datetime) -> str:
    """Return a time as Python writes it, without a zone."""
    parts = moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second
    return f"datetime.datetime({', '.join(map(str, (*parts, moment.microsecond)))})"


def _read_key(line: str) -> tuple[int, bool]:
    found = _USED.search(line)
    return (int(found[2]), found[1] == "evaluate") if found else (0, False)
