"""Results of a cell, from the bucket to its folder: each file as its machine listed it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from fedloom.bench.aws.bucket import list_keys
from fedloom.bench.aws.cloud import Cloud
from fedloom.bench.aws.faults import aws_errors
from fedloom.bench.aws.names import BucketKeys
from fedloom.bench.aws.objects import MANIFEST, download_file, read_object
from fedloom.bench.cell_id import Cell
from fedloom.bench.places import CellPlace
from fedloom.errors import DataError
from fedloom.files import output_errors

__all__ = ["CellParts", "collect_cell", "find_parts", "part_names", "salvage_cell"]

_TRIES = 3


@dataclass(frozen=True)
class CellParts:
    """What machines have handed in of a cell.

    Attributes:
        lists: by part, ``server`` and ``client-0`` onwards, what it handed in.
        missing: parts that have not handed in yet.
    """

    lists: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def ends(self) -> dict[str, str]:
        """By part, how its process ended where it did not end well."""
        return {part: str(given["end"]) for part, given in self.lists.items() if given.get("end")}


def part_names(cell: Cell) -> list[str]:
    """Return the parts of a cell's results: one for each machine."""
    return ["server", *(f"client-{index}" for index in range(cell.clients))]


def find_parts(cloud: Cloud, bucket: str, keys: BucketKeys, cell: Cell) -> CellParts:
    """Return what is handed in of a cell by now.

    Raises:
        DataError: a list cannot be read.
        FedloomError: AWS does not answer.
    """
    names = {f"{keys.part(cell.id, part)}{MANIFEST}": part for part in part_names(cell)}
    there = {one["Key"] for one in list_keys(cloud, bucket, f"{keys.cells}{cell.id}/")}
    lists = {part: _read_list(cloud, bucket, key) for key, part in names.items() if key in there}
    return CellParts(lists, tuple(part for part in names.values() if part not in lists))


def collect_cell(
    cloud: Cloud, bucket: str, keys: BucketKeys, cell: Cell, parts: CellParts, place: CellPlace
) -> None:
    """Bring what is handed in of a cell into its folder, the outcome last.

    Args:
        cloud: where.
        bucket: of the run.
        keys: of the run.
        cell: which.
        parts: what is handed in.
        place: of the cell.

    Raises:
        DataError: a file is not what its machine listed, also at a further try.
        OutputError: it cannot be written.
        FedloomError: AWS does not answer.
    """
    arriving = place.path / ".arriving"
    _remove(arriving)
    for part, given in parts.lists.items():
        for name, about in _files(given):
            key = f"{keys.part(cell.id, part)}{name}"
            _download(cloud, bucket, key, arriving / name, about)
    with output_errors(place.path):
        for stale in place.path.glob("client_*_log.log"):
            stale.unlink()
        found = [path for path in sorted(arriving.rglob("*")) if path.is_file()]
        for path in sorted(found, key=lambda one: one.name == place.outcome.name):
            target = place.path / path.relative_to(arriving)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    _remove(arriving)


def salvage_cell(cloud: Cloud, bucket: str, keys: BucketKeys, cell: Cell, folder: Path) -> int:
    """Bring whatever is in the bucket of an unfinished cell into a folder, as it is.

    Returns:
        How many files there were.

    Raises:
        OutputError: it cannot be written.
        FedloomError: AWS does not answer.
    """
    home, count = f"{keys.cells}{cell.id}/", 0
    for one in list_keys(cloud, bucket, home):
        name = _check_name(one["Key"].removeprefix(home))
        target = folder / name
        with output_errors(target), aws_errors(f"download {one['Key']}"):
            target.parent.mkdir(parents=True, exist_ok=True)
            cloud.s3.download_file(bucket, one["Key"], str(target))
        count += 1
    return count


def _download(cloud: Cloud, bucket: str, key: str, path: Path, about: Mapping[str, Any]) -> None:
    for left in range(_TRIES - 1, -1, -1):
        try:
            with aws_errors(f"download {key}"):
                download_file(cloud.s3, bucket, key, path, about)
        except DataError:
            if not left:
                raise
        else:
            return


def _read_list(cloud: Cloud, bucket: str, key: str) -> Mapping[str, Any]:
    with aws_errors(f"read {key}"):
        content = read_object(cloud.s3, bucket, key)
    try:
        given = json.loads(content)
        for _ in _files(given):
            pass
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{key} in {bucket} is no list of files") from error
    assert isinstance(given, dict)
    return given


def _files(given: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, about in given["files"].items():
        yield _check_name(name), {"size": about["size"], "sha256": about["sha256"]}


def _check_name(name: str) -> str:
    """Refuse names that lead out of the folder; machines are not trusted that far."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
        raise DataError(f"a machine lists a file of the name {name!r}, which leaves its folder")
    return name


def _remove(folder: Path) -> None:
    if folder.exists():
        with output_errors(folder):
            shutil.rmtree(folder)
