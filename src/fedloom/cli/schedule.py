"""`fedloom schedule`: policies side by side on a workload, and the checker of logs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedloom.cli.workload_options import complete

__all__ = ["schedule"]

_CLUSTER = "Cluster"
_OUTPUT = "Output"
_POLICIES = (
    "all", "fifo", "sjf", "srcp", "edf", "priority", "fair-share", "affinity", "best-fit",
    "greedy", "backfill", "random",
)  # fmt: skip


def schedule(
    config: Annotated[
        list[Path] | None,
        typer.Option("--config", "-c", help="The workload's configuration; several are merged."),
    ] = None,
    requests: Annotated[
        Path | None,
        typer.Option("--requests", "-r", help="File of requests, in any of the formats."),
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            "-p",
            help="Policy, with options as name:key=value; or path.py:MyPolicy; several are "
            "compared; 'all' is every one in the box.",
            show_default="fifo",
            autocompletion=complete(*_POLICIES),
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Let policies know the future exactly.")
    ] = False,
    estimate_error: Annotated[
        float,
        typer.Option(
            help="How wrong the times are that policies are told: standard deviation of their "
            "logarithm; 0.3 is about a third.",
        ),
    ] = 0.0,
    until: Annotated[
        float | None,
        typer.Option(help="Stop after so many seconds of simulated time.", show_default=False),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="For policies that draw, and for --estimate-error.")
    ] = 42,
    cluster: Annotated[
        Path | None,
        typer.Option(help="Cluster, YAML or JSON.", rich_help_panel=_CLUSTER, show_default=False),
    ] = None,
    gpus: Annotated[
        int | None,
        typer.Option(
            help="Instead of a file: so many equal GPUs.",
            rich_help_panel=_CLUSTER,
            show_default=False,
        ),
    ] = None,
    gpus_per_server: Annotated[
        int, typer.Option(help="With --gpus: GPUs in a server.", rich_help_panel=_CLUSTER)
    ] = 8,
    gpu_memory: Annotated[
        float, typer.Option(help="With --gpus: GB on each.", rich_help_panel=_CLUSTER)
    ] = 80.0,
    output_prefix: Annotated[
        str,
        typer.Option(
            "--output-prefix",
            "-o",
            help="Beginning of the output files' names.",
            rich_help_panel=_OUTPUT,
        ),
    ] = "schedule",
    log_format: Annotated[
        str,
        typer.Option(
            help="Of the logs: json or parquet.",
            rich_help_panel=_OUTPUT,
            autocompletion=complete("json", "parquet"),
        ),
    ] = "json",
    chrome: Annotated[
        bool,
        typer.Option("--chrome", help="Also write Chrome traces.", rich_help_panel=_OUTPUT),
    ] = False,
    png: Annotated[
        bool,
        typer.Option(
            "--png",
            help="Also make a picture of the page; needs Chromium.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
    dark: Annotated[
        bool, typer.Option("--dark", help="Make the picture dark.", rich_help_panel=_OUTPUT)
    ] = False,
    check: Annotated[
        Path | None,
        typer.Option(
            help="Simulate nothing; check an execution log. With --config, --requests and the "
            "cluster every rule can be checked.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
) -> None:
    """Simulate scheduling policies on a workload and a cluster, and compare them.

    Writes for each policy PREFIX_POLICY_execution_log.json, and for all of
    them PREFIX_comparison.json and PREFIX.html, a page with a Gantt chart.
    Every schedule is checked by an independent checker. Ends with code 1
    where requests stay unfinished or a rule is broken.

    Policies: fifo, sjf, srcp (shortest remaining critical path), edf,
    priority, fair-share, affinity, best-fit, greedy, backfill, random.

    For example:

    \b
      fedloom schedule --config test_baseline.json \\
          --requests generated_requests.json --gpus 8
      fedloom schedule -c test_baseline.json -r generated_requests.json \\
          --cluster cluster.yaml --policy fifo --policy affinity \\
          --policy greedy:switch=3 --output-prefix compare
      fedloom schedule -c test_baseline.json -r generated_requests.json \\
          --gpus 8 --policy my_policy.py:MyPolicy --offline
      fedloom schedule --check compare_fifo_execution_log.json
    """
    from fedloom.cli.schedule_choices import (
        check_numbers,
        check_outputs,
        describe_cluster,
        describe_problem,
        read_problem,
    )

    check_numbers(until=until, estimate_error=estimate_error)
    shape = describe_cluster(cluster, gpus, gpus_per_server, gpu_memory)
    parts = describe_problem(config, requests, shape, log=check)
    if check is not None:
        from fedloom.cli.schedule_check import check_file

        check_file(check, parts, as_json=as_json, quiet=quiet)
        return
    assert parts is not None
    from fedloom.cli.progress import show_bar
    from fedloom.scheduling.compare import compare_policies, save_comparison
    from fedloom.scheduling.policies.registry import read_policies

    shown = not (quiet or as_json)
    policies = read_policies(policy or ["fifo"])
    inputs = [*parts.config, parts.requests, cluster]
    prefix = check_outputs(output_prefix, log_format, inputs)
    problem = read_problem(parts, estimate_error=estimate_error, seed=seed, shown=shown)
    with show_bar("simulating", shown=shown) as progress:
        found = compare_policies(
            problem, policies, seed=seed, offline=offline, until_s=until, progress=progress
        )
    with show_bar("writing", shown=False):
        paths = save_comparison(found, prefix, log_format=log_format, chrome=chrome)
    from fedloom.cli.schedule_table import tell

    if png:
        from fedloom.page.picture import save_png

        page = next(path for path in paths if path.suffix == ".html")
        try:
            save_png(page, page.with_suffix(".png"), dark=dark)
        except Exception:
            tell(found, paths, as_json=as_json, quiet=quiet)
            raise
        paths.append(page.with_suffix(".png"))
    tell(found, paths, as_json=as_json, quiet=quiet)
    if not found.sound:
        raise typer.Exit(1)
