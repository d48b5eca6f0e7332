"""`fedloom workload generate`: requests from a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedloom.cli.workload_options import (
    REQUEST_FORMATS,
    AsJson,
    Configs,
    Prefix,
    Quiet,
    complete,
)

__all__ = ["generate"]

_ARRIVALS = "Arrivals, instead of the configuration's"


def generate(
    config: Configs,
    num_requests: Annotated[
        int | None,
        typer.Option(
            help="How many requests. With a rate, a replay or a closed loop their number follows "
            "from that, and this is the most.",
            show_default="500",
        ),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option(
            help="Minutes over which requests arrive. A replay is cut off there, if this is given.",
            show_default="20",
        ),
    ] = None,
    output_prefix: Prefix = "generated",
    file_format: Annotated[
        str,
        typer.Option(
            "--format",
            help="json, yaml, both (these two), jsonl, csv, parquet; several: json,parquet.",
            autocompletion=complete("both", *REQUEST_FORMATS),
        ),
    ] = "both",
    seed: Annotated[int, typer.Option(help="Decides every draw.")] = 42,
    start: Annotated[
        str, typer.Option(help="When the duration begins, an ISO time.")
    ] = "2024-01-01T10:00:00",
    rate: Annotated[
        float | None,
        typer.Option(
            help="Requests per second on average; their number is then random.",
            show_default=False,
            rich_help_panel=_ARRIVALS,
        ),
    ] = None,
    gaps: Annotated[
        str | None,
        typer.Option(
            help="Law of the gaps between arrivals: poisson, gamma, weibull, fixed.",
            show_default=False,
            rich_help_panel=_ARRIVALS,
            autocompletion=complete("poisson", "gamma", "weibull", "fixed"),
        ),
    ] = None,
    cv: Annotated[
        float | None,
        typer.Option(
            help="Coefficient of variation of gamma and weibull gaps; 1 is Poisson.",
            show_default=False,
            rich_help_panel=_ARRIVALS,
        ),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(
            help="Take the arrivals from a file: seconds by line, or a file of requests.",
            show_default=False,
            rich_help_panel=_ARRIVALS,
        ),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="File of prompts, one by line, of which each request gets one.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Generate requests: when they arrive, what they call, how long it takes.

    Writes PREFIX_requests.json and .yaml (or what --format says), and
    PREFIX_stats.json. The same seed gives the same bytes on every machine.
    Profiles of the rate, bursts, spikes, closed loops and tenants stand in
    the configuration.

    For example:

    \b
      fedloom workload generate --config test_baseline.json
      fedloom workload generate --config my_config.json \\
          --num-requests 1000 --duration 60 \\
          --output-prefix my_test --format yaml --seed 42
      fedloom workload generate --config diffusion.json \\
          --rate 5 --gaps gamma --cv 2 --format jsonl
      fedloom workload generate --config minimal.json --replay times.txt
    """
    from fedloom.cli.places import keep_inputs, read_prefix
    from fedloom.cli.printing import print_files, print_json, print_warnings
    from fedloom.cli.progress import show_bar
    from fedloom.cli.workload_choices import change_arrivals, change_prompts, read_formats
    from fedloom.workload.config.read import read_config
    from fedloom.workload.generate import Workload
    from fedloom.workload.save import save_workload, workload_paths
    from fedloom.workload.statistics.summary import summary_lines

    prefix, formats = read_prefix(output_prefix), read_formats(file_format)
    reading = read_config(config)
    changed = change_arrivals(reading.config, rate=rate, gaps=gaps, cv=cv, replay=replay)
    changed = change_prompts(changed, prompts)
    inputs = (*config, prompts, changed.arrivals.replay)
    keep_inputs(workload_paths(prefix, formats), inputs)
    if not quiet:
        print_warnings(reading.warnings)
    made = Workload(changed, num_requests, duration, seed, start)
    with show_bar("generating", shown=not (quiet or as_json)) as progress:
        saved = save_workload(made, prefix, formats, progress=progress)
    if as_json:
        files = [str(path) for path in saved.paths]
        print_json({"files": files, "stats": saved.stats.to_dict()})
    elif not quiet:
        title = "Workflow Request Generation Complete!"
        for line in summary_lines(saved.stats, title, saved.header):
            print(line)
        print("Files:")
        print_files(saved.paths)
