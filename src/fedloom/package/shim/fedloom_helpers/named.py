"""Helpers by name, which is how scripts ask for them."""

from __future__ import annotations

from .binaryhelper import Helper as BinaryHelper
from .numpyhelper import Helper as NumpyHelper

__all__ = ["get_helper"]

_HELPERS = {"numpyhelper": NumpyHelper, "binaryhelper": BinaryHelper}


def get_helper(helper_module_name: str) -> NumpyHelper:
    """Return a new helper.

    Args:
        helper_module_name: ``numpyhelper`` (npz archives) or ``binaryhelper`` (raw float64).

    Raises:
        ModuleNotFoundError: there is no such helper; the message lists those there are.
    """
    if helper_module_name not in _HELPERS:
        raise ModuleNotFoundError(
            f"there is no helper {helper_module_name!r}: known are {', '.join(_HELPERS)}"
        )
    return _HELPERS[helper_module_name]()
