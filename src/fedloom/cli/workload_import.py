"""`fedloom workload import` and `import-cluster`: traces and workflows of other systems."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from fedloom.cli.workload_options import (
    REQUEST_FORMATS,
    AsJson,
    FileArgument,
    Prefix,
    Quiet,
    complete,
)

__all__ = ["import_", "import_cluster"]

_MODELS = "Models that the trace does not describe"
_CUT = "Which requests"

_KINDS = (
    "auto", "comfyui", "azure-llm", "burstgpt", "mooncake", "qwen-bailian", "vidur", "servegen",
    "azure-copilot", "alibaba-gpu-2023", "philly", "helios", "azure-functions",
    "alibaba-pai-2020", "alibaba-spot-2026", "alibaba-genai-2026",
)  # fmt: skip
_CLUSTERS = ("alibaba-gpu-2023", "alibaba-spot-2026")

_FLAGS = {
    "skip_seconds": "--skip",
    "window_seconds": "--window",
    "limit": "--limit",
    "time_scale": "--time-scale",
    "tokens_per_second": "--tokens-per-second",
    "prefill_tokens_per_second": "--prefill-tokens-per-second",
    "memory_gb": "--memory-gb",
    "gpus_required": "--gpus-required",
    "gpu_memory_gb": "--gpu-memory-gb",
}
"""Field of `ImportOptions` → flag."""


def import_(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="Format; 'auto' looks into the file.",
            autocompletion=complete(*_KINDS),
        ),
    ],
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Files, or a folder of them.")
    ],
    output_prefix: Prefix = "imported",
    file_format: Annotated[
        str,
        typer.Option(
            "--format",
            help="Of the requests: json, yaml, jsonl, csv, parquet.",
            autocompletion=complete(*REQUEST_FORMATS),
        ),
    ] = "jsonl",
    limit: Annotated[
        int | None,
        typer.Option(
            help="Take the first so many requests.", show_default=False, rich_help_panel=_CUT
        ),
    ] = None,
    skip: Annotated[
        float,
        typer.Option(help="Leave out the first so many seconds.", rich_help_panel=_CUT),
    ] = 0.0,
    window: Annotated[
        float | None,
        typer.Option(
            help="Take only so many seconds after that.", show_default=False, rich_help_panel=_CUT
        ),
    ] = None,
    keep_failures: Annotated[
        bool,
        typer.Option(
            "--keep-failures", help="Keep requests that failed in the trace.", rich_help_panel=_CUT
        ),
    ] = False,
    start: Annotated[
        str | None,
        typer.Option(
            help="When the first request arrives, an ISO time.",
            show_default="as in the trace",
        ),
    ] = None,
    time_scale: Annotated[
        float, typer.Option(help="Multiply the times of arrival; 0.5 is twice the rate.")
    ] = 1.0,
    tokens_per_second: Annotated[
        float, typer.Option(help="How fast language models write.", rich_help_panel=_MODELS)
    ] = 50.0,
    prefill_tokens_per_second: Annotated[
        float, typer.Option(help="How fast they read.", rich_help_panel=_MODELS)
    ] = 5000.0,
    memory_gb: Annotated[
        float, typer.Option(help="Memory of each language model.", rich_help_panel=_MODELS)
    ] = 16.0,
    gpus_required: Annotated[
        int | None,
        typer.Option(
            help="GPUs of each call of a language model or function.",
            show_default="1; functions 0",
            rich_help_panel=_MODELS,
        ),
    ] = None,
    gpu_memory_gb: Annotated[
        float | None,
        typer.Option(
            help="Memory of the GPUs that a cluster's jobs ran on.",
            show_default="that of their type, or 16",
            rich_help_panel=_MODELS,
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Turn a trace or a workflow of another system into configuration and requests.

    KIND is auto or one of: comfyui; azure-llm, burstgpt, mooncake,
    qwen-bailian, vidur, servegen, azure-copilot; alibaba-gpu-2023, philly,
    helios, azure-functions, alibaba-pai-2020, alibaba-spot-2026,
    alibaba-genai-2026. Writes PREFIX_config.json and PREFIX_requests.jsonl.
    What had to be left out is counted.

    For example:

    \b
      fedloom workload import comfyui workflow.json --output-prefix comfy
      fedloom workload import azure-llm AzureLLMInferenceTrace_conv.csv
    """
    from fedloom.cli.places import keep_inputs, read_prefix
    from fedloom.cli.printing import print_files, print_json, print_warnings
    from fedloom.cli.progress import show_bar
    from fedloom.workload.exchange import import_paths, save_imported
    from fedloom.workload.generate import read_start
    from fedloom.workload.traces.imported import ImportOptions
    from fedloom.workload.traces.registry import import_trace, name_kind

    prefix = read_prefix(output_prefix)
    keep_inputs(import_paths(prefix, file_format), files)
    with _naming_flags():
        options = ImportOptions(
            start_us=None if start is None else read_start(start),
            skip_seconds=skip,
            window_seconds=window,
            limit=limit,
            time_scale=time_scale,
            tokens_per_second=tokens_per_second,
            prefill_tokens_per_second=prefill_tokens_per_second,
            memory_gb=memory_gb,
            gpus_required=gpus_required,
            gpu_memory_gb=gpu_memory_gb,
            keep_failures=keep_failures,
        )
    with show_bar("importing", shown=not (quiet or as_json)) as progress:
        found = name_kind(kind, files)
        imported = import_trace(found, files, options)
        saved = save_imported(imported, prefix, file_format, progress=progress)
    if not (quiet or as_json):
        print_warnings(imported.warnings)
    if as_json:
        written = [str(path) for path in saved.paths]
        warnings = list(imported.warnings)
        counts = {"kind": found, "requests": saved.requests}
        print_json({"files": written, **counts, "warnings": warnings})
    elif not quiet:
        models, workflows = (len(imported.config[key]) for key in ("models", "workflows"))
        print(f"{found}: models {models:,}, workflows {workflows:,}, requests {saved.requests:,}")
        print_files(saved.paths)
        if not saved.requests:
            print(f"next: fedloom workload generate --config {saved.paths[0]}")


@contextmanager
def _naming_flags() -> Iterator[None]:
    """Call options by their flags where an error begins with one."""
    from fedloom.errors import InputError

    try:
        yield
    except InputError as error:
        name, _, rest = str(error).partition(" ")
        error.args = (f"{_FLAGS.get(name, name)} {rest}",)
        raise


def import_cluster(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND", help="Whose list of servers.", autocompletion=complete(*_CLUSTERS)
        ),
    ],
    file: FileArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The cluster to write, .yaml or .json.")
    ] = Path("cluster.yaml"),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Turn a trace's list of servers into a cluster for 'fedloom schedule'.

    KIND is alibaba-gpu-2023 or alibaba-spot-2026.

    For example:

    \b
      fedloom workload import-cluster alibaba-gpu-2023 openb_node_list.csv
    """
    from fedloom.cli.places import keep_inputs
    from fedloom.cli.printing import print_json
    from fedloom.workload.config.write import write_config
    from fedloom.workload.traces.registry import import_cluster

    keep_inputs([output], [file])
    servers = import_cluster(kind, file)
    write_config(servers, output)
    if as_json:
        print_json({"files": [str(output)], "kinds_of_servers": len(servers["servers"])})
    elif not quiet:
        print(f"{output}: {len(servers['servers'])} kinds of servers")
