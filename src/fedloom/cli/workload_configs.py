"""`fedloom workload check` and `configs`: configurations of users, and those in the box."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedloom.cli.workload_options import AsJson

__all__ = ["check", "configs"]


def check(
    config: Annotated[
        list[Path] | None,
        typer.Argument(metavar="CONFIG...", help="Configurations; several are merged."),
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of configurations instead.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a configuration: every fault at once, each with file and line.

    Several files are merged, as 'generate' merges them: the later one wins.
    Ends with code 2 where there are faults; warnings alone are no fault.

    For example:

    \b
      fedloom workload check my_config.json
      fedloom workload check models.json workflows.yaml
      fedloom workload check --schema > config.schema.json
    """
    from fedloom.cli.printing import print_json
    from fedloom.errors import InputError
    from fedloom.workload.config.check import check_files
    from fedloom.workload.config.json_schema import config_schema

    if schema:
        print_json(config_schema())
        return
    if not config:
        raise InputError("name a configuration to check, or ask for --schema")
    result = check_files(config)
    faults, warnings = [str(f) for f in result.faults], [str(w) for w in result.warnings]
    if as_json:
        print_json({"faults": faults, "warnings": warnings})
    else:
        for kind, lines in (("warning", warnings), ("fault", faults)):
            for line in lines:
                print(f"{kind}: {line}")
    if faults:
        raise InputError(f"{len(faults)} {'fault' if len(faults) == 1 else 'faults'} found")
    if not as_json and result.config is not None:
        models, workflows = len(result.config.models), len(result.config.workflows)
        print(f"{result.config.name}: {models} models, {workflows} workflows, no fault")


def configs(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Print this one.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the configurations in the box, or print one, to start from.

    For example:

    \b
      fedloom workload configs
      fedloom workload configs test_baseline.json > my_config.json
    """
    from fedloom.cli.printing import print_json
    from fedloom.naming import match_name
    from fedloom.workload.config.read import read_config
    from fedloom.workload.config.shipped import find_shipped, shipped_configs

    shipped = shipped_configs()
    if name is not None:
        path = find_shipped(name) or shipped[match_name("configuration", name, shipped)]
        print(path.read_text(encoding="utf-8"), end="")
        return
    sizes = {}
    for known, path in shipped.items():
        config = read_config([path]).config
        sizes[known] = {"models": len(config.models), "workflows": len(config.workflows)}
    if as_json:
        print_json(sizes)
        return
    width = max(map(len, sizes))
    for known, size in sizes.items():
        print(f"{known:<{width}}  {size['models']} models, {size['workflows']} workflows")
