"""Inner products and distances between updates, without a copy of all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedloom.federation.reduce.kept import split_columns
from fedloom.federation.reduce.protocol import Update

__all__ = ["gram_matrix", "squared_distances"]


def gram_matrix(updates: list[Update]) -> NDArray[np.float64]:
    """Return the inner product of every two updates, shape (updates, updates).

    Summed in float64 over blocks of coordinates; needs some 48 MB besides the updates. Products
    too large for a float64 are infinite or NaN.
    """
    gram = np.zeros((len(updates), len(updates)))
    for arrays in zip(*(update.delta for update in updates), strict=True):
        for _, values in split_columns(arrays):
            block = values.astype(np.float64)
            with np.errstate(over="ignore", invalid="ignore"):
                gram += block @ block.T
    return gram


def squared_distances(updates: list[Update]) -> NDArray[np.float64]:
    """Return ‖xᵢ − xⱼ‖² for every two updates; infinite where it is too large for a float64.

    From the inner products of the updates as they are: moving them to a common centre first
    would be more precise among friends, but one huge update could then drown all the others.
    """
    gram = gram_matrix(updates)
    norms = np.diag(gram)
    with np.errstate(invalid="ignore"):
        squares = norms[:, None] + norms[None, :] - 2 * gram
    squares = np.where(np.isnan(squares), np.inf, np.maximum(squares, 0.0))
    np.fill_diagonal(squares, 0.0)
    return squares
