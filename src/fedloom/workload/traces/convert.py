"""From the jobs of a trace to a configuration and requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedloom.errors import InputError
from fedloom.workload.request import Request
from fedloom.workload.traces.configuration import build_configuration
from fedloom.workload.traces.head import Head
from fedloom.workload.traces.imported import (
    RELATIVE_START_US,
    Imported,
    Importer,
    ImportOptions,
)
from fedloom.workload.traces.job import Job
from fedloom.workload.traces.order import in_time_order, merge_in_time
from fedloom.workload.traces.reading import Reading
from fedloom.workload.traces.requests import RequestMaker
from fedloom.workload.traces.survey import Survey, take_survey, take_window

__all__ = ["ReadFile", "ReadFiles", "trace_importer"]

ReadFile = Callable[[Path, Reading], Iterator[Job]]
"""Yields the jobs of one file, in its order, and counts what it leaves out."""

ReadFiles = Callable[[Sequence[Path], Reading], Iterator[Job]]
"""The same for a trace whose files belong together."""


def trace_importer(
    kind: str,
    summary: str,
    recognises: Callable[[Head], bool],
    *,
    read_file: ReadFile | None = None,
    read_files: ReadFiles | None = None,
    dated: bool = False,
) -> Importer:
    """Return the importer of a trace of jobs.

    Args:
        kind: its name on the command line.
        summary: what it reads, for people.
        recognises: whether a file that begins so is of this kind.
        read_file: reads one file; several are merged by time.
        read_files: instead, reads files that belong together.
        dated: whether its times are dates, rather than seconds since some start.
    """
    together = read_files or _merging(read_file)

    def read(paths: Sequence[Path], options: ImportOptions) -> Imported:
        return _import(kind, together, paths, options, dated)

    return Importer(kind, summary, read, recognises)


def _merging(read_file: ReadFile | None) -> ReadFiles:
    assert read_file is not None

    def read_files(paths: Sequence[Path], reading: Reading) -> Iterator[Job]:
        return merge_in_time(paths, lambda path: read_file(path, reading))

    return read_files


def _import(
    kind: str, read: ReadFiles, paths: Sequence[Path], options: ImportOptions, dated: bool
) -> Imported:
    passes: list[Reading] = []

    def jobs() -> Iterator[Job]:
        passes[:] = [Reading(options)]
        return read(paths, passes[0])

    survey = take_survey(jobs, options)
    warnings = passes[0].tally.warnings()
    names = ", ".join(path.name for path in paths)
    if not survey.count:
        raise InputError(f"no request is left of {names}: {'; '.join(warnings) or 'no rows'}")
    if survey.buffer > 1:
        warnings.append(
            f"rows are not in time order: they were sorted, {survey.buffer:,} at a time in memory"
        )
    start = options.start_us
    if start is None:
        start = survey.first_us if dated else RELATIVE_START_US
    requests = _TraceRequests(jobs, survey, options, start, warnings)
    config = build_configuration(survey, options, f"Imported from {names} ({kind})")
    return Imported(config, requests, warnings)


@dataclass(frozen=True)
class _TraceRequests:
    """The requests of a trace; each iteration reads the files anew."""

    jobs: Callable[[], Iterator[Job]]
    survey: Survey
    options: ImportOptions
    start_us: int
    warnings: list[str]

    def __iter__(self) -> Iterator[Request]:
        survey = self.survey
        maker = RequestMaker(survey.count, survey.first_us, self.start_us, self.options.time_scale)
        ordered = in_time_order(self.jobs(), survey.buffer)
        yield from map(maker.make, take_window(ordered, self.options))
        if maker.renamed and (text := maker.warning) not in self.warnings:
            self.warnings.append(text)
