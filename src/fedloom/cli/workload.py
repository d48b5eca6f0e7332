"""`fedloom workload`: make, check, describe, import and export workloads for schedulers."""

from __future__ import annotations

import typer

from fedloom.cli.workload_configs import check, configs
from fedloom.cli.workload_export import export
from fedloom.cli.workload_generate import generate
from fedloom.cli.workload_import import import_, import_cluster
from fedloom.cli.workload_stats import stats

__all__ = ["workload"]

workload = typer.Typer(
    add_completion=False,
    help="""Make realistic sequences of AI requests; describe, import and export them.

    A configuration names service models (what a call needs, and how long it
    takes) and workflows (graphs of calls); a workload is a sequence of
    requests for them.

    For example:

    \b
      fedloom workload generate --config test_baseline.json --seed 42
      fedloom workload stats generated_requests.json -c test_baseline.json
      fedloom schedule --config test_baseline.json \\
          --requests generated_requests.json --gpus 8
    """,
)
workload.command("generate")(generate)
workload.command("check")(check)
workload.command("configs")(configs)
workload.command("stats")(stats)
workload.command("import")(import_)
workload.command("import-cluster")(import_cluster)
workload.command("export")(export)
