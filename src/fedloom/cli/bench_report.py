"""`fedloom bench report`: one HTML page of charts and tables from the runs of a study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fedloom.bench.results import StudyResults

__all__ = ["report"]


def report(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN_FOLDER]...",
            help="Folders of runs; several are shown side by side. Default: the latest run in "
            "federated-learning-results.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="The page, .html; replaced if it exists. Default: report.html in the run's "
            "folder, or study-report.html here for several.",
            show_default=False,
        ),
    ] = None,
    png: Annotated[
        bool, typer.Option("--png", help="Also make a picture of the page; needs Chromium.")
    ] = False,
    dark: Annotated[bool, typer.Option("--dark", help="Make the picture dark.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary table as JSON.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
    open_page: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser.")
    ] = False,
) -> None:
    """Make one HTML page from a study: charts, a table of all cells, and what limits each of them.

    The page loads nothing from anywhere, follows the reader's preference for light or dark, and
    can be sent as it is. A run that is still going on is shown as far as it is.

    For example:

    \b
      fedloom bench report
      fedloom bench report federated-learning-results/first --open
      fedloom bench report results/first results/second --output compare.html
      fedloom bench report --json
    """
    from fedloom.bench.places import RunPlace
    from fedloom.bench.report import latest_run, page_of, write_study
    from fedloom.bench.results import read_results
    from fedloom.cli.report import check_page_name, open_in_browser

    folders = runs or [latest_run()]
    page = check_page_name(output) if output else page_of(folders)
    studies = [read_results(RunPlace(folder)) for folder in folders]
    write_study(studies, page)
    written = [page]
    try:
        if png:
            from fedloom.page.picture import save_png

            save_png(page, page.with_suffix(".png"), dark=dark)
            written.append(page.with_suffix(".png"))
    finally:  # the page is there, even if its picture is not
        if as_json:
            _print_summary(studies, written)
        elif not quiet:
            _print_names(written)
    if open_page:
        open_in_browser(page)


def _print_summary(studies: list[StudyResults], written: list[Path]) -> None:
    from fedloom.bench.report import summary_document
    from fedloom.cli.printing import print_json

    print_json(
        {
            "files": [str(path) for path in written],
            "studies": [summary_document(study) for study in studies],
        }
    )


def _print_names(written: list[Path]) -> None:
    from fedloom.cli.printing import spell_size

    for path in written:
        typer.echo(f"{path}: {spell_size(path.stat().st_size)}")
