"""`fedloom doctor`: what is there, what is missing, and the line that brings it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from typing import Annotated

import typer

from fedloom._version import __version__
from fedloom.cli.checks import check_data, check_machine, check_network, check_page
from fedloom.cli.findings import Finding, State
from fedloom.cli.requirements import check_dependencies, check_extras

__all__ = ["doctor"]

STYLES = {State.OK: "green", State.ABSENT: "yellow", State.MISSING: "bold red"}


def doctor(
    deep: Annotated[
        bool, typer.Option("--deep", help="Also start JAX and list its devices (seconds).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check this machine: what is there, what is missing, and the line that brings it.

    Ends with code 1 if something is missing without which nothing works.
    """
    findings = list(_examine(deep))
    healthy = _is_healthy(findings)
    if as_json:
        found = [asdict(finding) for finding in findings]
        print(json.dumps({"version": __version__, "healthy": healthy, "findings": found}, indent=2))
    else:
        _print_findings(findings)
    if not healthy:
        raise typer.Exit(1)


def _is_healthy(findings: list[Finding]) -> bool:
    return all(finding.state is not State.MISSING for finding in findings)


def _examine(deep: bool) -> Iterator[Finding]:
    """Look at everything; at what needs a dependency only where all of them are there."""
    dependencies = list(check_dependencies())
    yield from dependencies
    yield from check_extras()
    if _is_healthy(dependencies):
        from fedloom.settings import load_settings

        settings = load_settings()
        yield from check_machine(settings.output_dir)
        if deep:
            yield from _list_devices()
        yield from check_data(settings)
        yield from check_page()
    yield from check_network()


def _list_devices() -> Iterator[Finding]:
    """Start JAX and name what it computes on."""
    import jax

    for device in jax.devices():
        yield Finding("devices", str(device), State.OK, f"{device.platform}: {device.device_kind}")


def _print_findings(findings: list[Finding]) -> None:
    """Print a line per finding under its group's name, then the lines that bring what lacks."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    width = max(len(finding.name) for finding in findings)
    for group, members in groupby(findings, key=lambda finding: finding.group):
        console.print(Text(group, "bold"))
        for finding in members:
            state = Text(f"  {finding.state:<8}", STYLES[finding.state])
            console.print(state + Text(f"{finding.name:<{width}}  {finding.detail}"))
    remedies = [finding for finding in findings if finding.remedy]
    if remedies:
        console.print(Text("what brings the rest", "bold"))
        for finding in remedies:
            console.print(Text(f"  {finding.name:<{width}}  {finding.remedy}"))
