"""What every helper can do: write a model, read it back, and average models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

__all__ = ["HelperBase"]


class HelperBase(ABC):
    """How one kind of model is written, read and averaged.

    Attributes:
        name: the name of the helper; the class's name where a subclass sets no other.
    """

    def __init__(self) -> None:
        self.name = type(self).__name__

    @abstractmethod
    def increment_average(self, m1: Any, m2: Any, n: float, N: float) -> Any:  # noqa: N803
        """Return the mean over `N` examples, from the mean so far and a model of `n` examples.

        Args:
            m1: the weighted mean so far.
            m2: the model to add.
            n: examples behind `m2`.
            N: examples behind the result, those of `m2` among them.
        """

    @abstractmethod
    def save(self, model: Any, path: Any = None) -> Any:
        """Write `model` to `path`, or to a temporary file, and return where it is."""

    @abstractmethod
    def load(self, path: Any) -> Any:
        """Read the model in a file, or in an open binary file."""
