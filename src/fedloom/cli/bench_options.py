"""The flags of `fedloom bench`, by the panels of its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

__all__ = [
    "AsJsonOption",
    "BackendOption",
    "BaselinesOption",
    "BatchSizeOption",
    "CohortOption",
    "ConfigOption",
    "DataDirOption",
    "DatasetOption",
    "DryRunOption",
    "EpochsOption",
    "FleetOption",
    "FolderOption",
    "InstanceProfileOption",
    "LearningRateOption",
    "MaxCostUsdOption",
    "MaxHoursOption",
    "MlflowOption",
    "ModelOption",
    "NClientInstancesOption",
    "NumRoundsOption",
    "OptimizerOption",
    "PartitionOption",
    "PartitionParamOption",
    "PlanOption",
    "PriceOption",
    "ProviderOption",
    "QuietOption",
    "RegionOption",
    "RepeatsOption",
    "RequirementsOption",
    "ResumeOption",
    "RunOption",
    "SampleSizeOption",
    "SeedOption",
    "SpotOption",
    "StrategyOption",
    "SubnetOption",
    "TargetScoreOption",
    "WheelOption",
    "WheelsOption",
]

_GRID, _EXPERIMENT, _RUN, _AWS = "Grid", "Experiment", "Run", "AWS"


def _option(*names: str, panel: str, help: str, metavar: str | None = None) -> Any:  # noqa: A002
    return typer.Option(
        *names, help=help, rich_help_panel=panel, show_default=False, metavar=metavar
    )


BackendOption: TypeAlias = Annotated[
    list[str] | None,
    _option(
        "--backend",
        panel=_GRID,
        metavar="NAME...",
        help="What computes: jax, torch, tensorflow (default: jax).",
    ),
]
StrategyOption: TypeAlias = Annotated[
    list[str] | None,
    _option(
        "--strategy",
        panel=_GRID,
        metavar="NAME...",
        help="Federated algorithms, one after the other "
        "(default: FedAvg FedAvgM FedAdagrad FedAdam).",
    ),
]
NClientInstancesOption: TypeAlias = Annotated[
    list[int] | None,
    _option(
        "--n-client-instances",
        panel=_GRID,
        metavar="INT...",
        help="Numbers of clients; each is a process or a machine with one shard. Needed.",
    ),
]
NumRoundsOption: TypeAlias = Annotated[
    int | None,
    _option("--num-rounds", panel=_GRID, help="Rounds of every cell (default: 10)."),
]
RepeatsOption: TypeAlias = Annotated[
    int | None,
    _option(
        "--repeats",
        panel=_GRID,
        help="Times of every cell, each with another seed (default: 1).",
    ),
]
SeedOption: TypeAlias = Annotated[
    int | None,
    _option("--seed", panel=_GRID, help="Seed of the first repeat (default: 42)."),
]
TargetScoreOption: TypeAlias = Annotated[
    float | None,
    _option("--target-score", panel=_GRID, help="Score whose first reaching is timed."),
]
DatasetOption: TypeAlias = Annotated[
    str | None,
    _option(
        "--dataset",
        panel=_EXPERIMENT,
        help="Name of the data set, or npz:PATH, csv:PATH, images:FOLDER (default: digits).",
    ),
]
DataDirOption: TypeAlias = Annotated[
    str | None,
    _option("--data-dir", panel=_EXPERIMENT, help="Folder where data are looked for first."),
]
SampleSizeOption: TypeAlias = Annotated[
    int | None,
    _option("--sample-size", panel=_EXPERIMENT, help="Training rows to use."),
]
ModelOption: TypeAlias = Annotated[
    str | None,
    _option(
        "--model",
        panel=_EXPERIMENT,
        help="logistic, mlp or cnn (default: cnn for images, mlp for tables).",
    ),
]
PartitionOption: TypeAlias = Annotated[
    str | None,
    _option(
        "--partition",
        panel=_EXPERIMENT,
        help="Split of the rows: iid, quantity_skew, dirichlet, shard, label_per_client "
        "(default: iid, equal to one row).",
    ),
]
PartitionParamOption: TypeAlias = Annotated[
    float | None,
    _option("--partition-param", panel=_EXPERIMENT, help="The split's parameter."),
]
CohortOption: TypeAlias = Annotated[
    float | None,
    _option(
        "--cohort",
        panel=_EXPERIMENT,
        metavar="NUMBER",
        help="Clients of a round: a number, or a fraction such as 0.5 (default: all).",
    ),
]
EpochsOption: TypeAlias = Annotated[
    int | None,
    _option("--epochs", panel=_EXPERIMENT, help="Passes over a shard in a round (default: 1)."),
]
BatchSizeOption: TypeAlias = Annotated[
    int | None,
    _option("--batch-size", panel=_EXPERIMENT, help="Rows in a step (default: 32)."),
]
OptimizerOption: TypeAlias = Annotated[
    str | None,
    _option(
        "--optimizer",
        panel=_EXPERIMENT,
        help="The clients' optimizer: sgd, momentum or adam (default: adam).",
    ),
]
LearningRateOption: TypeAlias = Annotated[
    float | None,
    _option("--learning-rate", panel=_EXPERIMENT, help="Its step size (default: 0.003 for adam)."),
]
PlanOption: TypeAlias = Annotated[
    Path | None,
    _option(
        "--plan",
        panel=_RUN,
        help="A study as a YAML file, as a run keeps it; flags come first.",
    ),
]
RunOption: TypeAlias = Annotated[
    str | None,
    _option("--run", panel=_RUN, help="Id of the run (default: the time at which it begins)."),
]
FolderOption: TypeAlias = Annotated[
    Path | None,
    _option(
        "--dir",
        panel=_RUN,
        help="Folder of all runs (default: federated-learning-results).",
    ),
]
ResumeOption: TypeAlias = Annotated[
    bool,
    _option(
        "--resume",
        panel=_RUN,
        help="Go on with a run: that of --run, or the one that was begun last.",
    ),
]
DryRunOption: TypeAlias = Annotated[
    bool,
    _option(
        "--dry-run",
        panel=_RUN,
        help="Show what would start, for how long and at what cost; start nothing.",
    ),
]
BaselinesOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--baselines/--no-baselines",
        help="Measure what is reached without federated learning, too.",
        rich_help_panel=_RUN,
    ),
]
MlflowOption: TypeAlias = Annotated[
    str | None,
    _option("--mlflow", panel=_RUN, metavar="URI", help="Log every cell to MLflow, too."),
]
AsJsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
QuietOption: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")]
ProviderOption: TypeAlias = Annotated[
    str,
    typer.Option("--provider", help="Whose machines: local or aws.", rich_help_panel=_RUN),
]
FleetOption: TypeAlias = Annotated[
    str | None,
    _option(
        "--fleet",
        panel=_RUN,
        help="flower: a process or machine per client; ray: all in lanes on a Ray cluster "
        "(default: flower).",
    ),
]
RegionOption: TypeAlias = Annotated[
    str | None,
    _option("--region", panel=_AWS, help="Where (default: AWS_REGION, or the profile's)."),
]
ConfigOption: TypeAlias = Annotated[
    Path | None,
    _option(
        "--config", panel=_AWS, help="The machines (default: ec2_config.yaml, where it exists)."
    ),
]
MaxHoursOption: TypeAlias = Annotated[
    float | None,
    _option("--max-hours", panel=_AWS, help="All machines have ended by then (default: 6)."),
]
MaxCostUsdOption: TypeAlias = Annotated[
    float | None,
    _option("--max-cost", panel=_AWS, metavar="USD", help="Refuse what may cost more."),
]
PriceOption: TypeAlias = Annotated[
    list[str] | None,
    _option(
        "--price",
        panel=_AWS,
        metavar="TYPE=USD",
        help="Of a machine per hour; may be repeated.",
    ),
]
SpotOption: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--spot", help="Spare machines: cheaper, may be taken away.", rich_help_panel=_AWS
    ),
]
InstanceProfileOption: TypeAlias = Annotated[
    str | None,
    _option("--instance-profile", panel=_AWS, help="One of yours, where roles may not be created."),
]
SubnetOption: TypeAlias = Annotated[
    str | None, _option("--subnet", panel=_AWS, help="Id (default: of the default network).")
]
WheelOption: TypeAlias = Annotated[
    Path | None,
    _option("--wheel", panel=_AWS, help="Of Fedloom (default: made of what is installed)."),
]
RequirementsOption: TypeAlias = Annotated[
    Path | None,
    _option(
        "--requirements",
        panel=_AWS,
        help="What machines install, with hashes (default: the versions installed here).",
    ),
]
WheelsOption: TypeAlias = Annotated[
    Path | None,
    _option("--wheels", panel=_AWS, help="Folder with their wheels (default: downloaded)."),
]
