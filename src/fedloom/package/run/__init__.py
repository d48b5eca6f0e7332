"""Running an entry point as a process of its own: stream it, bound it, stop it, explain its end."""

from __future__ import annotations

from fedloom.package.run.cold import run_entry_point
from fedloom.package.run.finished import EntryPointRunner, Finished
from fedloom.package.run.guard import Guard

__all__ = ["EntryPointRunner", "Finished", "Guard", "run_entry_point"]
