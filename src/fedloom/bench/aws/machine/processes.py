"""A process of a cell on a machine, started by the same modules as on any other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from fedloom.bench.aws.machine.order import MachineOrder
from fedloom.files import output_errors

__all__ = ["CellProcess"]

_END_SECONDS = 20.0


class CellProcess:
    """One process; it has ended when the block has.

    Args:
        module: ``serve`` or ``take_part``.
        order: of the machine.
        bundle: folder with the study.
        cell: id of the cell.
        output: file that takes what it prints.
        arguments: beside those that both have in common.
    """

    def __init__(
        self,
        module: str,
        order: MachineOrder,
        bundle: Path,
        cell: str,
        *,
        output: Path,
        arguments: Sequence[str],
    ) -> None:
        common = ["--study", str(bundle / "study.yaml"), "--run", order.run, "--cell", cell]
        self._command = [sys.executable, "-m", f"fedloom.bench.cell.{module}", *common, *arguments]
        self._bundle, self._output, self._late = bundle, output, False

    def __enter__(self) -> Self:
        with output_errors(self._output):
            self._output.parent.mkdir(parents=True, exist_ok=True)
            with self._output.open("ab") as file:
                self._process = subprocess.Popen(
                    self._command,
                    cwd=self._bundle,  # the study names its data from there
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    env={**os.environ, "PYTHONUNBUFFERED": "1"},
                )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.exit_code is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_SECONDS)
        if self.exit_code is None:
            self._process.kill()
            self._process.wait(_END_SECONDS)

    @property
    def exit_code(self) -> int | None:
        """How it ended, None while it runs."""
        return self._process.poll()

    def wait(self, limit_s: float) -> None:
        """Wait until it has ended, or for so long."""
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self._late = True

    def describe_end(self) -> str:
        """Say how it ended, with the last line that it printed; empty where all went well."""
        if self._late:
            return "was not done in time"
        if self.exit_code == 0:
            return ""
        with suppress(OSError):
            lines = self._output.read_bytes()[-8192:].decode("utf-8", "replace").splitlines()
            last = next((line.strip() for line in reversed(lines) if line.strip()), "")
            return f"ended with exit code {self.exit_code}: {last}"
        return f"ended with exit code {self.exit_code}"
