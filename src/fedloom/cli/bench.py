"""`fedloom bench`: the same experiment over backends, strategies and numbers of clients."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click
import typer
from typer.core import TyperCommand, TyperGroup

from fedloom.cli import bench_options as options
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


@bench.callback()
def carry_out(
    ctx: typer.Context,
    backend: options.BackendOption = None,
    strategy: options.StrategyOption = None,
    n_client_instances: options.NClientInstancesOption = None,
    num_rounds: options.NumRoundsOption = None,
    repeats: options.RepeatsOption = None,
    seed: options.SeedOption = None,
    target_score: options.TargetScoreOption = None,
    dataset: options.DatasetOption = None,
    data_dir: options.DataDirOption = None,
    sample_size: options.SampleSizeOption = None,
    model: options.ModelOption = None,
    partition: options.PartitionOption = None,
    partition_param: options.PartitionParamOption = None,
    cohort: options.CohortOption = None,
    epochs: options.EpochsOption = None,
    batch_size: options.BatchSizeOption = None,
    optimizer: options.OptimizerOption = None,
    learning_rate: options.LearningRateOption = None,
    plan: options.PlanOption = None,
    run: options.RunOption = None,
    folder: options.FolderOption = None,
    resume: options.ResumeOption = False,
    dry_run: options.DryRunOption = False,
    baselines: options.BaselinesOption = True,
    mlflow: options.MlflowOption = None,
    as_json: options.AsJsonOption = False,
    quiet: options.QuietOption = False,
    provider: options.ProviderOption = "local",
    fleet: options.FleetOption = None,
    region: options.RegionOption = None,
    config: options.ConfigOption = None,
    max_hours: options.MaxHoursOption = None,
    max_cost_usd: options.MaxCostUsdOption = None,
    price: options.PriceOption = None,
    spot: options.SpotOption = None,
    instance_profile: options.InstanceProfileOption = None,
    subnet: options.SubnetOption = None,
    wheel: options.WheelOption = None,
    requirements: options.RequirementsOption = None,
    wheels: options.WheelsOption = None,
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
