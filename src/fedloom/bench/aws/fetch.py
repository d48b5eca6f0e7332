"""Getting results that stayed in a bucket because a run ended early."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fedloom.bench.aws.bucket import bucket_exists, remove_bucket
from fedloom.bench.aws.cloud import Cloud
from fedloom.bench.aws.collect import collect_cell, find_parts, salvage_cell
from fedloom.bench.aws.instances import find_machines
from fedloom.bench.aws.names import BucketKeys, ResourceNames
from fedloom.bench.outcome import read_outcome
from fedloom.bench.places import RunPlace
from fedloom.bench.study_file import read_study
from fedloom.errors import ConflictError, NotFoundError

__all__ = ["Fetched", "fetch_results"]


@dataclass(frozen=True)
class Fetched:
    """What there was.

    Attributes:
        complete: ids of cells whose results are all here now.
        partial: ids of cells of which there were only parts, by the folder that holds them.
        removed: whether the bucket is gone.
    """

    complete: tuple[str, ...]
    partial: dict[str, str]
    removed: bool


def fetch_results(
    cloud: Cloud, place: RunPlace, tell: Callable[[str], None] = lambda _: None
) -> Fetched:
    """Bring the results of a run from its bucket; the bucket goes where all of it is here.

    Args:
        cloud: where the run was.
        place: of the run.
        tell: called with what is done.

    Raises:
        NotFoundError: there is no such bucket.
        ConflictError: machines of the run are at work.
        DataError: a file is not what its machine listed.
        FedloomError: AWS does not answer.
    """
    run, keys = place.path.name, BucketKeys(place.path.name)
    bucket = ResourceNames(run, cloud.identity.account, cloud.region).bucket
    if not bucket_exists(cloud, bucket):
        raise NotFoundError(f"run {run} has no bucket in {cloud.region}; is --region right?")
    if find_machines(cloud, run):
        raise ConflictError(f"machines of run {run} are at work; wait, or 'fedloom bench clean'")
    complete, partial = [], dict[str, str]()
    for cell in read_study(place.study).cells():
        parts = find_parts(cloud, bucket, keys, cell)
        if not parts.missing:
            tell(f"getting {cell.id}")
            collect_cell(cloud, bucket, keys, cell, parts, place.cell(cell))
            if read_outcome(place.cell(cell).outcome) is not None:
                complete.append(cell.id)
            continue
        folder = place.path / ".aws" / "partial" / cell.id
        if salvage_cell(cloud, bucket, keys, cell, folder):
            partial[cell.id] = str(folder)
    if not partial:
        remove_bucket(cloud, bucket)
    return Fetched(tuple(complete), partial, not partial)
