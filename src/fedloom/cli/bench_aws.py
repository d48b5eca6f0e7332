"""Commands of `fedloom bench` about AWS: begin, look, clean up, fetch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fedloom.bench.aws import Cloud

__all__ = ["check", "clean", "fetch", "init", "status"]

Region = Annotated[
    str | None,
    typer.Option(
        "--region",
        help="Where; by default that of the run, AWS_REGION, or the profile's.",
        show_default=False,
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        help="Folder of all runs (default: federated-learning-results).",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Run = Annotated[str | None, typer.Option("--run", help="Of this run only.", show_default=False)]


def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to.")] = Path(),
) -> None:
    """Write templates of .env, for credentials, and of ec2_config.yaml, for machines.

    What is there already stays as it is. The .env can be read by you alone; never commit it.

    For example: fedloom bench init
    """
    from fedloom.bench.aws.templates import write_templates

    for path in write_templates(folder):
        typer.echo(f"{path}: written")


def check(region: Region = None, as_json: AsJson = False) -> None:
    """Try the AWS credentials, and show who you are and where.

    For example: fedloom bench check --region eu-central-1
    """
    from fedloom.bench.aws import open_cloud
    from fedloom.cli.printing import print_json

    cloud = open_cloud(region)
    found = cloud.identity
    about = {"account": found.account, "name": found.name, "region": cloud.region}
    if as_json:
        print_json(about)
        return
    for name, value in about.items():
        typer.echo(f"{name:<8} {value}")


def status(
    run: Run = None, region: Region = None, folder: Folder = None, as_json: AsJson = False
) -> None:
    """Show everything of Fedloom that is in AWS now: machines, groups, roles, buckets.

    For example: fedloom bench status
    """
    from dataclasses import asdict

    from fedloom.bench.aws import find_leftovers
    from fedloom.cli.listing import print_rows
    from fedloom.cli.printing import print_json

    cloud = _open(region, run, folder)
    found = find_leftovers(cloud, run)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = [(one.kind, one.name, one.run, one.detail, one.expires) for one in found]
    heads = ("kind", "name", "run", "detail", "expires")
    print_rows(heads, rows, none=f"nothing of Fedloom is in {cloud.region}")


def clean(
    run: Run = None,
    region: Region = None,
    folder: Folder = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
) -> None:
    """Find what runs have left in AWS by its tags, and remove it, buckets with results too.

    Works without the launcher's files, from any machine with the same account. A run whose
    launcher is at work here is refused.

    For example: fedloom bench clean --run 2026-11-23_10-00-00
    """
    from fedloom.bench.aws import clean_up, find_leftovers
    from fedloom.cli.listing import ask_first, print_rows
    from fedloom.cli.printing import print_warnings
    from fedloom.cli.signals import end_like_interrupt

    cloud = _open(region, run, folder)
    found = find_leftovers(cloud, run)
    rows = [(one.kind, one.name, one.run, one.detail) for one in found]
    heads = ("kind", "name", "run", "detail")
    print_rows(heads, rows, none=f"nothing is left in {cloud.region}")
    if not found:
        return
    ask_first(f"Remove {len(found)} things from AWS?", yes=yes)
    with end_like_interrupt():
        faults = clean_up(cloud, found, results=_results(folder))
    print_warnings(faults)
    typer.echo(f"removed {len(found) - len(faults)} of {len(found)}")
    if faults:
        raise typer.Exit(1)


def fetch(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")],
    region: Region = None,
    folder: Folder = None,
) -> None:
    """Get the results of a run that stayed in its bucket, and remove it where all is here.

    For example: fedloom bench fetch 2026-11-23_10-00-00
    """
    from fedloom.bench.aws import fetch_results
    from fedloom.bench.places import RunPlace

    place = RunPlace(_results(folder) / run)
    found = fetch_results(_open(region, run, folder), place, typer.echo)
    typer.echo(f"{len(found.complete)} cells are complete in {place.path}")
    for cell, where in found.partial.items():
        typer.echo(f"{cell} is not complete; what there is lies in {where}")
    if not found.removed:
        typer.echo(f"the bucket is kept; 'fedloom bench clean --run {run}' removes it")
        raise typer.Exit(1)


def _results(folder: Path | None) -> Path:
    from fedloom.bench.places import RESULTS

    return Path(RESULTS) if folder is None else folder


def _open(region: str | None, run: str | None, folder: Path | None) -> Cloud:
    from fedloom.bench.aws import find_region, open_cloud

    known = None if run is None else find_region(_results(folder) / run)
    return open_cloud(region or known)
