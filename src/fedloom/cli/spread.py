"""Command lines with several values after one flag, as many programs take them."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["spread_lists"]


def spread_lists(arguments: Sequence[str], lists: Sequence[str]) -> list[str]:
    """Return arguments in which every value has its own flag, and flags have no underscores.

    Args:
        arguments: of a command line.
        lists: flags that take several values: all words up to the next flag.

    Example:
        >>> spread_lists(["--n_clients", "2", "5", "--seed", "1"], ["--n-clients"])
        ['--n-clients', '2', '--n-clients', '5', '--seed', '1']
    """
    spread: list[str] = []
    flag, first = "", False
    for word in arguments:
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            word = name.replace("_", "-") + equals + value
            flag = word.partition("=")[0] if word.partition("=")[0] in lists else ""
            first = not equals
            spread.append(word)
        elif flag and not word.startswith("-"):
            spread += [word] if first else [flag, word]
            first = False
        else:
            flag = ""
            spread.append(word)
    return spread
