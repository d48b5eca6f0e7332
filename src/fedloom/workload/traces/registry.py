"""Every kind of trace that can be imported or exported, by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fedloom.errors import InputError
from fedloom.naming import match_name
from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.request import Request
from fedloom.workload.traces.clusters.alibaba_genai_2026 import ALIBABA_GENAI_2026
from fedloom.workload.traces.clusters.alibaba_gpu_2023 import ALIBABA_GPU_2023
from fedloom.workload.traces.clusters.alibaba_pai_2020 import ALIBABA_PAI_2020
from fedloom.workload.traces.clusters.alibaba_spot_2026 import ALIBABA_SPOT_2026
from fedloom.workload.traces.clusters.azure_functions import AZURE_FUNCTIONS
from fedloom.workload.traces.clusters.helios import HELIOS
from fedloom.workload.traces.clusters.nodes import CLUSTERS
from fedloom.workload.traces.clusters.philly import PHILLY
from fedloom.workload.traces.comfyui.importer import COMFYUI
from fedloom.workload.traces.export.chrome import export_chrome
from fedloom.workload.traces.export.servegen import export_servegen
from fedloom.workload.traces.export.swf import export_swf
from fedloom.workload.traces.export.vidur import export_vidur
from fedloom.workload.traces.head import read_head
from fedloom.workload.traces.imported import Imported, Importer, ImportOptions
from fedloom.workload.traces.llm.azure_copilot import AZURE_COPILOT
from fedloom.workload.traces.llm.azure_llm import AZURE_LLM
from fedloom.workload.traces.llm.burstgpt import BURSTGPT
from fedloom.workload.traces.llm.mooncake import MOONCAKE
from fedloom.workload.traces.llm.qwen_bailian import QWEN_BAILIAN
from fedloom.workload.traces.llm.servegen import SERVEGEN
from fedloom.workload.traces.llm.vidur import VIDUR

__all__ = [
    "AUTO",
    "EXPORTS",
    "IMPORTS",
    "Exporter",
    "detect_kind",
    "export_requests",
    "import_cluster",
    "import_trace",
    "name_kind",
]

AUTO = "auto"
"""The kind that stands for finding out."""

Exporter = Callable[[Iterable[Request], WorkloadConfig, Path], int]
"""Writes requests in time order to a file in one step; returns how many."""

IMPORTS: Mapping[str, Importer] = {
    importer.kind: importer
    for importer in (
        COMFYUI,
        AZURE_LLM,
        BURSTGPT,
        MOONCAKE,
        QWEN_BAILIAN,
        ALIBABA_GPU_2023,
        PHILLY,
        HELIOS,
        AZURE_FUNCTIONS,
        AZURE_COPILOT,
        ALIBABA_PAI_2020,
        ALIBABA_SPOT_2026,
        ALIBABA_GENAI_2026,
        VIDUR,
        SERVEGEN,
    )
}
"""Kind → importer."""

EXPORTS: Mapping[str, Exporter] = {
    "vidur": export_vidur,
    "servegen": export_servegen,
    "swf": export_swf,
    "chrome": export_chrome,
}
"""Kind → exporter."""


def import_trace(
    kind: str, paths: Sequence[Path], options: ImportOptions | None = None
) -> Imported:
    """Import files as a configuration and requests.

    Args:
        kind: a key of `IMPORTS`, or `AUTO`.
        paths: files of one trace; for ComfyUI also folders. They may be gzipped.
        options: what may be chosen.

    Raises:
        InputError: the kind is unknown or cannot be found out, a file is missing, malformed, or
            nothing is left of it. Errors in later rows come while the requests are iterated.

    Example:
        >>> imported = import_trace("azure-llm", [Path("trace.csv")])  # doctest: +SKIP
        >>> for request in imported.requests:  # doctest: +SKIP
        ...     print(request.timestamp, request.metadata["node_tokens"])
    """
    if not paths:
        raise InputError("nothing to import; name at least one file")
    for path in paths:
        if not path.exists():
            raise InputError(f"there is no file {path}")
        if not path.is_file() and not path.is_dir():
            raise InputError(f"{path} is no regular file; traces are read more than once, save it")
    name = match_name("kind of trace", kind, (AUTO, *IMPORTS))
    importer = IMPORTS[detect_kind(paths[0]) if name == AUTO else name]
    if importer is not COMFYUI and (folders := [path for path in paths if path.is_dir()]):
        raise InputError(f"{folders[0]} is a folder; name the files of the {importer.kind} trace")
    return importer.read(paths, options or ImportOptions())


def name_kind(kind: str, paths: Sequence[Path]) -> str:
    """Return the key of `IMPORTS` that a kind spells; of `AUTO`, the one that the files are of.

    Raises:
        InputError: the kind is unknown or cannot be found out, or a file is missing.
    """
    if not paths:
        raise InputError("nothing to import; name at least one file")
    for path in paths:
        if not path.exists():
            raise InputError(f"there is no file {path}")
    name = match_name("kind of trace", kind, (AUTO, *IMPORTS))
    return detect_kind(paths[0]) if name == AUTO else name


def detect_kind(path: Path) -> str:
    """Return the kind of trace that a file or folder holds, by how it begins.

    Raises:
        InputError: it is none of the known ones.
    """
    if path.is_dir():
        return COMFYUI.kind
    head = read_head(path)
    for importer in IMPORTS.values():
        if importer.recognises(head):
            return importer.kind
    begins = head.text.partition("\n")[0].strip()[:80]
    raise InputError(
        f"cannot tell what {path} is: it begins with {begins!r}; name its kind, one of "
        f"{', '.join(IMPORTS)}"
    )


def import_cluster(kind: str, path: Path) -> dict[str, Any]:
    """Return a trace's list of servers as a cluster file spells it: ``{"servers": […]}``.

    Args:
        kind: ``alibaba-gpu-2023`` (``openb_node_list``) or ``alibaba-spot-2026``
            (``node_info_df``).
        path: the list.

    Raises:
        InputError: the kind has no such list, or the file is malformed or has no GPU.
    """
    return CLUSTERS[match_name("kind of cluster", kind, CLUSTERS)](path)


def export_requests(
    kind: str, requests: Iterable[Request], config: WorkloadConfig, path: Path
) -> int:
    """Write requests in another system's format; return how many.

    Args:
        kind: a key of `EXPORTS`.
        requests: in time order.
        config: what they were made from.
        path: the file, replaced in one step.

    Raises:
        InputError: the kind is unknown, or a request lacks what the format needs.
        OutputError: the file cannot be written.
    """
    return EXPORTS[match_name("kind of export", kind, EXPORTS)](requests, config, path)
