"""Every file of a run with its size and SHA-256, to tell whether all of it is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path
from typing import Any

from fedloom.bench.places import RunPlace
from fedloom.errors import DataError
from fedloom.files import output_errors, write_text

__all__ = ["find_manifest_faults", "write_manifest"]


def write_manifest(place: RunPlace) -> None:
    """Write the manifest of all files that are there now, hidden ones left out.

    Files that have kept size and time since the last manifest are not read again.

    Raises:
        OutputError: a file cannot be read, or the manifest cannot be written.
    """
    known = _read_files(place) if place.manifest.exists() else {}
    with output_errors(place.manifest):
        files = {name: _describe(path, known.get(name)) for name, path in _list_files(place)}
    text = json.dumps({"run": place.path.name, "files": files}, indent=1)
    write_text(place.manifest, f"{text}\n")


def find_manifest_faults(place: RunPlace) -> list[str]:
    """Return what is missing, changed or unlisted in a run, a sentence each; none if all is well.

    Every file is read.

    Raises:
        DataError: there is no manifest, or it cannot be read.
    """
    wanted, present = _read_files(place), dict(_list_files(place))
    faults = [f"{name} is missing" for name in wanted if name not in present]
    faults += [f"{name} is not in the manifest" for name in present if name not in wanted]
    for name, path in present.items():
        said = wanted.get(name)
        if said is None:
            continue
        if path.stat().st_size != said["size_bytes"]:
            faults.append(f"{name} has {path.stat().st_size} bytes, not {said['size_bytes']}")
        elif _digest(path) != said["sha256"]:
            faults.append(f"{name} has other content than when it was written")
    return sorted(faults)


def _list_files(place: RunPlace) -> Iterator[tuple[str, Path]]:
    for path in sorted(place.path.rglob("*")):
        name = path.relative_to(place.path)
        hidden = any(part.startswith(".") for part in name.parts)
        if path.is_file() and not hidden and path not in (place.manifest, place.report):
            yield name.as_posix(), path


def _describe(path: Path, known: dict[str, Any] | None) -> dict[str, Any]:
    found = path.stat()
    size, changed = found.st_size, found.st_mtime_ns
    if known is not None and (known["size_bytes"], known.get("changed_ns")) == (size, changed):
        return known
    return {"size_bytes": size, "sha256": _digest(path), "changed_ns": changed}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _read_files(place: RunPlace) -> dict[str, dict[str, Any]]:
    try:
        files = json.loads(place.manifest.read_text("utf-8"))["files"]
        return {str(name): _check(entry) for name, entry in files.items()}
    except FileNotFoundError as error:
        raise DataError(f"{place.manifest} is missing: the run was never finished") from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(
            f"{place.manifest} cannot be read: {error}; remove it and go on with --resume"
        ) from error


def _check(entry: Any) -> dict[str, Any]:
    return {**entry, "size_bytes": int(entry["size_bytes"]), "sha256": str(entry["sha256"])}
