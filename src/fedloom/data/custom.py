"""The `custom` strategy: clients with the rows of each label that a file asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count, islice

import numpy as np
from numpy.typing import NDArray

from fedloom.errors import PartitionError

__all__ = ["assign_custom", "resize_distribution"]

_Counts = Mapping[str, int]
_SHOWN = 5
"""How many shortfalls an error lists."""


def resize_distribution(given: Mapping[str, _Counts], clients: int) -> dict[str, _Counts]:
    """Return the distribution for exactly `clients` clients.

    Too many: the first ones are kept, in the order given. Too few: the given distributions are
    repeated in turn, under the next names ``client_N`` that are free.

    Example:
        >>> resize_distribution({"a": {"0": 5}, "client_3": {"1": 7}}, 4)
        {'a': {'0': 5}, 'client_3': {'1': 7}, 'client_4': {'0': 5}, 'client_5': {'1': 7}}
    """
    resized = dict(islice(given.items(), clients))
    taken = {name.casefold() for name in given}
    free = (name for n in count(len(given) + 1) if (name := f"client_{n}") not in taken)
    repeated = list(given.values())
    for extra in range(clients - len(resized)):
        resized[next(free)] = repeated[extra % len(repeated)]
    return resized


def assign_custom(
    codes: NDArray[np.int64],
    asked: Mapping[str, _Counts],
    label_codes: Mapping[str, int | None],
    rng: np.random.Generator,
    *,
    allow_shortfall: bool,
) -> tuple[NDArray[np.int64], list[str]]:
    """Serve clients in their order, each with rows of a label that nobody before them got.

    Args:
        codes: label of each row, 0…labels-1; shape (rows,).
        asked: client → label → rows.
        label_codes: code of each label that is known, or None if it has no row.
        rng: says which rows of a label go first.
        allow_shortfall: whether a client may get fewer rows than it asks for.

    Returns:
        The client of each row, or -1 where nobody holds it; and a note for each shortfall.

    Raises:
        PartitionError: a label is unknown, or there are too few rows.
    """
    _refuse_unknown(asked, label_codes)
    labels = int(codes.max()) + 1
    available = np.bincount(codes, minlength=labels)
    wishes = _to_matrix(asked, label_codes, labels, limit=len(codes) + 1)
    end = np.minimum(np.cumsum(wishes, axis=0), available)
    given = np.diff(end, axis=0, prepend=0)
    if (shortfalls := _list_shortfalls(asked, label_codes, given)) and not allow_shortfall:
        raise PartitionError(_describe_shortfalls(shortfalls))
    shuffled = rng.permutation(len(codes))
    by_label = shuffled[np.argsort(codes[shuffled], kind="stable")]
    owner = np.full(len(codes), -1, np.int64)
    for label, start in enumerate((np.cumsum(available) - available).tolist()):
        holders = np.repeat(np.arange(len(asked)), given[:, label])
        owner[by_label[start : start + len(holders)]] = holders
    return owner, shortfalls


def _refuse_unknown(asked: Mapping[str, _Counts], label_codes: Mapping[str, int | None]) -> None:
    for client, counts in asked.items():
        for label in counts:
            if label not in label_codes:
                known = ", ".join(islice(label_codes, 50))
                raise PartitionError(
                    f"client {client!r} asks for label {label!r}, which the data set does not "
                    f"have: its labels are {known}{', …' if len(label_codes) > 50 else ''}"
                )


def _to_matrix(
    asked: Mapping[str, _Counts],
    label_codes: Mapping[str, int | None],
    labels: int,
    limit: int,
) -> NDArray[np.int64]:
    """Return what is asked as (clients, labels); numbers beyond `limit` cannot be met anyway."""
    wishes = np.zeros((len(asked), labels), np.int64)
    for row, counts in enumerate(asked.values()):
        for label, rows in counts.items():
            if (code := label_codes[label]) is not None:
                wishes[row, code] = min(rows, limit)
    return wishes


def _list_shortfalls(
    asked: Mapping[str, _Counts],
    label_codes: Mapping[str, int | None],
    given: NDArray[np.int64],
) -> list[str]:
    notes = []
    for row, (client, counts) in enumerate(asked.items()):
        for label, rows in counts.items():
            code = label_codes[label]
            got = 0 if code is None else int(given[row, code])
            if got < rows:
                notes.append(f"client {client}, label {label}: {rows} asked, {got} available")
    return notes


def _describe_shortfalls(shortfalls: Sequence[str]) -> str:
    more = len(shortfalls) - _SHOWN
    listed = "; ".join(shortfalls[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
    return (
        f"the distribution asks for more rows than there are ({listed}); change it, or take what "
        f"is there with --allow-shortfall"
    )
