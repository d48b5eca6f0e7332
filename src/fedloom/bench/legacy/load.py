"""From what a user points at to a run that can be reported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fedloom.bench.legacy.tidy import read_tidy, write_tidy
from fedloom.bench.legacy.tree import OldCell, read_tree
from fedloom.bench.legacy.whole import make_results
from fedloom.bench.places import RESULTS
from fedloom.bench.results.frames import StudyResults
from fedloom.bench.results.saved import has_saved, save_results
from fedloom.bench.run import choose_run
from fedloom.errors import OutputError

__all__ = ["Imported", "import_study", "read_cells"]


@dataclass(frozen=True)
class Imported:
    """A study that was read.

    Attributes:
        results: with accuracies corrected.
        folder: the run it was saved as.
        tidy_rows: of the tidy table; None where none was written.
    """

    results: StudyResults
    folder: Path
    tidy_rows: int | None


def import_study(
    source: Path,
    *,
    run: str | None = None,
    results: Path | None = None,
    tidy: Path | None = None,
    overwrite: bool = False,
) -> Imported:
    """Read a folder of logs, or a tidy table, and save it as a run.

    Args:
        source: the folder that holds the backends' folders, or a ``.csv`` file.
        run: id of the run; None takes ``imported-`` and the source's name.
        results: folder of all runs; None is ``federated-learning-results`` here.
        tidy: also write the tidy table here.
        overwrite: replace files that are there.

    Raises:
        NotFoundError: there are no such logs.
        DataError: the table cannot be read.
        OutputError: something is there already, or cannot be written.
    """
    place = choose_run(Path(RESULTS) if results is None else results, run or _name(source))
    if place.study.exists():
        raise OutputError(f"{place.path} holds a run of its own; name another one with --run")
    if not overwrite:
        for path, there in ((place.path, has_saved(place.path)), (tidy, tidy and tidy.exists())):
            if there:
                raise OutputError(f"{path} exists already; --overwrite replaces it")
    cells = read_cells(source)
    found = make_results(place.path.name, cells)
    save_results(found, place.path)
    return Imported(found, place.path, None if tidy is None else write_tidy(cells, tidy))


def read_cells(source: Path) -> list[OldCell]:
    """Read a folder of logs, or a tidy table; see `import_study`."""
    return read_tidy(source) if source.suffix == ".csv" else read_tree(source)


def _name(source: Path) -> str:
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in source.resolve().stem)
    return f"imported-{plain.strip('-') or 'study'}"[:64]
