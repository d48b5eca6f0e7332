"""`fedloom generate`: run a federated experiment and write its records."""

from __future__ import annotations

import shlex
from contextlib import nullcontext
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedloom.cli.plan_options import with_plan_options
from fedloom.experiment.plan import Plan

if TYPE_CHECKING:
    from fedloom.experiment import Run

__all__ = ["generate"]

DEFAULT_OUTPUT = "clients.csv"


@with_plan_options(Plan.model_fields, output=DEFAULT_OUTPUT)
def generate(
    options: dict[str, Any],
    plan: Annotated[
        Path | None,
        typer.Option(
            help="Repeat the run of a plan.yaml, or of a file of your own; other flags come first.",
            rich_help_panel="Output",
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace the output.", rich_help_panel="Output"),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with an interrupted run.", rich_help_panel="Output"),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
) -> None:
    """Run a federated experiment: train clients, write records and weights.

    The table of clients goes to outputs/runs/NAME.csv, all else to the folder
    beside it. A killed run goes on with --resume. Every flag is a key of a plan
    file and an argument of fedloom.simulate, under the same name.

    For example:

    \b
      fedloom generate --clients 5 --output clients.csv
      fedloom generate --dataset fashion_mnist --clients 100 \\
          --partition dirichlet --partition-param 0.3 --output fashion.csv
      fedloom generate --algorithm FedAdam --cohort 0.5 --output adam.csv
      fedloom generate --package client/ --clients 3 --output package.csv
      fedloom generate --plan outputs/runs/adam/plan.yaml --output again.csv
    """
    from fedloom.cli.package_news import show_news
    from fedloom.cli.round_progress import show_rounds
    from fedloom.cli.signals import end_like_interrupt
    from fedloom.experiment import carry_out, read_plan

    chosen = read_plan(plan, options)
    if chosen.output is None:
        chosen = chosen.model_copy(update={"output": DEFAULT_OUTPUT})
    # The commands of a package are not ended by what ends this process.
    ending = nullcontext() if chosen.package is None else end_like_interrupt()
    with (
        ending,
        show_news(shown=not quiet),
        show_rounds(chosen, shown=not (quiet or as_json)) as observer,
    ):
        run = carry_out(chosen, overwrite=overwrite, resume=resume, observer=observer)
    if as_json:
        _print_json(run)
    elif not quiet:
        _print_summary(run)


def _print_json(run: Run) -> None:
    import json

    print(json.dumps(_summarise(run), indent=2, allow_nan=False))


def _summarise(run: Run) -> dict[str, Any]:
    rounds = run.rounds
    last = rounds.row(-1, named=True)
    return {
        "run_id": run.run_id,
        "output": str(run.client_csv),
        "folder": str(run.path),
        "rounds": rounds.height,
        "started_after": run.started_after,
        "global_score": _finite(last["global_score"]),
        "global_loss": _finite(last["global_loss"]),
        "epsilon": _finite(last["epsilon"]),
        "train_seconds": rounds["train_seconds"].sum(),
        "evaluate_seconds": rounds["evaluate_seconds"].sum(),
    }


def _finite(value: float | None) -> float | None:
    """JSON knows no infinity."""
    return value if value is not None and isfinite(value) else None


def _print_summary(run: Run) -> None:
    found = _summarise(run)
    if run.started_after == run.plan.rounds:
        print(f"{run.client_csv} was finished already: nothing to do")
    score, loss = (
        "unknown" if found[name] is None else f"{found[name]:.4f}"
        for name in ("global_score", "global_loss")
    )
    print(
        f"{found['rounds']} rounds, score {score}, loss {loss}, "
        f"{found['train_seconds']:.1f} s of training"
    )
    print(f"records  {found['output']}")
    print(f"folder   {found['folder']}")
    print(f"report   fedloom report {shlex.quote(found['output'])}")
