"""Several studies as one, so that every chart and table shows them side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from fedloom.bench.results.frames import StudyResults
from fedloom.errors import InputError
from fedloom.page.tables import name_apart

__all__ = ["side_by_side"]


def side_by_side(studies: Sequence[StudyResults]) -> StudyResults:
    """Return one study; of several, the backends ``jax`` become ``jax (NAME OF THE STUDY)``.

    Raises:
        InputError: there is no study.
    """
    if not studies:
        raise InputError("a report needs at least one study; name the folder of a run")
    if len(studies) == 1:
        return studies[0]
    apart = name_apart(study.name for study in studies)
    renamed = [_rename(study, name) for study, name in zip(studies, apart, strict=True)]
    return StudyResults(
        name=" and ".join(apart),
        cells=pl.concat([study.cells for study in renamed], how="diagonal_relaxed"),
        rounds=pl.concat([study.rounds for study in renamed], how="diagonal_relaxed"),
        clients=pl.concat([study.clients for study in renamed], how="diagonal_relaxed"),
        baselines=[baseline for study in renamed for baseline in study.baselines],
        warnings=[warning for study in renamed for warning in study.warnings],
    )


def _rename(study: StudyResults, name: str) -> StudyResults:
    backend = pl.format("{} ({})", "backend", pl.lit(name)).alias("backend")
    return replace(
        study,
        cells=study.cells.with_columns(backend),
        rounds=study.rounds.with_columns(backend),
        clients=study.clients.with_columns(backend),
        baselines=[{**b, "backend": f"{b.get('backend')} ({name})"} for b in study.baselines],
        warnings=[f"{name}: {warning}" for warning in study.warnings],
    )
