"""The warm runner: a second call of an entry point does not import its framework again."""

from __future__ import annotations

from fedloom.package.warm.runner import WarmRunner

__all__ = ["WarmRunner"]
