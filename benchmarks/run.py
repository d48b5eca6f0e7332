"""Run the benchmarks: this engine and its peers side by side, then the table. See README.md.

python benchmarks/run.py [--quick] [--workload NAME] [--engine NAME] [--repeats N] [--markdown FILE]
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness.assignment import DATA_FOLDER, RESULTS_FOLDER
from harness.catalogue import ENGINES, OURS
from harness.commands import measure_commands
from harness.federation import FEDERATION, measure_federation
from harness.federation_times import describe_federation
from harness.machine import describe_machine, read_load
from harness.package_times import describe_times
from harness.packages import PACKAGES, measure_packages
from harness.rate_figures import RATE_GROUPS
from harness.rate_runs import measure_rates
from harness.rate_times import describe_rate
from harness.result import Result, load_result
from harness.rows import prepare_rows
from harness.study import Settings, describe_trial, plan_trials, run_study
from harness.workloads import WORKLOADS

__all__: list[str] = []

_LATEST = RESULTS_FOLDER / "latest.json"
_GENERAL = "general"
_SETUP_SECONDS = 3600
_FEDERATION_SECONDS = 2400.0
"""For one part: stock Flower takes minutes where we take seconds."""


def main() -> int:
    """Run what the command line says; 1 where anything that was run failed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that engines are ended too
    given = _parse()
    result = load_result(_LATEST) if given.table else _measure(given)
    text = result.render()
    print(text)
    if given.markdown:
        given.markdown.write_text(text)
    return 0 if given.table else int(result.failed)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fedloom and its peers side by side.")
    add = parser.add_argument
    add("--quick", action="store_true", help="fewer rounds, one repeat")
    add("--slow", action="store_true", help="Flower with 10,000 clients too; see --limit")
    workloads = [*(w.name for w in WORKLOADS), PACKAGES, FEDERATION, *RATE_GROUPS]
    add("--workload", action="append", choices=workloads, default=[])
    add("--engine", action="append", choices=[e.name for e in ENGINES], default=[])
    add("--repeats", type=int, help="turns of each engine on each workload (3; quick: 1)")
    add("--cores", type=int, default=len(os.sched_getaffinity(0)), help="default: all")
    add("--device", choices=["cpu", "cuda"], default="cpu")
    add("--limit", type=float, default=600.0, help="seconds for one engine's turn")
    add("--markdown", type=Path, metavar="FILE", help="write the tables to this file too")
    add("--keep", action="store_true", help="keep the last result's other workloads")
    add("--table", action="store_true", help="run nothing; print the last result again")
    return parser.parse_args()


def _measure(given: argparse.Namespace) -> Result:
    settings = Settings(
        workloads=tuple(given.workload),
        engines=tuple(given.engine),
        repeats=given.repeats or (1 if given.quick else 3),
        quick=given.quick,
        slow=given.slow,
        cores=given.cores,
        device=given.device,
        limit_seconds=given.limit,
    )
    groups = _choose_groups(given)
    trials = list(plan_trials(settings))
    if PACKAGES in groups or any(engine.name != OURS for _, engine, _ in trials):
        _prepare_peers()
    rows = prepare_rows(DATA_FOLDER) if trials else {}
    result = Result(describe_machine(settings, rows))
    _measure_groups(result, given, groups)
    if given.keep and _LATEST.exists():
        result.keep_from(load_result(_LATEST), {workload.name for workload, _, _ in trials})
    _save(result)
    for trial in run_study(settings):
        result.trials.append(trial)
        _save(result)
        _tell(describe_trial(trial))
    return result


def _choose_groups(given: argparse.Namespace) -> list[str]:
    """Return what is to be measured besides the study of engines."""
    groups = [_GENERAL, PACKAGES, FEDERATION, *RATE_GROUPS]
    if given.workload:
        return [group for group in groups if group in given.workload]
    if given.engine:
        return [_GENERAL] if OURS in given.engine else []
    return groups


def _measure_groups(result: Result, given: argparse.Namespace, groups: Sequence[str]) -> None:
    calls = 3 if given.quick else 10
    kinds = [group for group in groups if group not in (PACKAGES, FEDERATION)]
    result.commands = measure_commands(calls, kinds)
    if PACKAGES in groups:
        for times in measure_packages(calls, given.limit):
            result.packages.append(times)
            _tell(describe_times(times))
    if FEDERATION in groups:
        repeats = given.repeats or (1 if given.quick else 3)
        for measured in measure_federation(repeats, _FEDERATION_SECONDS, quick=given.quick):
            result.federation.append(measured)
            _tell(describe_federation(measured))
    for group in RATE_GROUPS:
        if group in groups:
            repeats = given.repeats or (1 if given.quick else 3)
            for rate in measure_rates(group, repeats, quick=given.quick, limit=given.limit):
                result.rates.append(rate)
                _tell(describe_rate(rate))


def _save(result: Result) -> None:
    result.machine["load at the end"] = read_load()
    result.save(_LATEST)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _prepare_peers() -> None:
    script = Path(__file__).with_name("setup_peers.sh")
    environment = os.environ | {"PYTHON": sys.executable}
    subprocess.run(["/bin/sh", str(script)], check=True, timeout=_SETUP_SECONDS, env=environment)


if __name__ == "__main__":
    sys.exit(main())
