"""The steps of a launcher, as its journal names them."""

from __future__ import annotations

from fedloom.bench import Study
from fedloom.bench.aws.journal import locate_journal, read_journal
from fedloom.bench.aws.provider import AwsProvider
from fedloom.bench.outcome import CellOutcome

from .aws_world import World

STEPS = [
    "region:chosen",
    *("bucket:making", "bucket:made", "bundle:making", "bundle:made"),
    *("role:making", "role:made", "instance-profile:making", "instance-profile:made"),
    *("security-group:making", "security-group:made"),
    *("server-machines:making", "server-machines:made", "server-machines:started"),
    "server:ready",
    *("client-machines:making", "client-machines:made", "client-machines:started"),
    *("cell:finished", "machines:removed", "machines:removing"),
    *("security-group:removing", "security-group:removed"),
    *("instance-profile:removing", "instance-profile:removed", "role:removing", "role:removed"),
    *("bucket:removing", "bucket:removed"),
]
"""Every line of the launcher's journal in a run of one cell."""


def carry_out(provider: AwsProvider, study: Study) -> list[CellOutcome]:
    with provider:
        return list(provider.carry_out(list(study.cells())))


def spell(line: dict[str, str]) -> str:
    return f"{line['what']}:{line['state']}"


def steps_of(world: World, run: str = "run-1") -> list[str]:
    lines = read_journal(locate_journal(world.folder / "results" / run))
    return list(dict.fromkeys(spell(line) for line in lines))
