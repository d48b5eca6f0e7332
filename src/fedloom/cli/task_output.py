"""What a task leaves, for `fedloom task`: logs, rounds, records, documents, weights, history."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedloom.cli.connecting import AsJson, complete_from, with_platform
from fedloom.cli.listing import as_plain, print_rows
from fedloom.cli.places import Overwrite, read_prefix, refuse_existing
from fedloom.cli.printing import print_files, print_json

if TYPE_CHECKING:
    from fedloom.platform.connection import Platform

__all__ = ["TaskId", "documents", "history", "logs", "records", "result", "rounds"]


def _list_ids(platform: Platform) -> list[tuple[str, str]]:
    return [(str(t.id), f"{t.model_name}, {t.status}") for t in platform.tasks.list(limit=50)]


TaskId = Annotated[
    int,
    typer.Argument(
        metavar="ID", help="Number of the task.", min=1, autocompletion=complete_from(_list_ids)
    ),
]


@with_platform
def logs(
    platform: Platform,
    task_id: TaskId,
    after: Annotated[int, typer.Option(min=0, help="Only pieces after this number.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Print what coordinator and nodes said of a task.

    For example: fedloom task logs 1
    """
    pieces = platform.tasks.logs(task_id, after)
    if as_json:
        print_json(as_plain(pieces))
        return
    for piece in pieces:
        at = piece.at.strftime("%H:%M:%S") if piece.at else ""
        for line in piece.text.splitlines() or [""]:
            clean = "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in line)
            typer.echo(f"{at} {piece.source}: {clean}")


@with_platform
def rounds(
    platform: Platform,
    task_id: TaskId,
    after: Annotated[int, typer.Option(min=0, help="Only rounds after this one.")] = 0,
    clients: Annotated[
        bool, typer.Option("--clients", help="A row for each client and round.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the finished rounds of a task: clients, loss and score.

    For example: fedloom task rounds 1 --clients
    """
    tasks = platform.tasks
    frame = tasks.clients(task_id) if clients else tasks.rounds(task_id, after)
    if clients and after and frame.height:
        frame = frame.filter(frame["round"] > after)
    if as_json:
        print_json(json.loads(frame.write_json()))
        return
    first = ("client_id", "participated", "failure", "num_examples", "local_loss", "local_score")
    whole = ("cohort_size", "participants", "global_loss", "global_score", "round_seconds")
    wanted = ("round", *(first if clients else whole))
    heads = [name for name in wanted if name in frame.columns]
    names = [name.replace("_", " ") for name in heads]
    print_rows(names, frame.select(heads).iter_rows(), none="no round is finished")


@with_platform
def records(
    platform: Platform,
    task_id: TaskId,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write, .csv or .parquet.")
    ],
    table: Annotated[str, typer.Option(help="clients, rounds or metrics.")] = "clients",
    overwrite: Overwrite = False,
) -> None:
    """Write a task's records to a file; `fedloom report` and `merge` read it.

    For example: fedloom task records 1 --output iris.csv
    """
    refuse_existing([output], overwrite=overwrite)
    print_files([platform.tasks.records(task_id, output, table=table)])


@with_platform
def documents(
    platform: Platform,
    task_id: TaskId,
    round_number: Annotated[
        int | None, typer.Option("--round", min=0, help="Only of this round.")
    ] = None,
    client_id: Annotated[
        str | None, typer.Option("--client-id", "--client_id", help="Only of this client.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Only validation or metadata.")] = None,
) -> None:
    """Print what clients said beside the numbers, whole, as JSON.

    For example: fedloom task documents 1 --round 3 --kind validation
    """
    found = platform.tasks.documents(task_id, round=round_number, client_id=client_id, kind=kind)
    print_json(as_plain(found))


@with_platform
def result(
    platform: Platform,
    task_id: TaskId,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="File to write (npz).", show_default="task-ID.npz, here"
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Download the weights that a task trained.

    For example: fedloom task result 1 --output model.npz
    """
    target = output or Path(f"task-{task_id}.npz")
    refuse_existing([target], overwrite=overwrite)
    print_files([platform.tasks.result(task_id, target)])


@with_platform
def history(
    platform: Platform,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="One file for all of it.")
    ] = None,
    output_prefix: Annotated[
        str | None,
        typer.Option(
            help="Instead, PREFIX_config.json and PREFIX_requests.json, for fedloom schedule."
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Export the task history as a workload; without a file, print it.

    For example:

    \b
      fedloom task history --output-prefix history
      fedloom schedule -c history_config.json -r history_requests.json --gpus 8
    """
    parts: dict[Path, str | None] = {} if output is None else {output: None}
    if output_prefix is not None:
        prefix = read_prefix(output_prefix)
        parts |= {Path(f"{prefix}_{name}.json"): name for name in ("config", "requests")}
    refuse_existing(parts, overwrite=overwrite)
    found = platform.history()
    if not parts:
        print_json(found)
        return
    from fedloom.files import write_text

    for path, part in parts.items():
        content = found if part is None else found[part]
        write_text(path, json.dumps(content, indent=2) + "\n")
    print_files(parts)
