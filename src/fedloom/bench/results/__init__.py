"""A study's results as tables, whether of a run of ours or of imported logs."""

from fedloom.bench.results.frames import CELLS, CLIENTS, ROUNDS, StudyResults
from fedloom.bench.results.read import read_results
from fedloom.bench.results.saved import load_results, save_results

__all__ = [
    "CELLS",
    "CLIENTS",
    "ROUNDS",
    "StudyResults",
    "load_results",
    "read_results",
    "save_results",
]
