"""Writing a workload: its requests in one or several formats, and its statistics."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from fedloom.files import write_text
from fedloom.workload.formats.file_format import FileFormat
from fedloom.workload.formats.header import Header
from fedloom.workload.formats.write import open_writer
from fedloom.workload.generate import Workload
from fedloom.workload.statistics.collect import WorkloadStats

__all__ = ["SavedWorkload", "save_workload", "workload_paths"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SavedWorkload:
    """A workload that was written.

    Attributes:
        paths: its files; the last holds the statistics.
        header: what JSON and YAML files, and the statistics, say of themselves.
        stats: the statistics.
    """

    paths: tuple[Path, ...]
    header: Header
    stats: WorkloadStats


def workload_paths(prefix: Path, formats: Sequence[FileFormat]) -> tuple[Path, ...]:
    """Return the files that a workload is written to; the last is for the statistics.

    Example:
        >>> [path.name for path in workload_paths(Path("out/mine"), [FileFormat.JSONL])]
        ['mine_requests.jsonl', 'mine_stats.json']
    """
    requests = [Path(f"{prefix}_requests.{kind}") for kind in formats]
    return (*requests, Path(f"{prefix}_stats.json"))


def save_workload(
    workload: Workload,
    prefix: Path,
    formats: Sequence[FileFormat],
    *,
    progress: Progress | None = None,
) -> SavedWorkload:
    """Write ``PREFIX_requests.…`` in each format, and ``PREFIX_stats.json``.

    Each block is drawn once and written in every format, so memory does not grow with the number
    of requests. Files replace older ones at the end, when all of them are complete.

    Args:
        workload: what to write.
        prefix: beginning of the files' names; its folder is made if need be.
        formats: of the requests, each once.
        progress: hears how many requests were written, and of how many.

    Raises:
        InputError: the workload cannot be.
        OutputError: a file cannot be written; nothing half-written stays behind.
    """
    header = workload.header()
    stats = WorkloadStats(workload.config)
    *paths, stats_path = workload_paths(prefix, formats)
    with ExitStack() as stack:
        writers = [stack.enter_context(open_writer(p, workload.config, header)) for p in paths]
        for block in workload.blocks():
            stats.add(block)
            for writer in writers:
                writer.write(block)
            if progress:
                progress(stats.total, header.num_requests)
    figures = stats.to_dict() | {"metadata": header.to_dict()}
    write_text(stats_path, json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
    return SavedWorkload((*paths, stats_path), header, stats)
