"""What is wrong with a configuration: every fault with its file, line, place and remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from fedloom.errors import InputError

__all__ = ["ConfigError", "Fault", "KeyPath", "one_line", "spell_path", "spell_place"]

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys and list positions that lead to a value, the outermost first."""

_SHOWN = 100
"""Faults that fit into the one line of an error; `ConfigError.faults` has them all."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that must change before a configuration can be used.

    Attributes:
        file: the file it stands in, as the user named it.
        line: counted from 1; None where there is none (a missing file, a mapping in memory).
        path: the place in the file, as `spell_path` writes it; empty for the file as a whole.
        problem: what is wrong.
        remedy: what would be right; empty where the problem says it all.
    """

    file: str
    line: int | None
    path: str
    problem: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f" ({self.remedy})" if self.remedy else ""
        place = spell_place(self.file, self.line, self.path)
        return one_line(f"{place}: {self.problem}{remedy}")


class ConfigError(InputError):
    """A configuration cannot be used; the message lists its faults on one line.

    Args:
        faults: all of them; at least one.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        listed = [str(fault) for fault in faults[:_SHOWN]]
        if len(faults) > _SHOWN:
            listed.append(f"and {len(faults) - _SHOWN} more")
        super().__init__(f"{count} in the configuration: {'; '.join(listed)}")
        self.faults = tuple(faults)


def one_line(text: str) -> str:
    """Return a text with line ends and whatever else cannot be printed as escapes.

    Example:
        >>> one_line("a\\nb")
        'a\\\\nb'
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def spell_path(path: KeyPath) -> str:
    """Return a path as people read it.

    Example:
        >>> spell_path(("workflows", "w1", "edges", 2, "to"))
        'workflows.w1.edges[2].to'
        >>> spell_path(("models", "llama 3.1"))
        'models["llama 3.1"]'
    """
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        elif key and all(letter.isalnum() or letter in "_-" for letter in key):
            text += f".{key}"
        else:
            text += f'["{one_line(key)}"]'
    return text.removeprefix(".")


def spell_place(file: str, line: int | None, path: str) -> str:
    """Return ``FILE, line N: PATH``, leaving out what is not known."""
    where = file if line is None else f"{file}, line {line}"
    return f"{where}: {path}" if path else where
