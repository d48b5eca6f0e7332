"""Federated learning from the first experiment to a fleet of real clients.

A run in three lines::

    import fedloom

    run = fedloom.simulate(dataset="digits", clients=20, partition="dirichlet")
    run.report("report.html")

The same experiment from a shell is ``fedloom generate --clients 20 --partition dirichlet``.
`fedloom.connect` reaches a platform, where real clients train together.
Names are imported when they are first used, so ``import fedloom`` takes no time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedloom._version import __version__

if TYPE_CHECKING:
    from fedloom.errors import FedloomError
    from fedloom.experiment import Plan, Run, Split, make_plan, open_run, partition, simulate
    from fedloom.platform.connection import Platform, connect
    from fedloom.records import merge

__all__ = [
    "FedloomError",
    "Plan",
    "Platform",
    "Run",
    "Split",
    "__version__",
    "connect",
    "make_plan",
    "merge",
    "open_run",
    "partition",
    "simulate",
]

_HOMES = {
    "FedloomError": "fedloom.errors",
    "Plan": "fedloom.experiment",
    "Platform": "fedloom.platform.connection",
    "Run": "fedloom.experiment",
    "Split": "fedloom.experiment",
    "connect": "fedloom.platform.connection",
    "make_plan": "fedloom.experiment",
    "merge": "fedloom.records",
    "open_run": "fedloom.experiment",
    "partition": "fedloom.experiment",
    "simulate": "fedloom.experiment",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names, also those not imported yet."""
    return sorted(__all__)
