"""What a split must fulfil before anything is drawn, and the line that says so if it does not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from operator import index
from types import MappingProxyType
from typing import SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedloom.data.distribution import check_distribution
from fedloom.errors import PartitionError

__all__ = [
    "check_clients",
    "check_labels",
    "check_param",
    "match_distribution",
    "refuse_small",
    "shorten",
]

_MEANINGS = MappingProxyType(
    {
        "quantity_skew": "alpha over the clients' sizes, a finite number above 0",
        "dirichlet": "alpha over each label's shares, a finite number above 0",
        "shard": "shards per client, a whole number from 1 up",
        "label_per_client": "labels per client, a whole number from 1 up",
    }
)
_WHOLE = frozenset(["shard", "label_per_client"])


def check_labels(
    labels: ArrayLike, class_names: Sequence[str]
) -> tuple[list[str], NDArray[np.int64]]:
    """Return the names of the labels that occur, and each row's index into them.

    Raises:
        PartitionError: there is no row, or a label is no whole number or has no name.
    """
    numbers = np.asarray(labels)
    if not numbers.size:
        raise PartitionError("there are no rows to split")
    if numbers.ndim != 1 or numbers.dtype.kind not in "biu":
        raise PartitionError(
            f"labels of type {numbers.dtype} and shape {numbers.shape} cannot be split: one whole "
            f"number per row is wanted; bin_labels makes them of other numbers"
        )
    values, codes = np.unique(numbers.astype(np.int64), return_inverse=True)
    if not class_names:
        return [str(value) for value in values.tolist()], codes
    if values[0] < 0 or values[-1] >= len(class_names):
        raise PartitionError(
            f"labels are {values[0]}…{values[-1]}, but there are {len(class_names)} class names"
        )
    return [class_names[value] for value in values.tolist()], codes


def match_distribution(
    strategy: str, distribution: Mapping[str, Mapping[str, int]] | None
) -> Mapping[str, Mapping[str, int]]:
    """Return the distribution of `custom`, or an empty one for the other strategies.

    Raises:
        PartitionError: `custom` has none, or another strategy has one.
        DataError: it is not client → label → rows.
    """
    if strategy == "custom" and not distribution:
        raise PartitionError(
            "strategy custom needs a distribution: name its file with --distribution"
        )
    if strategy != "custom" and distribution is not None:
        raise PartitionError(
            f"a distribution is for strategy custom only, but the strategy is {strategy}"
        )
    return check_distribution(distribution, "the distribution") if distribution else {}


def check_clients(rows: int, clients: int | None, min_samples: int) -> int:
    """Return the number of clients.

    Raises:
        PartitionError: a number is below 1, or there are too few rows for that many clients.
    """
    clients = _check_whole("clients", clients)
    min_samples = _check_whole("min_samples", min_samples)
    if clients * min_samples > rows:
        raise PartitionError(
            f"{clients} clients with at least {min_samples} rows each need "
            f"{clients * min_samples} rows, but there are {rows}: ask for fewer clients"
        )
    return clients


def check_param(
    strategy: str, default: float | None, param: float | None, labels: int
) -> float | None:
    """Return the strategy's parameter, after defaults.

    Raises:
        PartitionError: it is out of range, or the strategy has none.
    """
    if default is None:
        if param is not None:
            raise PartitionError(f"strategy {strategy} has no parameter, but {param} is given")
        return None
    value = float(default if param is None else param)
    at_least_one = strategy in _WHOLE
    if not math.isfinite(value) or value <= 0 or (at_least_one and not value.is_integer()):
        raise PartitionError(
            f"the parameter of {strategy} is {value:g}: it is {_MEANINGS[strategy]}"
        )
    if strategy == "label_per_client" and value > labels:
        raise PartitionError(
            f"label_per_client {value:g} is more than the {labels} labels that there are"
        )
    return value


def refuse_small(owner: NDArray[np.int64], ids: Sequence[str], min_samples: int) -> None:
    """Raise a `PartitionError` if a client of a custom distribution holds too few rows."""
    sizes = np.bincount(owner[owner >= 0], minlength=len(ids))
    small = np.flatnonzero(sizes < min_samples).tolist()
    if small:
        listed = shorten([f"{ids[client]} ({sizes[client]} rows)" for client in small])
        raise PartitionError(
            f"clients with fewer than min_samples {min_samples} rows: {listed}; change the "
            f"distribution or ask for fewer clients"
        )


def shorten(names: Sequence[str], shown: int = 5) -> str:
    """Return the first few names in one line, and how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _check_whole(name: str, value: SupportsIndex | None) -> int:
    is_number = hasattr(value, "__index__") and not isinstance(value, bool)
    if value is None or not is_number or index(value) < 1:
        raise PartitionError(f"{name} is {value!r}: it must be a whole number from 1 up")
    return index(value)
