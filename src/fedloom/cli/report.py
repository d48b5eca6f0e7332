"""`fedloom report`: one HTML page of plots from the records of one or several runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["check_page_name", "open_in_browser", "report"]


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="Tables of records (CSV or Parquet, also merged ones) or folders of runs; "
            "several are overlaid.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            help="The page, .html; replaced if it exists. Default: report.html in the folder of "
            "the run, or in the working directory for several.",
            show_default=False,
        ),
    ] = None,
    png: Annotated[
        bool, typer.Option("--png", help="Also make a picture of the page; needs Chromium.")
    ] = False,
    dark: Annotated[bool, typer.Option("--dark", help="Make the picture dark.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the paths as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
    open_page: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser.")
    ] = False,
) -> None:
    """Make one HTML page of plots from runs: score, loss, label × client, time, participation.

    The page loads nothing from anywhere, follows the reader's preference for light or dark, and
    can be sent as it is. With --png and no Chromium the page is still written, and the exit code
    is 2.

    For example:

    \b
      fedloom report outputs/runs/clients.csv
      fedloom report outputs/runs/fedavg.csv outputs/runs/fedprox.csv --output compare.html
      fedloom report outputs/runs/clients --png --dark
    """
    from fedloom.page.read import read_runs, report_path
    from fedloom.page.report import write_report

    page = check_page_name(output) if output else report_path(runs)
    tables = read_runs(runs)
    write_report(tables, page)
    picture = page.with_suffix(".png") if png else None
    try:
        if picture:
            from fedloom.page.picture import save_png

            save_png(page, picture, dark=dark)
    except Exception:
        _tell([page], [run.name for run in tables], as_json=as_json, quiet=quiet)
        raise
    written = [page, picture] if picture else [page]
    _tell(written, [run.name for run in tables], as_json=as_json, quiet=quiet)
    if open_page:
        open_in_browser(page)


def check_page_name(path: Path) -> Path:
    """Return the path of the page, with its suffix.

    Raises:
        InputError: it has another suffix, as a table of records has: a page must not replace one.
    """
    from fedloom.errors import InputError

    if not path.suffix:
        return path.with_suffix(".html")
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--output {path}: a report is an HTML page; its name ends in .html")
    return path


def _tell(written: list[Path], runs: list[str], *, as_json: bool, quiet: bool) -> None:
    """Print what was written, and how large it is."""
    if as_json:
        import json

        paths = {"output" if i == 0 else "png": str(path) for i, path in enumerate(written)}
        sizes = {"bytes": written[0].stat().st_size, "runs": runs}
        typer.echo(json.dumps({"png": None, **paths, **sizes}))
    elif not quiet:
        for path in written:
            typer.echo(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def open_in_browser(page: Path) -> None:
    """Open the page in the reader's browser.

    Raises:
        InputError: there is no browser to open it in.
    """
    import webbrowser

    from fedloom.errors import InputError

    if not webbrowser.open(page.resolve().as_uri()):
        raise InputError(f"--open: no browser was found; open {page} by hand")
