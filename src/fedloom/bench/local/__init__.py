"""Cells on this machine: a process for the server of each, and one for each of its clients."""

from fedloom.bench.local.provider import LocalProvider

__all__ = ["LocalProvider"]
