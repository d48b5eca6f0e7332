"""What a node says that a command printed, as it may be shown: it comes from strangers."""

from __future__ import annotations

from typing import Any

__all__ = ["clean_tail"]

_MOST_LINES, _MOST_CHARACTERS = 10, 300


def clean_tail(said: Any) -> list[str]:
    """Return the last lines of what a node says, each bounded, without control characters.

    Example:
        >>> clean_tail(["", "Traceback", 7, "\\x1b[31mno rows\\n"])
        ['Traceback', ' [31mno rows']
    """
    if not isinstance(said, list | tuple):
        return []
    lines = (line[:_MOST_CHARACTERS] for line in said[-10 * _MOST_LINES :] if isinstance(line, str))
    shown = ("".join(c if c.isprintable() else " " for c in line).rstrip() for line in lines)
    return [line for line in shown if line][-_MOST_LINES:]
