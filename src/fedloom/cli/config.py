"""`fedloom config`: what counts after file, environment and flags, and where it came from."""

from __future__ import annotations

from typing import Annotated

import typer

from fedloom.cli.platform_options import ConfigFile, Setting, gather

__all__ = ["config", "example", "show"]

config = typer.Typer(
    add_completion=False,
    help="""Show the settings of the platform's parts, and where each came from.

    Of a file, the environment (FEDLOOM_ and the key in capitals) and flags, each outweighs the one
    before it.
    """,
)


@config.command()
def show(
    part: Annotated[
        str, typer.Option("--part", help="What starts: up, api, server or client.")
    ] = "up",
    file: ConfigFile = None,
    settings: Setting = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print every key of a part with its value and where that came from; secrets are hidden.

    For example: fedloom config show --part server --config fedloom.yaml
    """
    from fedloom.errors import UnknownNameError
    from fedloom.platform.config import Part

    if part not in list(Part):
        raise UnknownNameError("part", part, [known.value for known in Part])
    if part == Part.CLIENT:
        _show_client(file, as_json)
        return
    from fedloom.cli.printing import print_json
    from fedloom.platform.config import describe_config, show_config

    loaded = gather(file, settings)
    if as_json:
        described = describe_config(loaded.config, Part(part))
        print_json({k: {"value": v, "origin": loaded.origins[k]} for k, v in described.items()})
        return
    typer.echo(show_config(loaded, Part(part)), nl=False)


def _show_client(file: ConfigFile, as_json: bool) -> None:
    import yaml

    from fedloom.cli.printing import print_json
    from fedloom.platform.client.config import load_node_config, show_config

    text = show_config(load_node_config(file))
    if as_json:
        print_json(yaml.safe_load(text))
        return
    typer.echo(text, nl=False)


@config.command()
def example(
    part: Annotated[
        str, typer.Option("--part", help="What starts: up, api, server or client.")
    ] = "up",
) -> None:
    """Print a configuration file to start from, with comments.

    For example: fedloom config example > fedloom.yaml
    """
    from fedloom.errors import UnknownNameError
    from fedloom.platform.config import Part

    if part not in list(Part):
        raise UnknownNameError("part", part, [known.value for known in Part])
    if part == Part.CLIENT:
        from fedloom.platform.client.config import example_config as client_example

        typer.echo(client_example(), nl=False)
        return
    from fedloom.platform.config import example_config

    typer.echo(example_config(), nl=False)
