"""A policy of one's own: the example runs as its page says, and is as good as the docs say."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from fedloom.cli.program import main
from fedloom.errors import InputError
from fedloom.scheduling.build import build_problem
from fedloom.scheduling.cluster.read import read_cluster, uniform_cluster
from fedloom.scheduling.compare import Comparison, compare_policies
from fedloom.scheduling.policies.registry import POLICIES, read_policy
from fedloom.scheduling.problem import Problem
from fedloom.workload.config.read import read_config
from fedloom.workload.formats.block_requests import block_requests
from fedloom.workload.generate import Workload

from .trial import EXAMPLES

SOURCE = EXAMPLES / "policies"
OURS = f"{SOURCE / 'response_ratio.py'}:ResponseRatio"
PAGE = EXAMPLES.parent / "docs" / "workloads.md"
README = SOURCE / "README.md"


def make_problem(name: str, count: int, gpus: int, *, minutes: float = 60) -> Problem:
    config = read_config([name]).config
    made = Workload(config, num_requests=count, duration_minutes=minutes, seed=42)
    requests = [r for block in made.blocks() for r in block_requests(block, config, made.count)]
    return build_problem(config, requests, uniform_cluster(gpus), seed=42)


@pytest.fixture(scope="module")
def everyone() -> Comparison:
    """All policies of the box, and the example, on the workload of the documentation."""
    problem = make_problem("tenants.yaml", 2000, 4)
    return compare_policies(problem, [read_policy(name) for name in (*POLICIES, OURS)])


def figures(comparison: Comparison, name: str) -> dict[str, float]:
    found = {o.label: o.metrics.to_dict() for o in comparison.outcomes}
    return {label: values[name] for label, values in found.items()}


def commands(page: Path) -> list[list[str]]:
    text = "".join(re.findall(r"^```bash\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL))
    lines = text.replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("fedloom ")]


def test_the_commands_of_its_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(SOURCE, tmp_path / "policies")
    monkeypatch.chdir(tmp_path / "policies")
    generate, *schedules = commands(README)
    assert main([*generate, "--num-requests", "100", "--quiet"]) == 0
    for schedule in schedules:
        assert main([*schedule, "--quiet"]) == 0
    found = json.loads(Path("four_comparison.json").read_text())["policies"]
    assert list(found) == [*POLICIES, "ratio"]
    assert found["ratio"]["completed_requests"] == 100
    log = "mixed_ratio-lookahead-32_execution_log.json"
    assert main(["schedule", "--check", log, "--quiet"]) == 0


def test_no_schedule_of_it_breaks_a_rule(everyone: Comparison) -> None:
    assert all(outcome.sound for outcome in everyone.outcomes)


@pytest.mark.parametrize("name", ["makespan_s", "switches", "switch_seconds"])
def test_it_wastes_least(everyone: Comparison, name: str) -> None:
    found = figures(everyone, name)
    assert min(found, key=lambda label: found[label]) == "ratio"


@pytest.mark.parametrize("name", ["response_s", "waiting_s", "slowdown"])
def test_it_is_the_best_on_average(everyone: Comparison, name: str) -> None:
    means = {label: spread["mean"] for label, spread in figures(everyone, name).items()}
    assert min(means, key=lambda label: means[label]) == "ratio"


def test_it_is_better_on_another_workload_too() -> None:
    problem = make_problem("test_baseline.json", 500, 8, minutes=20)
    found = compare_policies(problem, [read_policy(name) for name in (*POLICIES, OURS)])
    means = {label: spread["mean"] for label, spread in figures(found, "response_s").items()}
    assert min(means, key=lambda label: means[label]) == "ratio"


def test_where_a_gang_needs_all_gpus_a_reservation_is_better() -> None:
    problem = make_problem("multimodal.json", 300, 8)
    found = compare_policies(problem, [read_policy("backfill"), read_policy(OURS)])
    ends = figures(found, "makespan_s")
    assert ends["backfill"] < ends["ratio"]


def test_looking_at_one_task_is_first_come_first_served() -> None:
    problem = make_problem("test_baseline.json", 60, 2)
    asked = [read_policy("fifo"), read_policy(f"{OURS}:lookahead=1")]
    fifo, one = compare_policies(problem, asked).outcomes
    assert (fifo.schedule.start_us == one.schedule.start_us).all()
    assert (fifo.schedule.gpus == one.schedule.gpus).all()


def test_its_option_is_checked() -> None:
    problem = make_problem("minimal.json", 5, 1)
    with pytest.raises(InputError, match="lookahead"):
        compare_policies(problem, [read_policy(f"{OURS}:lookahed=3")])


def test_it_is_as_short_as_is_said() -> None:
    tree = ast.parse((SOURCE / "response_ratio.py").read_text())
    (policy,) = (node for node in tree.body if isinstance(node, ast.ClassDef))
    strings = {
        line
        for node in ast.walk(policy)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = (SOURCE / "response_ratio.py").read_text().splitlines()
    numbers = range(policy.lineno, (policy.end_lineno or 0) + 1)
    code = [n for n in numbers if lines[n - 1].strip() and n not in strings]
    assert len(code) <= 20


def test_its_cluster_is_what_it_says() -> None:
    cluster = read_cluster(SOURCE / "cluster.yaml")
    assert len(cluster.gpus) == 32
    assert cluster.servers == ("large-0", "large-1", "small-0", "small-1", "small-2", "small-3")
    assert [gpu.index for gpu in cluster.by_server[2]] == [16, 17, 18, 19]


# The tables of the documentation


def tables() -> list[str]:
    return re.findall(r"^```text\n(2,000 requests.*?)^```$", PAGE.read_text(), re.M | re.S)


@pytest.mark.parametrize("table", tables(), ids=["shipped", "ours"])
def test_the_documentation_shows_what_the_commands_print(
    table: str, everyone: Comparison, capsys: pytest.CaptureFixture[str]
) -> None:
    from fedloom.cli.schedule_table import print_table

    shown = [line.split()[0] for line in table.splitlines()[2:]]
    outcomes = {outcome.label: outcome for outcome in everyone.outcomes}
    print_table(Comparison(everyone.problem, tuple(outcomes[label] for label in shown)))
    printed = capsys.readouterr().out.splitlines()
    assert printed == table.splitlines()


def test_the_policy_of_the_documentation_is_the_example(tmp_path: Path) -> None:
    """It is shorter by its types and its option; what it decides is the same."""
    (shown,) = re.findall(r"<<'END'\n(.*?)^END$", PAGE.read_text(), re.M | re.S)
    file = tmp_path / "shown.py"
    file.write_text(shown)
    asked = [read_policy(f"{file}:ResponseRatio"), read_policy(OURS)]
    one, other = compare_policies(make_problem("tenants.yaml", 300, 2), asked).outcomes
    assert (one.schedule.start_us == other.schedule.start_us).all()
    assert (one.schedule.gpus == other.schedule.gpus).all()


def test_both_tables_are_found() -> None:
    assert len(tables()) == 2
