"""Several configuration files as one: maps merge, anything else is taken from the later file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fedloom.workload.config.faults import KeyPath, one_line, spell_path, spell_place
from fedloom.workload.config.places import Document, Place

__all__ = ["Merged", "merge_documents"]

_IDS = ("models", "workflows", "tenants")
_WHOLE = ("arrivals", "prompts")


@dataclass
class Merged:
    """What several files say together.

    Attributes:
        name: the files, without their folders.
        value: the merged map.
        places: path → where the value stands that counts.
        warnings: what two files say differently.
    """

    name: str
    value: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, Place] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def merge_documents(documents: Sequence[Document]) -> Merged:
    """Merge files, the later over the earlier.

    Args:
        documents: the files, in the order in which they were named; at least one.
    """
    merged = Merged(
        " + ".join(document.file.replace("\\", "/").rsplit("/", 1)[-1] for document in documents)
    )
    merged.places[()] = Place(documents[0].file, None, documents[0].folder)
    for document in documents:
        _warn_of_differences(merged, document)
        _overlay(merged, merged.value, document.value, ())
        for path, line in document.lines.items():
            merged.places[path] = Place(document.file, line, document.folder)
        if not document.lines:  # a mapping in memory
            merged.places[()] = Place(document.file, None, document.folder)
    return merged


def _overlay(merged: Merged, into: dict[str, Any], new: Mapping[str, Any], path: KeyPath) -> None:
    for key, value in new.items():
        here, old = (*path, key), into.get(key)
        if isinstance(value, Mapping):
            if not isinstance(old, dict):
                _forget(merged, here, old)
                into[key] = {}
            _overlay(merged, into[key], value, here)
        elif value is not None or key not in into:
            _forget(merged, here, old)
            into[key] = value


def _forget(merged: Merged, path: KeyPath, old: Any) -> None:
    """Drop the places inside a value that is replaced."""
    pairs = old.items() if isinstance(old, Mapping) else ()
    for key, inner in enumerate(old) if isinstance(old, list | tuple) else pairs:
        merged.places.pop((*path, key), None)
        _forget(merged, (*path, key), inner)


def _warn_of_differences(merged: Merged, document: Document) -> None:
    paths: list[KeyPath] = [(part,) for part in _WHOLE]
    for part in _IDS:
        stated = document.value.get(part)
        paths += [(part, key) for key in stated] if isinstance(stated, Mapping) else []
    for path in paths:
        old, new = _at(merged.value, path), _at(document.value, path)
        if old is not None and new is not None and old != new:
            before = merged.places.get(path, merged.places[()]).file
            where = spell_place(document.file, document.lines.get(path), spell_path(path))
            text = f"{where}: differs from {before}; merged, this file wins"
            merged.warnings.append(one_line(text))


def _at(value: Any, path: KeyPath) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
