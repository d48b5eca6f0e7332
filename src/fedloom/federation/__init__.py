"""The federated loop, written once, and all that it is made of: algorithms, reducers, selection.

No file of others is read here and no clock; nothing is drawn from a global generator; no deep
learning framework is imported but JAX arrays and optax.
"""

from __future__ import annotations

from fedloom.federation.algorithm import Algorithm, algorithm_names, build_algorithm
from fedloom.federation.fleet import Fleet, Order, Reply

__all__ = ["Algorithm", "Fleet", "Order", "Reply", "algorithm_names", "build_algorithm"]
