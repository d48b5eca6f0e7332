"""Where a run's results lie, and who may write there.

``outputs/runs/NAME.csv`` is the table of clients; the folder ``outputs/runs/NAME/`` beside it holds
the rest: ``plan.yaml``, both tables, the weights of each round, a checkpoint and a log.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fedloom.errors import OutputError
from fedloom.files import output_errors

__all__ = ["RunFolder", "locate_run"]

_LONGEST_NAME = 240
"""Bytes; file systems take 255."""

_RUN_FILES = ("plan.yaml", "run.log")
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
    def round_parquet(self) -> Path:
        """The same as Parquet, the last that a run writes."""
        return self.path / "rounds.parquet"

    @property
    def weights(self) -> Path:
        """The folder with one folder of weights per round."""
        return self.path / "weights"

    @property
    def checkpoint(self) -> Path:
        """What a run goes on from."""
        return self.path / "checkpoint.npz"

    @property
    def seed_model(self) -> Path:
        """The first weights of a run with a package."""
        return self.path / "seed.npz"

    @property
    def logs(self) -> Path:
        """What the commands of a package printed, a folder per round."""
        return self.path / "logs"

    @property
    def log(self) -> Path:
        """The run's log."""
        return self.path / "run.log"

    @property
    def report(self) -> Path:
        """Where the report goes."""
        return self.path / "report.html"

    def exists(self) -> bool:
        """Whether anything of a run is there; what a death at its very beginning left is nothing.

        Raises:
            OutputError: the folder's place is taken by a file, or cannot be looked at.
        """
        with output_errors(self.path):
            if self.path.exists() and not self.path.is_dir():
                raise OutputError(
                    f"{self.path} is a file where the run's folder has to be; choose another name"
                )
            return self.client_csv.exists() or bool(self._results())

    def _results(self) -> list[Path]:
        """What the folder holds, apart from the lock and from files that were never finished."""
        inside = self.path.iterdir() if self.path.is_dir() else ()
        return [entry for entry in inside if not entry.name.startswith(".")]

    def refuse_existing(self, *, overwrite: bool, resume: bool) -> None:
        """Check that a run may begin or go on here.

        Raises:
            OutputError: something is here that is not to be touched.
        """
        if not self.exists() or (resume and self.plan_file.exists()):
            return
        if overwrite:
            self._refuse_foreign()
        elif resume:
            raise OutputError(
                f"{self.client_csv} is from no run that can go on: {self.plan_file} is missing; "
                "choose another name, or replace it with --overwrite"
            )
        else:
            raise OutputError(
                f"{self.client_csv} exists already; --overwrite replaces it, "
                "--resume goes on with it"
            )

    def _refuse_foreign(self) -> None:
        results = self._results()
        if results and not any(self.path.joinpath(name).exists() for name in _RUN_FILES):
            raise OutputError(f"{self.path} is no run of Fedloom: remove it yourself")

    def remove(self) -> None:
        """Empty the folder and remove the table, if they are a run's.

        Raises:
            OutputError: the folder holds something else, or cannot be emptied.
        """
        self._refuse_foreign()
        with output_errors(self.path):
            for entry in list(self.path.iterdir()) if self.path.is_dir() else ():
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                elif entry.name != ".lock":  # it is held by whoever removes
                    entry.unlink()
            self.client_csv.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove files that a killed writer had begun beside the ones they were to replace."""
        with output_errors(self.path):
            for entry in list(self.path.glob(".*.*")):
                if entry.is_file():
                    entry.unlink()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep others from writing here while the block runs.

        A folder that holds nothing when the block ends is removed again.

        Raises:
            OutputError: another process is at work here, or the folder cannot be made.
        """
        with output_errors(self.path):
            file = _open_locked(self.path)
        with file:
            try:
                yield
            finally:
                with suppress(OSError):
                    self._remove_if_empty()

    def _remove_if_empty(self) -> None:
        if [entry.name for entry in self.path.iterdir()] == [".lock"]:
            self.path.joinpath(".lock").unlink()
            self.path.rmdir()


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
    fits = len(os.fsencode(given.name)) <= _LONGEST_NAME and "\0" not in output
    if given.name in {"", "..", ".csv"} or not fits:
        raise OutputError(f"output={output!r}: a name such as clients.csv would be right")
    if given.suffix.lower() != ".csv":
        given = given.with_name(f"{given.name}.csv")
    begins_with_base = given.parts[: len(base.parts)] == base.parts
    target = (given if begins_with_base or given.is_absolute() else base / given).absolute()
    folder = RunFolder(target)
    with output_errors(target):
        for path in (target, folder.path):  # links are followed, also of what does not exist yet
            if not path.resolve().is_relative_to(fence.resolve()):
                raise OutputError(
                    f"output={output!r} leaves the folder {fence}; name the folder with "
                    "--output-dir"
                )
    return folder


def _open_locked(path: Path) -> IO[str]:
    """Make the folder and return its lock file, locked; whoever holds it may remove both."""
    while True:
        path.mkdir(parents=True, exist_ok=True)
        try:
            file = (path / ".lock").open("a")
        except FileNotFoundError:  # the folder was removed in between
            continue
        try:
            _lock_file(file, path)
            if _is_same_file(file, path / ".lock"):
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _is_same_file(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


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
