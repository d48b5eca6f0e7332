"""The results of the study that this one follows: its folder of logs and its table."""

from fedloom.bench.legacy.load import Imported, import_study
from fedloom.bench.legacy.tidy import read_tidy, write_tidy
from fedloom.bench.legacy.tree import OldCell, read_tree
from fedloom.bench.legacy.whole import make_results

__all__ = [
    "Imported",
    "OldCell",
    "import_study",
    "make_results",
    "read_tidy",
    "read_tree",
    "write_tidy",
]
