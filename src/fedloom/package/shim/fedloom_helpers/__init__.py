"""Reading and writing models and their documents from inside a package's scripts.

A model travels as a list of NumPy arrays in an ``.npz`` archive; what is said about it travels as
JSON beside it. This package needs the standard library and NumPy only, never imports Fedloom, and
runs on Python 3.8.
"""

from __future__ import annotations

from .documents import load_metadata, save_metadata, save_metrics
from .helperbase import HelperBase
from .named import get_helper

__all__ = ["HelperBase", "get_helper", "load_metadata", "save_metadata", "save_metrics"]
