"""The saved result: everything that was measured, from which the tables are made again."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.commands import CommandTimes
from harness.federation_times import FederationTimes, read_federation
from harness.package_times import PackageTimes, read_times
from harness.rate_figures import find_rate_figure
from harness.rate_times import RateTimes, read_rates
from harness.study import Trial
from harness.summary import summarise
from harness.tables import render_markdown
from harness.targets import judge

__all__ = ["Result", "load_result"]


@dataclass
class Result:
    """What a run of the benchmarks has measured so far.

    Attributes:
        machine: from `harness.machine.describe_machine`.
        trials: one per engine, workload and repeat.
        commands: the times of commands.
        packages: the times of compute packages.
        rates: the figures of workloads and of scheduling.
        federation: the figures of a real federation.
    """

    machine: dict[str, Any]
    trials: list[Trial] = field(default_factory=list)
    commands: list[CommandTimes] = field(default_factory=list)
    packages: list[PackageTimes] = field(default_factory=list)
    rates: list[RateTimes] = field(default_factory=list)
    federation: list[FederationTimes] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether anything that was run gave no figures."""
        return (
            any(trial.failed for trial in self.trials)
            or any(times.failure for times in self.commands)
            or any(times.failure for times in self.packages)
            or any(times.failure for times in self.rates)
            or any(times.failure for times in self.federation)
        )

    def save(self, path: Path) -> None:
        """Write everything as JSON, in one step."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".part")
        beside.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False))
        beside.replace(path)

    def render(self) -> str:
        """Return the tables as Markdown."""
        figures = summarise(self.trials)
        verdicts = judge(figures, self.commands, self.packages, self.rates, self.federation)
        return render_markdown(
            self.machine, figures, verdicts, self.packages, self.rates, self.federation
        )

    def keep_from(self, earlier: Result, workloads: Collection[str]) -> None:
        """Take over what an earlier result has and this run does not measure again."""
        self.trials += [trial for trial in earlier.trials if trial.workload not in workloads]
        typed = {times.command for times in self.commands}
        self.commands += [times for times in earlier.commands if times.command not in typed]
        self.packages = self.packages or earlier.packages
        self.federation = self.federation or earlier.federation
        groups = {_group(times) for times in self.rates}
        self.rates += [times for times in earlier.rates if _group(times) not in groups]
        self.machine = earlier.machine | self.machine


def load_result(path: Path) -> Result:
    """Read what `Result.save` wrote."""
    saved = json.loads(path.read_text())
    trials = [Trial(**row) for row in saved["trials"]]
    commands = [
        CommandTimes(**row | {"seconds": tuple(row["seconds"])}) for row in saved["commands"]
    ]
    packages = read_times(saved.get("packages", []))  # results of old have none
    rates = read_rates(saved.get("rates", []))
    federation = read_federation(saved.get("federation", []))
    return Result(saved["machine"], trials, commands, packages, rates, federation)


def _group(times: RateTimes) -> str:
    return find_rate_figure(times.figure).group
