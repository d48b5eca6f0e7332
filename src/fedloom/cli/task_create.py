"""`fedloom task create`: from flags to a task."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedloom.cli.connecting import AsJson, complete_from, with_platform
from fedloom.cli.listing import as_plain
from fedloom.cli.printing import print_json
from fedloom.cli.task_watch import watch_task
from fedloom.cli.times import read_moment
from fedloom.errors import InputError

if TYPE_CHECKING:
    from fedloom.platform.connection import Platform

__all__ = ["create"]

_LOCAL = "Training"
_MORE = "Federation"


def _list_names(platform: Platform) -> list[tuple[str, str]]:
    return [(model.name, model.description) for model in platform.models.list()]


@with_platform
def create(
    platform: Platform,
    model_name: Annotated[
        str | None,
        typer.Option(
            "--model-name",
            "--model_name",
            "--name",
            help="The registered model to train.",
            autocompletion=complete_from(_list_names),
        ),
    ] = None,
    model_version: Annotated[
        int | None,
        typer.Option(
            "--model-version",
            "--model_version",
            "--version",
            help="Its version (default: the newest).",
        ),
    ] = None,
    use_case: Annotated[
        str | None,
        typer.Option(
            "--use-case", "--use_case", help="Data to train with (default: the version's)."
        ),
    ] = None,
    num_global_iterations: Annotated[
        int | None,
        typer.Option(
            "--num-global-iterations",
            "--num_global_iterations",
            "--rounds",
            help="Number of rounds (default: 5).",
        ),
    ] = None,
    run_name: Annotated[
        str | None,
        typer.Option(
            "--run-name", "--run_name", help="Name in the registry (default: model and version)."
        ),
    ] = None,
    experiment_name: Annotated[
        str | None,
        typer.Option(
            "--experiment-name",
            "--experiment_name",
            help="Experiment in the registry (default: Default).",
        ),
    ] = None,
    user_id: Annotated[
        str | None,
        typer.Option("--user-id", "--user_id", help="Who asks (default: the token's holder)."),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(help="Carry out a plan.yaml with the nodes' data; its package is pushed."),
    ] = None,
    algorithm: Annotated[
        str | None,
        typer.Option(help="Such as FedAdam (default: FedAvg).", rich_help_panel=_MORE),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER",
            help="A number of the algorithm; may be given several times.",
            rich_help_panel=_MORE,
        ),
    ] = None,
    cohort: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER",
            help="Clients of a round, or their share (default: all).",
            rich_help_panel=_MORE,
        ),
    ] = None,
    min_clients: Annotated[
        int | None,
        typer.Option(
            "--min-clients",
            "--min_clients",
            help="Nodes that must be there first (default: 1).",
            rich_help_panel=_MORE,
        ),
    ] = None,
    quorum: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER",
            help="Updates that make a round count, or their share (default: one).",
            rich_help_panel=_MORE,
        ),
    ] = None,
    round_timeout_s: Annotated[
        float | None,
        typer.Option(
            "--round-timeout",
            "--round_timeout_s",
            help="Seconds after which a round goes on without who is late.",
            rich_help_panel=_MORE,
        ),
    ] = None,
    deadline: Annotated[
        str | None,
        typer.Option(
            help="When the task must have ended: 2h, 30min, or 2030-01-31T18:00 (UTC).",
            rich_help_panel=_MORE,
        ),
    ] = None,
    priority: Annotated[
        int | None,
        typer.Option(help="Higher goes first (default: 0).", rich_help_panel=_MORE),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Determines every random choice.", rich_help_panel=_MORE),
    ] = None,
    validate: Annotated[
        bool | None,
        typer.Option(
            "--validate/--no-validate",
            help="Whether clients score the new weights (default: yes).",
            rich_help_panel=_MORE,
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over a client's rows.", rich_help_panel=_LOCAL)
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size", "--batch_size", help="Rows in a step.", rich_help_panel=_LOCAL
        ),
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(help="The clients' optimizer.", rich_help_panel=_LOCAL)
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            "--learning-rate", "--learning_rate", help="Its step size.", rich_help_panel=_LOCAL
        ),
    ] = None,
    watching: Annotated[bool, typer.Option("--watch", "-w", help="Watch it to its end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask for a task.

    With --watch it ends as `fedloom task watch` does: 0 success, 1 failed or cancelled.

    For example:

    \b
      fedloom task create --model-name iris --rounds 4 --watch
      fedloom task create --model_name iris --model_version 1 --use_case iris \\
          --num_global_iterations 4 --run_name first --experiment_name Default
      fedloom task create --model-name iris --algorithm FedAdam \\
          --param server_learning_rate=0.03
      fedloom task create --plan outputs/runs/clients/plan.yaml
    """
    local = {
        "epochs": epochs,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
    }
    given_local = {key: value for key, value in local.items() if value is not None}
    asked = platform.tasks.create(
        plan=plan,
        user_id=user_id,
        use_case=use_case,
        model_name=model_name,
        model_version=model_version,
        num_global_iterations=num_global_iterations,
        run_name=run_name,
        experiment_name=experiment_name,
        algorithm=algorithm,
        algorithm_params=_read_params(param or []),
        cohort=_read_share("--cohort", cohort),
        local=given_local or None,
        min_clients=min_clients,
        quorum=_read_share("--quorum", quorum),
        round_timeout_s=round_timeout_s,
        deadline=_spell(read_moment("--deadline", deadline)),
        priority=priority,
        seed=seed,
        validate=validate,
    )
    if not as_json:
        typer.echo(
            f"task {asked.id}: {asked.model_name} version {asked.model_version} on"
            f" {asked.use_case}, {asked.num_global_iterations} rounds"
        )
    if watching:
        watch_task(platform, asked.id, as_json=as_json)
    elif as_json:
        print_json(as_plain([asked])[0])
    else:
        typer.echo(f"watch it with: fedloom task watch {asked.id}")


def _read_params(texts: list[str]) -> dict[str, float] | None:
    found: dict[str, float] = {}
    for text in texts:
        name, equals, number = text.partition("=")
        try:
            found[name.strip().replace("-", "_")] = float(number)
        except ValueError:
            equals = ""
        if not equals or not name.strip():
            raise InputError(f"--param {text!r}: write NAME=NUMBER, such as proximal_mu=0.1")
    return found or None


def _read_share(flag: str, text: str | None) -> int | float | None:
    """Return a number of clients if it is written as a whole number, else a share of them."""
    if text is None:
        return None
    try:
        return int(text) if text.strip().lstrip("+-").isdecimal() else float(text)
    except ValueError:
        raise InputError(f"{flag} {text!r}: write a number of clients, or a share as 0.5") from None


def _spell(moment: datetime | None) -> Any:
    return None if moment is None else moment.isoformat()
