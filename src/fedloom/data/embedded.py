"""Data sets that are in the box, because scikit-learn brings them."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np

from fedloom.data.raw import RawData

__all__ = ["EMBEDDED_NAMES", "load_embedded"]

_LOADERS = MappingProxyType(
    {
        "digits": "load_digits",
        "iris": "load_iris",
        "wine": "load_wine",
        "breast_cancer": "load_breast_cancer",
        "diabetes": "load_diabetes",
    }
)
EMBEDDED_NAMES = tuple(_LOADERS)
"""Names that `load_embedded` knows."""

_BRIGHTEST_DIGIT = 16
"""Pixels of `digits` are 0…16."""


def load_embedded(name: str) -> RawData:
    """Return one of `EMBEDDED_NAMES`.

    `digits` are images of shape (8, 8, 1) in 0…1 with labels 0…9; the others are tables, whose
    labels are the names of their classes, or for `diabetes` a number.
    """
    # scikit-learn takes a second to import; only these data sets need it.
    from sklearn import datasets

    bunch: Any = getattr(datasets, _LOADERS[name])()
    if name == "digits":
        pixels = (bunch.images / _BRIGHTEST_DIGIT).astype(np.float32)
        return RawData(pixels[..., np.newaxis], bunch.target)
    if name == "diabetes":
        return RawData(bunch.data, bunch.target, is_table=True)
    return RawData(bunch.data, np.asarray(bunch.target_names, str)[bunch.target], is_table=True)
