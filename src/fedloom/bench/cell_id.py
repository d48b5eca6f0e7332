"""What tells one cell of a study from another."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Cell"]


@dataclass(frozen=True, order=True)
class Cell:
    """One backend with one strategy and one number of clients, carried out once.

    Attributes:
        backend: what computes.
        strategy: the federated algorithm.
        clients: how many there are.
        repeat: counted from 1.

    Example:
        >>> Cell("jax", "FedAvg", 2).id, Cell("jax", "FedAvg", 2, repeat=3).id
        ('jax-FedAvg-2', 'jax-FedAvg-2-r3')
    """

    backend: str
    strategy: str
    clients: int
    repeat: int = 1

    @property
    def id(self) -> str:
        """The cell's name within its run."""
        suffix = "" if self.repeat == 1 else f"-r{self.repeat}"
        return f"{self.backend}-{self.strategy}-{self.clients}{suffix}"
