"""Writing what comes from other systems, and what goes to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fedloom.errors import InputError
from fedloom.naming import match_name
from fedloom.workload.config.check import check_mapping
from fedloom.workload.config.faults import ConfigError
from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.config.write import write_config
from fedloom.workload.formats.file_format import SUFFIXES, FileFormat, is_gzip_name
from fedloom.workload.formats.header import Header
from fedloom.workload.formats.read import read_requests
from fedloom.workload.formats.write import write_requests
from fedloom.workload.request import Request
from fedloom.workload.requests import with_progress
from fedloom.workload.traces.imported import Imported
from fedloom.workload.traces.registry import EXPORTS, export_requests
from fedloom.workload.units import MICROSECONDS, format_time

__all__ = ["SavedImport", "import_paths", "save_exported", "save_imported"]

Progress = Callable[[int, int], None]

_STEP = 4096


@dataclass(frozen=True)
class SavedImport:
    """An import that was written: its files, and how many requests there were."""

    paths: tuple[Path, ...]
    requests: int


def import_paths(prefix: Path, file_format: str) -> tuple[Path, Path]:
    """Return the files of an import: the configuration and the requests.

    Raises:
        UnknownNameError: the format does not exist.
    """
    kind = match_name("format of requests", file_format, map(str, FileFormat))
    return Path(f"{prefix}_config.json"), Path(f"{prefix}_requests.{kind}")


def save_imported(
    imported: Imported, prefix: Path, file_format: str, *, progress: Progress | None = None
) -> SavedImport:
    """Write ``PREFIX_config.json`` and, if there are requests, ``PREFIX_requests.…``.

    The trace is read to its end before anything is written, so a malformed row leaves nothing.

    Args:
        imported: from `import_trace`; its warnings are complete afterwards.
        prefix: beginning of the files' names.
        file_format: of the requests.
        progress: hears how many requests were written, and of how many.

    Raises:
        InputError: the format is unknown, or a row of the trace is malformed.
        OutputError: a file cannot be written.
    """
    config_path, path = import_paths(prefix, file_format)
    checked = check_mapping(imported.config, name=config_path.name)
    if checked.config is None:
        raise ConfigError(checked.faults)
    count = _count(imported.requests)
    if count.requests:
        header = _header(count, checked.config)
        write_requests(path, header, _followed(imported.requests, count.requests, progress))
    write_config(imported.config, config_path)
    return SavedImport((config_path, path) if count.requests else (config_path,), count.requests)


def save_exported(
    kind: str,
    file: Path,
    config: WorkloadConfig | None,
    output: Path,
    *,
    progress: Progress | None = None,
) -> int:
    """Write a file of requests in another format, of Fedloom or of another tool.

    Args:
        kind: a `FileFormat`, or a key of `EXPORTS`, for which the configuration is needed.
        file: the requests.
        config: what they were made from.
        output: the file to write, replaced in one step.
        progress: hears how many requests were written, and of how many (0: unknown).

    Returns:
        How many requests were written.

    Raises:
        InputError: the kind is unknown, does not go with the output's name, a configuration is
            missing, or a request lacks something.
        OutputError: the file cannot be written.
    """
    name = match_name("kind of export", kind, [*EXPORTS, *map(str, FileFormat)])
    _check_suffix(name, output)
    source = read_requests(file)
    if name in EXPORTS:
        if config is None:
            raise InputError(f"export to {name} needs the requests' configuration; give --config")
        return export_requests(name, with_progress(source, progress), config, output)
    header = source.header or _header(_count(source.requests), config, file.name)
    requests = with_progress(source, progress)
    return write_requests(output, header, requests, format=FileFormat(name))


def _check_suffix(kind: str, output: Path) -> None:
    """Refuse a name that stands for another format of ours: readers go by the name."""
    suffix = (output.with_suffix("") if is_gzip_name(output) else output).suffix.lower()
    if kind not in EXPORTS and SUFFIXES.get(suffix, kind) != kind:
        raise InputError(f"--output {output}: {suffix} is no name of a {kind} file; give another")


@dataclass(frozen=True)
class _Count:
    """How many requests there are, and when the first and the last arrive."""

    requests: int
    first_us: int
    last_us: int


def _count(requests: Iterable[Request]) -> _Count:
    count = first_us = last_us = 0
    for request in requests:
        if count == 0:
            first_us = last_us = request.time_us
        last_us = max(last_us, request.time_us)
        count += 1
    return _Count(count, first_us, last_us)


def _header(count: _Count, config: WorkloadConfig | None, source: str = "") -> Header:
    """Return a header for requests that have none; a minute that has begun counts."""
    return Header(
        generation_time=format_time(count.first_us),
        config_file=config.name if config else source,
        num_requests=count.requests,
        duration_minutes=max(1, -(-(count.last_us - count.first_us) // (60 * MICROSECONDS))),
        models_available=tuple(config.models) if config else (),
        workflows_available=tuple(config.workflows) if config else (),
    )


def _followed(
    requests: Iterable[Request], total: int, progress: Progress | None
) -> Iterator[Request]:
    for count, request in enumerate(requests, start=1):
        yield request
        if progress and count % _STEP == 0:
            progress(count, total)
