"""What the portable trainer asks of a framework beyond Keras' own operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

__all__ = ["FrameworkCalls"]


@dataclass(frozen=True)
class FrameworkCalls:
    """A framework's part in a step.

    Attributes:
        place: from a NumPy array to the framework's tensor, where it computes.
        fetch: from a tensor to a NumPy array.
        differentiate: (function, arrays) → ((value, more), gradient); the function gives a scalar
            and something more.
        compile: from a function of nested lists of tensors to a fast one that gives the same.
    """

    place: Callable[[Any], Any]
    fetch: Callable[[Any], NDArray[Any]]
    differentiate: Callable[
        [Callable[[list[Any]], tuple[Any, Any]], Sequence[Any]],
        tuple[tuple[Any, Any], list[Any]],
    ]
    compile: Callable[[Callable[..., Any]], Callable[..., Any]]
