"""Which commands can be started from a warm process, and in which one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fedloom.package.run.call import Call
from fedloom.package.run.tree import MARK

__all__ = ["Target", "find_target"]

_PLAIN_OPTIONS = frozenset("bBdOqsu")
_VALUE_OPTIONS = ("-W", "-X")

_PER_CLIENT = ("FEDLOOM_", "FEDN_", "SCALEOUT_", "PWD", "OLDPWD", "_", "SHLVL")
"""Beginnings and names of variables that may differ between calls of one warm process: no
framework looks at them as it is imported."""


@dataclass(frozen=True)
class Target:
    """A Python script or module, and the interpreter that runs it.

    Attributes:
        interpreter: program and options.
        words: the script and its arguments, or ``-m``, a module and its arguments.
        key: equal for calls that may share a warm process.
        prefix: words to put before the interpreter.
    """

    interpreter: tuple[str, ...]
    words: tuple[str, ...]
    key: str
    prefix: tuple[str, ...] = ()


def find_target(call: Call, python: str) -> Target | str:
    """Return what a call runs, or why it cannot be started from a warm process."""
    if call.words[0] != python:
        return "its command is not `python` with a script or a module"
    count = _count_options(call.words)
    interpreter, words = call.words[:count], call.words[count:]
    if not words or (words[0].startswith("-") and (words[0] != "-m" or len(words) < 2)):
        return f"its command has the option {words[0]!r}" if words else "its command has no script"
    if words[0] != "-m" and not words[0].endswith(".py"):
        return f"{words[0]!r} is not a file that ends in .py"
    lasting = sorted(
        (name, value) for name, value in call.variables.items() if not _is_per_client(name)
    )
    target = words[: 2 if words[0] == "-m" else 1]
    relative = any(not Path(path).is_absolute() for path in _search_path(call))
    # A relative search path is made absolute once, where the warm process starts.
    place = str(call.folder) if relative else ""
    same = (call.prefix, interpreter, target, lasting, place)
    key = sha256(repr(same).encode("utf-8", "surrogatepass"))
    return Target(interpreter, words, key.hexdigest(), call.prefix)


def _search_path(call: Call) -> list[str]:
    given = call.variables.get("PYTHONPATH", "")
    return given.split(os.pathsep) if given else []


def _count_options(words: tuple[str, ...]) -> int:
    """Return how many words the interpreter and the options that a fork can share take."""
    at = 1
    while at < len(words):
        word = words[at]
        if word in _VALUE_OPTIONS:
            at += 2
        elif word[:2] in _VALUE_OPTIONS or _is_plain_option(word):
            at += 1
        else:
            break
    return at


def _is_plain_option(word: str) -> bool:
    return word[:1] == "-" and word[1:] != "" and set(word[1:]) <= _PLAIN_OPTIONS


def _is_per_client(name: str) -> bool:
    return name == MARK or name.startswith(_PER_CLIENT[:3]) or name in _PER_CLIENT[3:]
