"""`fedloom bench`: the same experiment over backends, strategies and numbers of clients."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
import typer
from typer.core import TyperCommand, TyperGroup

from fedloom.cli.spread import spread_lists

if TYPE_CHECKING:
    from fedloom.bench.launch import Launch

__all__ = ["COMMANDS", "BenchGroup", "bench", "carry_out"]

COMMANDS = {
    "report": ("bench_report", "report", "Make one HTML page from a run, or from several."),
    "import": ("bench_import", "import_logs", "Read a folder of logs as a run."),
    "init": ("bench_aws", "init", "Write a template of .env and of the machines."),
    "check": ("bench_aws", "check", "Try the credentials, and what is needed on AWS."),
    "status": ("bench_aws", "status", "Show what runs on AWS for a study."),
    "clean": ("bench_aws", "clean", "Find and remove what was left on AWS."),
    "fetch": ("bench_aws", "fetch", "Fetch a run's results from its bucket."),
}
"""Commands of the group: the module of `fedloom.cli`, the function in it, and the help's line."""

LISTS = ("--backend", "--strategy", "--n-client-instances")
"""Flags that take one value or more."""

_DONE, _FAILED = 0, 1


class BenchGroup(TyperGroup):
    """Carries out a study, unless its first word is one of `COMMANDS`, which load when called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings | {"suggest_commands": False})
        for name, (module, _, summary) in COMMANDS.items():
            if find_spec(f"fedloom.cli.{module}") is not None:
                self.add_command(TyperCommand(name, help=summary))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Accept several values after one flag, and underscores in flags."""
        return super().parse_args(ctx, self.spread(args))

    def spread(self, args: list[str]) -> list[str]:
        """Return arguments in which every value has its own flag, unless they name a command."""
        return args if args and args[0] in self.commands else spread_lists(args, LISTS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that `args` begins with, imported, and the arguments left for it."""
        name, command, rest = super().resolve_command(ctx, args)
        if name not in COMMANDS:
            return name, command, rest
        module, function, summary = COMMANDS[name]
        single = typer.Typer(add_completion=False)
        content = getattr(import_module(f"fedloom.cli.{module}"), function)
        single.command(name, short_help=summary)(content)
        return name, typer.main.get_command(single), rest


bench = typer.Typer(
    cls=BenchGroup,
    add_completion=False,
    invoke_without_command=True,
    subcommand_metavar="[COMMAND] [ARGS]...",
)

_GRID, _EXPERIMENT, _RUN, _AWS = "Grid", "Experiment", "Run", "AWS"


def _option(*names: str, panel: str, help: str, metavar: str | None = None) -> Any:  # noqa: A002
    return typer.Option(
        *names, help=help, rich_help_panel=panel, show_default=False, metavar=metavar
    )


@bench.callback()
def carry_out(
    ctx: typer.Context,
    backend: Annotated[
        list[str] | None,
        _option(
            "--backend",
            panel=_GRID,
            metavar="NAME...",
            help="What computes: jax, torch, tensorflow (default: jax).",
        ),
    ] = None,
    strategy: Annotated[
        list[str] | None,
        _option(
            "--strategy",
            panel=_GRID,
            metavar="NAME...",
            help="Federated algorithms, one after the other "
            "(default: FedAvg FedAvgM FedAdagrad FedAdam).",
        ),
    ] = None,
    n_client_instances: Annotated[
        list[int] | None,
        _option(
            "--n-client-instances",
            panel=_GRID,
            metavar="INT...",
            help="Numbers of clients; each is a process or a machine with one shard. Needed.",
        ),
    ] = None,
    num_rounds: Annotated[
        int | None,
        _option("--num-rounds", panel=_GRID, help="Rounds of every cell (default: 10)."),
    ] = None,
    repeats: Annotated[
        int | None,
        _option(
            "--repeats",
            panel=_GRID,
            help="Times of every cell, each with another seed (default: 1).",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        _option("--seed", panel=_GRID, help="Seed of the first repeat (default: 42)."),
    ] = None,
    target_score: Annotated[
        float | None,
        _option("--target-score", panel=_GRID, help="Score whose first reaching is timed."),
    ] = None,
    dataset: Annotated[
        str | None,
        _option(
            "--dataset",
            panel=_EXPERIMENT,
            help="Name of the data set, or npz:PATH, csv:PATH, images:FOLDER (default: digits).",
        ),
    ] = None,
    data_dir: Annotated[
        str | None,
        _option("--data-dir", panel=_EXPERIMENT, help="Folder where data are looked for first."),
    ] = None,
    sample_size: Annotated[
        int | None,
        _option("--sample-size", panel=_EXPERIMENT, help="Training rows to use."),
    ] = None,
    model: Annotated[
        str | None,
        _option(
            "--model",
            panel=_EXPERIMENT,
            help="logistic, mlp or cnn (default: cnn for images, mlp for tables).",
        ),
    ] = None,
    partition: Annotated[
        str | None,
        _option(
            "--partition",
            panel=_EXPERIMENT,
            help="Split of the rows: iid, quantity_skew, dirichlet, shard, label_per_client "
            "(default: iid, equal to one row).",
        ),
    ] = None,
    partition_param: Annotated[
        float | None,
        _option("--partition-param", panel=_EXPERIMENT, help="The split's parameter."),
    ] = None,
    cohort: Annotated[
        float | None,
        _option(
            "--cohort",
            panel=_EXPERIMENT,
            metavar="NUMBER",
            help="Clients of a round: a number, or a fraction such as 0.5 (default: all).",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        _option("--epochs", panel=_EXPERIMENT, help="Passes over a shard in a round (default: 1)."),
    ] = None,
    batch_size: Annotated[
        int | None,
        _option("--batch-size", panel=_EXPERIMENT, help="Rows in a step (default: 32)."),
    ] = None,
    optimizer: Annotated[
        str | None,
        _option(
            "--optimizer",
            panel=_EXPERIMENT,
            help="The clients' optimizer: sgd, momentum or adam (default: adam).",
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        _option(
            "--learning-rate", panel=_EXPERIMENT, help="Its step size (default: 0.003 for adam)."
        ),
    ] = None,
    plan: Annotated[
        Path | None,
        _option(
            "--plan",
            panel=_RUN,
            help="A study as a YAML file, as a run keeps it; flags come first.",
        ),
    ] = None,
    run: Annotated[
        str | None,
        _option("--run", panel=_RUN, help="Id of the run (default: the time at which it begins)."),
    ] = None,
    folder: Annotated[
        Path | None,
        _option(
            "--dir",
            panel=_RUN,
            help="Folder of all runs (default: federated-learning-results).",
        ),
    ] = None,
    resume: Annotated[
        bool,
        _option(
            "--resume",
            panel=_RUN,
            help="Go on with a run: that of --run, or the one that was begun last.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        _option(
            "--dry-run",
            panel=_RUN,
            help="Show what would start, for how long and at what cost; start nothing.",
        ),
    ] = False,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines/--no-baselines",
            help="Measure what is reached without federated learning, too.",
            rich_help_panel=_RUN,
        ),
    ] = True,
    mlflow: Annotated[
        str | None,
        _option("--mlflow", panel=_RUN, metavar="URI", help="Log every cell to MLflow, too."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
    provider: Annotated[
        str,
        typer.Option("--provider", help="Whose machines: local or aws.", rich_help_panel=_RUN),
    ] = "local",
    fleet: Annotated[
        str | None,
        _option(
            "--fleet",
            panel=_RUN,
            help="flower: a process or machine per client; ray: all in lanes on a Ray cluster "
            "(default: flower).",
        ),
    ] = None,
    region: Annotated[
        str | None,
        _option("--region", panel=_AWS, help="Where (default: AWS_REGION, or the profile's)."),
    ] = None,
    config: Annotated[
        Path | None,
        _option(
            "--config", panel=_AWS, help="The machines (default: ec2_config.yaml, where it exists)."
        ),
    ] = None,
    max_hours: Annotated[
        float | None,
        _option("--max-hours", panel=_AWS, help="All machines have ended by then (default: 6)."),
    ] = None,
    max_cost_usd: Annotated[
        float | None,
        _option("--max-cost", panel=_AWS, metavar="USD", help="Refuse what may cost more."),
    ] = None,
    price: Annotated[
        list[str] | None,
        _option(
            "--price",
            panel=_AWS,
            metavar="TYPE=USD",
            help="Of a machine per hour; may be repeated.",
        ),
    ] = None,
    spot: Annotated[
        bool | None,
        typer.Option(
            "--spot", help="Spare machines: cheaper, may be taken away.", rich_help_panel=_AWS
        ),
    ] = None,
    instance_profile: Annotated[
        str | None,
        _option(
            "--instance-profile", panel=_AWS, help="One of yours, where roles may not be created."
        ),
    ] = None,
    subnet: Annotated[
        str | None, _option("--subnet", panel=_AWS, help="Id (default: of the default network).")
    ] = None,
    wheel: Annotated[
        Path | None,
        _option("--wheel", panel=_AWS, help="Of Fedloom (default: made of what is installed)."),
    ] = None,
    requirements: Annotated[
        Path | None,
        _option(
            "--requirements",
            panel=_AWS,
            help="What machines install, with hashes (default: the versions installed here).",
        ),
    ] = None,
    wheels: Annotated[
        Path | None,
        _option("--wheels", panel=_AWS, help="Folder with their wheels (default: downloaded)."),
    ] = None,
) -> None:
    """Carry out one experiment for a grid of backends, strategies and numbers of clients.

    Every cell has a server process and one process per client, which are started anew, the
    server first. A cell that fails is written down and the others go on. Results go to
    federated-learning-results/RUN/BACKEND/STRATEGY/CLIENTS/.

    Exit codes: 0 every cell finished; 1 a cell failed or diverged; 2 the request is wrong;
    130 interrupted, and --resume goes on.

    For example:

    \b
      fedloom bench --backend jax --n_client_instances 5
      fedloom bench --backend jax torch tensorflow --n_client_instances 2 5 \\
          --strategy FedAvg FedAdam --num_rounds 20 --repeats 3
      fedloom bench --plan study.yaml --dry-run
      fedloom bench --resume
    """
    if ctx.invoked_subcommand is not None:
        return
    from fedloom.bench.launch import prepare_launch
    from fedloom.bench.study import ProviderName
    from fedloom.naming import match_name

    launch = prepare_launch(
        {
            "backend": backend,
            "strategy": strategy,
            "n_client_instances": n_client_instances,
            "num_rounds": num_rounds,
            "repeats": repeats,
            "seed": seed,
            "target_score": target_score,
            "fleet": fleet,
        },
        {
            "dataset": dataset,
            "data_dir": data_dir,
            "sample_size": sample_size,
            "model": model,
            "partition": partition,
            "partition_param": partition_param,
            "cohort": int(cohort) if cohort is not None and cohort.is_integer() else cohort,
            "epochs": epochs,
            "batch_size": batch_size,
            "optimizer": optimizer,
            "learning_rate": learning_rate,
        },
        plan=plan,
        run=run,
        folder=folder,
        resume=resume,
        provider=ProviderName(match_name("provider", provider, list(ProviderName))),
        machines={
            "region": region,
            "config": config,
            "max_hours": max_hours,
            "max_cost_usd": max_cost_usd,
            "prices": price,
            "spot": spot,
            "instance_profile": instance_profile,
            "subnet": subnet,
            "wheel": wheel,
            "requirements": requirements,
            "wheels": wheels,
        },
    )
    if dry_run:
        _show_estimate(launch, as_json=as_json)
        return
    _carry_out(launch, mlflow=mlflow, baselines=baselines, as_json=as_json, quiet=quiet)


def _show_estimate(launch: Launch, *, as_json: bool) -> None:
    from fedloom.bench.launch import estimate_study
    from fedloom.cli.bench_tables import print_estimate

    print_estimate(launch, estimate_study(launch), as_json=as_json)


def _carry_out(
    launch: Launch, *, mlflow: str | None, baselines: bool, as_json: bool, quiet: bool
) -> None:
    from fedloom.bench.launch import carry_out_study
    from fedloom.cli.bench_progress import show_study
    from fedloom.cli.bench_tables import print_outcomes, print_way_on
    from fedloom.cli.signals import end_like_interrupt

    shown = not (quiet or as_json)
    try:
        with end_like_interrupt(), show_study(launch.study, shown=shown) as news:
            outcomes, warnings = carry_out_study(
                launch, news.tell, told=news.end, mlflow=mlflow, baselines=baselines
            )
    except KeyboardInterrupt:
        print_way_on(launch)
        raise
    if not quiet:
        print_outcomes(launch, outcomes, warnings, as_json=as_json)
    failed = any(outcome.status != "finished" for outcome in outcomes)
    raise typer.Exit(_FAILED if failed else _DONE)
