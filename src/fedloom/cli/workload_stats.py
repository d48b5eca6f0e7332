"""`fedloom workload stats`: what a file of requests amounts to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedloom.cli.workload_options import AsJson, ConfigOption, FileArgument, Quiet

__all__ = ["stats"]


def stats(
    file: FileArgument,
    config: ConfigOption = None,
    output: Annotated[
        Path | None,
        typer.Option(help="The page, .html.", show_default="FILE's name with .html"),
    ] = None,
    png: Annotated[
        bool, typer.Option("--png", help="Also make a picture of the page; needs Chromium.")
    ] = False,
    dark: Annotated[bool, typer.Option("--dark", help="Make the picture dark.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Describe a file of requests: figures here, and plots in one HTML page.

    FILE may be JSON, YAML, JSONL, CSV or Parquet, of any size. GPU-hours need
    the configuration of the requests. With --png and no Chromium the page is
    still written, and the exit code is 2.

    For example:

    \b
      fedloom workload stats generated_requests.json -c test_baseline.json
      fedloom workload stats requests.parquet --output page.html --png
    """
    from fedloom.cli.places import keep_inputs
    from fedloom.cli.progress import show_bar
    from fedloom.workload.config.read import read_config
    from fedloom.workload.statistics.page import write_stats_page
    from fedloom.workload.statistics.read import read_stats

    page = _page_path(file, output)
    pages = [page, page.with_suffix(".png")] if png else [page]
    keep_inputs(pages, [file, *(config or ())])
    known = read_config(config).config if config else None
    with show_bar("reading", shown=not (quiet or as_json)) as progress:
        found = read_stats(file, known, progress=progress)
    write_stats_page(found.view(file.name), page)

    def tell(written: list[Path]) -> None:
        from fedloom.cli.printing import print_files, print_json
        from fedloom.workload.statistics.summary import summary_lines

        if as_json:
            print_json({"files": [str(path) for path in written], "stats": found.to_dict()})
        elif not quiet:
            for line in summary_lines(found, str(file)):
                print(line)
            print("Files:")
            print_files(written)

    if png:
        from fedloom.page.picture import save_png

        try:
            save_png(*pages, dark=dark)
        except Exception:
            tell([page])
            raise
    tell(pages)


def _page_path(file: Path, output: Path | None) -> Path:
    """Return where the page about a file goes.

    Raises:
        InputError: the file is a folder, or the name that was asked for is not that of a page.
    """
    from fedloom.errors import InputError

    if file.is_dir():
        raise InputError(f"{file} is a folder; name a file of requests in it")
    if output is None:
        plain = file.with_suffix("") if file.suffix.lower() == ".gz" else file
        return plain.with_suffix(".html")
    if not output.suffix:
        return output.with_suffix(".html")
    if output.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--output {output}: the page is HTML; its name ends in .html")
    return output
