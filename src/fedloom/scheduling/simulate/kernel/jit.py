"""Compiling functions of whole numbers and arrays to machine code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

__all__ = ["Function", "compiled", "compiled_once"]

Function = Callable[..., Any]


def compiled(function: Function) -> Function:
    """Return a function that is compiled as part of the one that calls it."""
    result: Function = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)(
        function
    )
    return result


def compiled_once(function: Function) -> Function:
    """Return a function that is compiled when first called, and kept on disk for other processes.

    Where no folder can be written, it is compiled in each process.
    """
    try:
        result: Function = njit(cache=True, error_model="numpy")(function)
    except RuntimeError:  # numba found no place for its files
        result = njit(error_model="numpy")(function)
    return result
