"""The faults and warnings that the parts of the check collect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from fedloom.workload.config.faults import Fault, KeyPath, one_line, spell_path, spell_place
from fedloom.workload.config.places import Place
from fedloom.workload.config.wording import hint_at, word_error

__all__ = ["Findings"]

_HINTED = 500
"""Faults after which no near name is looked for: with thousands, that would take minutes."""

Section = TypeVar("Section", bound=BaseModel)


class Findings:
    """Collects what is found, each with its place.

    Args:
        places: path → where it stands; the empty path is always there.
    """

    def __init__(self, places: Mapping[KeyPath, Place]) -> None:
        self.places = places
        self._faults: dict[Fault, None] = {}
        self._warnings: list[str] = []
        self._unknown: dict[tuple[str, str], tuple[str, str, int]] = {}

    @property
    def faults(self) -> tuple[Fault, ...]:
        """All faults, each once, in the order in which they were found."""
        return tuple(self._faults)

    @property
    def warnings(self) -> tuple[str, ...]:
        """All warnings; a key that is unknown in many places is one of them."""
        unknown = []
        for (kind, key), (where, hint, count) in self._unknown.items():
            others = f" (and in {count - 1} more)" if count > 1 else ""
            text = f"{where}: no key of a {kind} is named {key!r}; ignored{others}; {hint}"
            unknown.append(one_line(text))
        return (*self._warnings, *unknown)

    def place(self, path: KeyPath) -> Place:
        """Return where a value stands, or what is nearest around it."""
        while path not in self.places:
            path = path[:-1]
        return self.places[path]

    def fault(self, path: KeyPath, problem: str, remedy: str = "") -> None:
        """Add a fault."""
        place = self.place(path)
        self._faults[Fault(place.file, place.line, spell_path(path), problem, remedy)] = None

    def unknown_name(self, path: KeyPath, kind: str, name: str, known: Iterable[str]) -> None:
        """Add the fault of a name that is not among those known."""
        self.missing_name(path, f"names the unknown {kind} {name!r}", name, known)

    def missing_name(self, path: KeyPath, problem: str, name: str, known: Iterable[str]) -> None:
        """Add a fault that a name near to one of those known would mend."""
        self.fault(path, problem, hint_at(name, known) if len(self._faults) < _HINTED else "")

    def warn(self, path: KeyPath, text: str) -> None:
        """Add a warning."""
        self._warnings.append(one_line(f"{self._spell(path)}: {text}"))

    def check_keys(self, kind: str, section: type[BaseModel], raw: Any, path: KeyPath) -> None:
        """Warn of the keys that a section does not know; the original ignored them, too."""
        if not isinstance(raw, Mapping) or section.model_config.get("extra") == "forbid":
            return  # pydantic says the same, or refuses them
        known = [field.alias or name for name, field in section.model_fields.items()]
        for key in raw:
            if key in known or key.startswith(("_", "x-", "$")):
                continue
            hint = hint_at(key, known)
            where, hint, count = self._unknown.get(
                (kind, key), (self._spell((*path, key)), hint, 0)
            )
            self._unknown[kind, key] = (where, hint, count + 1)

    def check_section(
        self, kind: str, section: type[Section], raw: Any, path: KeyPath
    ) -> tuple[Section | None, frozenset[str]]:
        """Check one map of the file and keep what is right in it.

        Args:
            kind: what it is, for warnings ("workflow").
            section: what it should be.
            raw: what the file says.
            path: where it stands.

        Returns:
            The section without the fields that have faults, or None where nothing can be kept;
            and the names of those fields.
        """
        self.check_keys(kind, section, raw, path)
        try:
            return section.model_validate(raw), frozenset()
        except ValidationError as error:
            errors = error.errors(include_url=False)
        for found in errors:
            problem, remedy = word_error(found)
            self.fault(path + _shorten(found["loc"], raw), problem, remedy)
        broken = frozenset(str(found["loc"][0]) for found in errors if found["loc"])
        if not isinstance(raw, Mapping) or not broken:
            return None, broken
        try:
            kept = {key: value for key, value in raw.items() if key not in broken}
            return section.model_validate(kept), broken
        except ValidationError:
            return None, broken

    def _spell(self, path: KeyPath) -> str:
        place = self.place(path)
        return spell_place(place.file, place.line, spell_path(path))


def _shorten(location: tuple[str | int, ...], raw: Any) -> KeyPath:
    """Leave out what pydantic adds to a path: names of union members and tags."""
    path: KeyPath = ()
    for position, key in enumerate(location):
        inside = isinstance(raw, Mapping) and key in raw
        inside = inside or (isinstance(raw, list | tuple) and isinstance(key, int))
        if inside:
            raw, path = raw[key], (*path, key)
        elif position == len(location) - 1 and isinstance(raw, Mapping) and key != "[key]":
            path = (*path, key)
    return path
