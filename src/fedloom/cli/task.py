"""`fedloom task`: ask for tasks, watch them, and fetch what they leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedloom.cli.connecting import AsJson, with_platform
from fedloom.cli.listing import as_plain, ask_first, print_pairs, print_rows, spell_age
from fedloom.cli.printing import print_json
from fedloom.cli.task_create import create
from fedloom.cli.task_output import (
    TaskId,
    documents,
    history,
    logs,
    records,
    result,
    rounds,
)
from fedloom.cli.task_watch import watch

if TYPE_CHECKING:
    from fedloom.platform.connection import Platform
    from fedloom.platform.task import Task

__all__ = ["cancel", "delete", "list_tasks", "show", "task"]

task = typer.Typer(
    add_completion=False,
    help="""Start, watch, cancel and export tasks of a platform.

    A task trains a registered model with the data of the nodes that hold its use case.

    For example:

    \b
      fedloom package push client/ --name iris --use-case iris
      fedloom task create --model-name iris --rounds 4 --watch
      fedloom task list --status running
      fedloom task result 1 --output model.npz
    """,
)


Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")]

task.command()(create)
task.command()(watch)


@task.command("list")
@with_platform
def list_tasks(
    platform: Platform,
    status: Annotated[
        str | None,
        typer.Option(help="Only these: pending, running, success, failed or cancelled."),
    ] = None,
    user_id: Annotated[
        str | None, typer.Option("--user-id", "--user_id", help="Only this user's.")
    ] = None,
    use_case: Annotated[
        str | None, typer.Option("--use-case", "--use_case", help="Only for these data.")
    ] = None,
    model_name: Annotated[
        str | None, typer.Option("--model-name", "--model_name", help="Only of this model.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    offset: Annotated[int, typer.Option(min=0, help="How many to leave out first.")] = 0,
    as_json: AsJson = False,
) -> None:
    """List tasks, newest first.

    For example: fedloom task list --status failed --limit 5
    """
    found = platform.tasks.list(
        user_id=user_id,
        status=status,
        use_case=use_case,
        model_name=model_name,
        limit=limit,
        offset=offset,
    )
    if as_json:
        print_json(as_plain(found))
        return
    heads = ("id", "status", "model", "use case", "rounds", "user", "age", "reason")
    rows = [
        (
            t.id,
            t.status,
            f"{t.model_name} {t.model_version}",
            t.use_case,
            f"{t.rounds_done}/{t.num_global_iterations}",
            t.user_id,
            spell_age(t.created_at),
            t.reason or "",
        )
        for t in found
    ]
    print_rows(heads, rows, none="no task fits")


@task.command()
@with_platform
def show(platform: Platform, task_id: TaskId, as_json: AsJson = False) -> None:
    """Show one task.

    For example: fedloom task show 1
    """
    found = platform.tasks.get(task_id)
    if as_json:
        print_json(as_plain([found])[0])
        return
    print_pairs(_describe(found))


def _describe(found: Task) -> list[tuple[str, Any]]:
    made = f"{found.result_model} version {found.result_version}" if found.result_model else None
    return [
        ("task", found.id),
        ("status", str(found.status)),
        ("reason", found.reason),
        ("model", f"{found.model_name} version {found.model_version}"),
        ("use case", found.use_case),
        ("rounds", f"{found.rounds_done} of {found.num_global_iterations}"),
        ("user", found.user_id),
        ("run", found.run_name),
        ("experiment", found.experiment_name),
        ("algorithm", found.algorithm or "FedAvg"),
        ("parameters", found.algorithm_params),
        ("cohort", found.cohort),
        ("asked for", found.created_at),
        ("started", found.started_at),
        ("finished", found.finished_at),
        ("attempts", found.attempt),
        ("metrics", found.metrics),
        ("result", made),
    ]


@task.command()
@with_platform
def cancel(platform: Platform, task_id: TaskId, as_json: AsJson = False) -> None:
    """Cancel a task; its nodes stop within seconds.

    For example: fedloom task cancel 1
    """
    found = platform.tasks.cancel(task_id)
    if as_json:
        print_json(as_plain([found])[0])
    else:
        typer.echo(f"task {found.id} is {found.status}")


@task.command()
@with_platform
def delete(
    platform: Platform,
    task_id: Annotated[
        int | None, typer.Argument(metavar="[ID]", min=1, help="Number of the task.")
    ] = None,
    all_tasks: Annotated[
        bool, typer.Option("--all", help="Every task, ended or not; for admins.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Delete a task that has ended, with its records and logs.

    For example: fedloom task delete 1 --yes
    """
    if (task_id is None) is not all_tasks:
        raise typer.BadParameter("give a task's number, or --all")
    if task_id is None:
        ask_first("Delete all tasks of everybody?", yes=yes)
        platform.tasks.delete_all()
        typer.echo("all tasks are deleted")
    else:
        ask_first(f"Delete task {task_id} with all its records?", yes=yes)
        platform.tasks.delete(task_id)
        typer.echo(f"task {task_id} is deleted")


for _command in (logs, rounds, records, documents, result, history):
    task.command()(_command)
