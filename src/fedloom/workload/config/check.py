"""Checking configurations: all faults at once, with file and line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedloom.workload.config.faults import ConfigError, Fault, spell_path
from fedloom.workload.config.findings import Findings
from fedloom.workload.config.merge import merge_documents
from fedloom.workload.config.places import Document, Repeated, SourceError, check_depth
from fedloom.workload.config.resolve import resolve_config
from fedloom.workload.config.source import read_document
from fedloom.workload.config.workload_config import WorkloadConfig

__all__ = ["CheckResult", "check_files", "check_mapping"]


@dataclass(frozen=True)
class CheckResult:
    """What a check found.

    Attributes:
        faults: what must change; empty for a configuration that can be used.
        warnings: what may be meant otherwise, each with its place, on one line.
        config: the configuration; None where there are faults.
    """

    faults: tuple[Fault, ...]
    warnings: tuple[str, ...]
    config: WorkloadConfig | None


def check_files(paths: Sequence[Path | str]) -> CheckResult:
    """Check configuration files that are used together; never raises for what they hold.

    Where a file cannot be read at all, only that is reported: what it would have said is missing.

    Args:
        paths: JSON, YAML or TOML by suffix, or names of shipped configurations; later files win.

    Example:
        >>> check_files(["minimal.json"]).faults
        ()
    """
    documents: list[Document] = []
    faults: list[Fault] = []
    for path in paths:
        try:
            documents.append(read_document(path))
        except ConfigError as error:
            faults += error.faults
    if not paths:
        faults.append(Fault("configuration", None, "", "no file is named", "name one or more"))
    return CheckResult(tuple(faults), (), None) if faults else _check(documents)


def check_mapping(config: Mapping[str, Any], *, name: str = "configuration") -> CheckResult:
    """Check a configuration that is in memory; keys become text, as in a file.

    Args:
        config: what a file would hold.
        name: what stands for a file's name.
    """
    try:
        check_depth(config)
    except SourceError as error:
        return CheckResult((Fault(name, None, "", error.problem),), (), None)
    return _check([Document(name, Path(), _with_text_keys(config))])


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _with_text_keys(inner) for key, inner in value.items()}
    return [_with_text_keys(inner) for inner in value] if isinstance(value, list | tuple) else value


def _check(documents: Sequence[Document]) -> CheckResult:
    merged = merge_documents(documents)
    findings = Findings(merged.places)
    config = resolve_config(merged.value, merged.name, findings)
    warnings = (*merged.warnings, *findings.warnings)
    faults = (*_find_repeated(documents), *findings.faults)
    return CheckResult(_in_order(faults, documents), warnings, None if faults else config)


def _find_repeated(documents: Sequence[Document]) -> list[Fault]:
    return [
        Fault(
            document.file,
            repeated.line,
            spell_path(repeated.path),
            f"stands there twice, first in line {repeated.first_line}",
            "keys must differ",
        )
        for document in documents
        for repeated in _outermost(document.repeated)
    ]


def _outermost(repeated: Sequence[Repeated]) -> list[Repeated]:
    """Leave out what stands twice only because the section around it does."""
    paths = {one.path for one in repeated}
    return [one for one in repeated if not any(one.path[:n] in paths for n in range(len(one.path)))]


def _in_order(faults: Sequence[Fault], documents: Sequence[Document]) -> tuple[Fault, ...]:
    files = {document.file: number for number, document in enumerate(documents)}
    return tuple(sorted(faults, key=lambda fault: (files[fault.file], fault.line or 0)))
