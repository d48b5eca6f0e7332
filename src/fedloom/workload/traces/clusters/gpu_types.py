"""How much memory the GPUs of public traces have."""

from __future__ import annotations

from fedloom.workload.traces.imported import ImportOptions

__all__ = ["DEFAULT_GPU_MEMORY_GB", "gpu_memory_gb", "job_memory_gb"]

DEFAULT_GPU_MEMORY_GB = 16.0
"""Of a type that is not known, or not stated."""

_BY_TYPE = {
    "t4": 16.0, "p4": 8.0, "p100": 16.0, "v100": 16.0, "v100m16": 16.0, "v100m32": 32.0,
    "a10": 24.0, "a100": 80.0, "a100-sxm4-80gb": 80.0, "a800": 80.0, "h20": 96.0, "h100": 80.0,
    "h800": 80.0, "l4": 24.0, "l20": 48.0, "l40": 48.0, "l40s": 48.0, "g1": 16.0, "g2": 24.0,
    "g3": 80.0,
}  # fmt: skip


def gpu_memory_gb(kind: str, options: ImportOptions | None = None) -> float:
    """Return a GPU's memory by its type; of alternatives (``V100M16|V100M32``) the smallest.

    Alibaba's ``G1``, ``G2`` and ``G3`` are disguised; 16, 24 and 80 GB are assumed. The option
    `gpu_memory_gb` goes before everything.

    Example:
        >>> gpu_memory_gb("V100M16|V100M32"), gpu_memory_gb("")
        (16.0, 16.0)
    """
    if options is not None and options.gpu_memory_gb is not None:
        return options.gpu_memory_gb
    known = [_BY_TYPE.get(one.strip().casefold()) for one in kind.split("|")]
    return min((memory for memory in known if memory), default=DEFAULT_GPU_MEMORY_GB)


def job_memory_gb(gpus: int, milli: int, kind: str, options: ImportOptions | None = None) -> float:
    """Return the memory that a job holds: its share of each of its GPUs.

    Args:
        gpus: how many devices; a job beside the GPUs counts 1 GB.
        milli: its thousandths of each of them.
        kind: their type.
        options: of the import.
    """
    if not gpus:
        return 1.0
    return round(gpus * gpu_memory_gb(kind, options) * milli / 1_000, 3)
