"""Where a run's results lie, and who may write there.

``outputs/runs/NAME.csv`` is the table of clients; the folder ``outputs/runs/NAME/`` beside it holds
the rest: ``plan.yaml``, both tables, the weights of each round, a checkpoint and a log.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fedloom.errors import OutputError
from fedloom.files import output_errors

__all__ = ["RunFolder", "locate_run"]

_RUN_FILES = ("plan.yaml", "run.log", ".lock")
"""What tells a run's folder from any other folder."""


@dataclass(frozen=True)
class RunFolder:
    """The places of one run's results.

    Attributes:
        client_csv: the table of clients that the user asked for.
    """

    client_csv: Path

    @property
    def path(self) -> Path:
        """The folder beside the table."""
        return self.client_csv.with_suffix("")

    @property
    def plan_file(self) -> Path:
        """All that determines the run, with versions."""
        return self.path / "plan.yaml"

    @property
    def round_csv(self) -> Path:
        """The table of rounds."""
        return self.path / "rounds.csv"

    @property
    def weights(self) -> Path:
        """The folder with one folder of weights per round."""
        return self.path / "weights"

    @property
    def checkpoint(self) -> Path:
        """What a run goes on from."""
        return self.path / "checkpoint.npz"

    @property
    def log(self) -> Path:
        """The run's log."""
        return self.path / "run.log"

    @property
    def report(self) -> Path:
        """Where the report goes."""
        return self.path / "report.html"

    def exists(self) -> bool:
        """Whether anything of a run is there."""
        inside = self.path.iterdir() if self.path.is_dir() else ()
        return self.client_csv.exists() or any(entry.name != ".lock" for entry in inside)

    def remove(self) -> None:
        """Empty the folder and remove the table, if they are a run's.

        Raises:
            OutputError: the folder holds something else, or cannot be removed.
        """
        inside = list(self.path.iterdir()) if self.path.is_dir() else []
        if inside and not any(self.path.joinpath(name).exists() for name in _RUN_FILES):
            raise OutputError(f"{self.path} is no run of Fedloom: remove it yourself")
        with output_errors(self.path):
            for entry in inside:
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                elif entry.name != ".lock":  # it is held by whoever removes
                    entry.unlink()
            self.client_csv.unlink(missing_ok=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep others from writing here while the block runs.

        Raises:
            OutputError: another process is at work here, or the folder cannot be made.
        """
        with output_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            file = (self.path / ".lock").open("a")
        with file:
            _lock_file(file, self.path)
            yield


def locate_run(output: str, *, output_dir: str | None, default_dir: Path) -> RunFolder:
    """Return where a run named `output` lies.

    Args:
        output: as the user wrote it; ``.csv`` is added where it is missing.
        output_dir: the user's own folder, in place of ``outputs/runs``.
        default_dir: the folder ``outputs``.

    Raises:
        OutputError: the path leaves its folder.
    """
    base = Path(output_dir) if output_dir is not None else default_dir / "runs"
    fence = base if output_dir is not None else default_dir
    given = Path(output)
    if not given.name or given.name in {".", ".."}:
        raise OutputError(f"output={output!r}: a file name such as clients.csv would be right")
    if given.suffix.lower() != ".csv":
        given = given.with_name(f"{given.name}.csv")
    begins_with_base = given.parts[: len(base.parts)] == base.parts
    target = (given if begins_with_base or given.is_absolute() else base / given).absolute()
    if not _normal(target).is_relative_to(_normal(fence.absolute())):
        raise OutputError(
            f"output={output!r} leaves the folder {fence}; name the folder with --output-dir"
        )
    if target.with_suffix("").name == "":
        raise OutputError(f"output={output!r}: a file name such as clients.csv would be right")
    return RunFolder(target)


def _normal(path: Path) -> Path:
    """Resolve links and dots, also of what does not exist yet."""
    return path.resolve()


def _lock_file(file: IO[str], path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # no such locks on Windows: two runs there are not kept apart
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise OutputError(
            f"another run is writing to {path}; wait for it, or choose another --output"
        ) from error
