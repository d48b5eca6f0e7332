"""Policies by name, and policies of users by file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from fedloom.errors import InputError
from fedloom.naming import match_name
from fedloom.scheduling.policies.affinity import Affinity
from fedloom.scheduling.policies.backfill import Backfill
from fedloom.scheduling.policies.best_fit import BestFit
from fedloom.scheduling.policies.fair_share import FairShare
from fedloom.scheduling.policies.greedy import Greedy
from fedloom.scheduling.policies.ordered import (
    EarliestDeadline,
    Fifo,
    Prioritised,
    Random,
    ShortestJob,
    ShortestPath,
)
from fedloom.scheduling.policies.user_file import load_policy, make_policy
from fedloom.scheduling.policy import Policy

__all__ = ["POLICIES", "NamedPolicy", "read_policies", "read_policy"]

POLICIES: Mapping[str, type[Policy]] = MappingProxyType(
    {
        policy.name: policy
        for policy in (
            Fifo,
            ShortestJob,
            ShortestPath,
            EarliestDeadline,
            Prioritised,
            FairShare,
            Affinity,
            BestFit,
            Greedy,
            Backfill,
            Random,
        )
    }
)
"""The policies in the box, by name."""


@dataclass(frozen=True)
class NamedPolicy:
    """A policy as it was asked for.

    Attributes:
        label: what it is called in results: its name, with the options that were given.
        kind: its class; each simulation makes an object of its own.
        options: what was given after the colon.
        file: where a user's class was read from; None: it is in the box.
    """

    label: str
    kind: type[Policy]
    options: Mapping[str, str]
    file: Path | None = None

    def make(self) -> Policy:
        """Return a new object of the class.

        Raises:
            InputError: the class cannot be called without arguments, or its constructor fails.
        """
        return make_policy(self.kind, self.label)


def read_policy(text: str) -> NamedPolicy:
    """Return the policy that ``NAME``, ``FILE.py:CLASS`` or either with ``:KEY=VALUE,…`` names.

    Raises:
        InputError: there is no such policy, file or class, or the options cannot be read.

    Example:
        >>> read_policy("greedy:wait=2").options
        {'wait': '2'}
    """
    name, options = _split(text)
    path, colon, class_name = name.rpartition(".py:")
    file = Path(f"{path}.py") if colon else None
    if file is not None and class_name:
        kind, label = load_policy(file, class_name, POLICIES)
    elif file is not None or name.endswith(".py"):
        raise InputError(f"--policy {text}: name the class too, {name.rstrip(':')}:MyPolicy")
    else:
        kind = POLICIES[match_name("policy", name, POLICIES)]
        label = kind.name
    given = ",".join(f"{key}={value}" for key, value in options.items())
    return NamedPolicy(f"{label}:{given}" if given else label, kind, options, file)


def read_policies(texts: Sequence[str]) -> list[NamedPolicy]:
    """Return several policies; ``all`` stands for every one in the box.

    Classes of different files may have the same name: their labels are told apart by the file.

    Raises:
        InputError: as `read_policy`, or the same policy is named twice.
    """
    names = [name for text in texts for name in (POLICIES if text == "all" else (text,))]
    policies = [read_policy(name) for name in names]
    seen: set[tuple[str, Path | None, str]] = set()
    for policy in policies:
        file = None if policy.file is None else policy.file.resolve()
        key = (policy.label, file, policy.kind.__qualname__)
        if key in seen:
            raise InputError(f"--policy {policy.label} is given twice; name each policy once")
        seen.add(key)
    labels = [policy.label for policy in policies]
    return [_tell_apart(p) if labels.count(p.label) > 1 else p for p in policies]


def _tell_apart(policy: NamedPolicy) -> NamedPolicy:
    if policy.file is None:
        return policy
    label = f"{policy.label} ({policy.file}:{policy.kind.__qualname__})"
    return NamedPolicy(label, policy.kind, policy.options, policy.file)


def _split(text: str) -> tuple[str, dict[str, str]]:
    name, colon, tail = text.rpartition(":")
    if not colon or "=" not in tail:
        return text, {}
    options: dict[str, str] = {}
    for part in tail.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not (key and equals and value):
            raise InputError(
                f"--policy {text}: {part!r} is no option; write name:key=value,key=value"
            )
        if key in options:
            raise InputError(f"--policy {text}: option {key!r} is given twice")
        options[key] = value
    return name, options
