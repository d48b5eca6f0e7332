"""What is left of runs in AWS: found by tags, names and path, also without any journal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from fedloom.bench.aws.bucket import list_keys, remove_bucket
from fedloom.bench.aws.cloud import Cloud
from fedloom.bench.aws.faults import aws_errors, error_code
from fedloom.bench.aws.firewall import find_firewalls, remove_firewalls
from fedloom.bench.aws.instances import end_machines, find_machines
from fedloom.bench.aws.names import (
    BUCKET_PREFIX,
    IAM_PATH,
    ResourceNames,
    Tags,
    tags_as_mapping,
)
from fedloom.bench.aws.role import remove_profile, remove_role
from fedloom.bench.run_lock import lock_run
from fedloom.errors import AccessError, FedloomError

__all__ = ["Leftover", "clean_up", "find_leftovers"]

_KINDS = ("machine", "security-group", "instance-profile", "role", "bucket")
"""In the order in which they can be removed."""


@dataclass(frozen=True)
class Leftover:
    """One thing in AWS that is of ours.

    Attributes:
        kind: ``machine``, ``security-group``, ``instance-profile``, ``role`` or ``bucket``.
        name: its id or name.
        run: of which run; empty where it does not say.
        detail: its state, or what is in it.
        expires: when its run's time is over, in ISO 8601; empty where it does not say.
    """

    kind: str
    name: str
    run: str
    detail: str = ""
    expires: str = ""


def find_leftovers(cloud: Cloud, run: str | None = None) -> list[Leftover]:
    """Return everything of ours in the region, and the roles, which belong to no region.

    Args:
        cloud: where.
        run: of one run; None of all.

    Raises:
        FedloomError: AWS does not say.
    """
    found = [*_machines(cloud, run), *_firewalls(cloud, run)]
    found += [*_profiles(cloud, run), *_roles(cloud, run), *_buckets(cloud, run)]
    return found


def clean_up(
    cloud: Cloud,
    left: Sequence[Leftover],
    *,
    results: Path | None = None,
    limit_s: float = 420.0,
    poll_s: float = 5.0,
) -> list[str]:
    """Remove what is left, machines first; what fails does not keep the rest from going.

    Args:
        cloud: where.
        left: from `find_leftovers`.
        results: folder of all runs; those of which a launcher is at work there are refused.
        limit_s: seconds for each step.
        poll_s: between two looks.

    Returns:
        What could not be removed, a sentence each.

    Raises:
        OutputError: a launcher of one of the runs is at work.
    """
    with ExitStack() as stack:
        for run in sorted({one.run for one in left if one.run}):
            if results is not None and (results / run).is_dir():
                stack.enter_context(lock_run(results / run))
        return _remove_all(cloud, left, limit_s, poll_s)


def _remove_all(cloud: Cloud, left: Sequence[Leftover], limit_s: float, poll_s: float) -> list[str]:
    faults = []
    for kind in _KINDS:
        some = [one for one in left if one.kind == kind]
        by_run = kind in ("machine", "security-group")
        names = dict.fromkeys(one.run if by_run else one.name for one in some)
        for name in names:
            try:
                _remove(cloud, kind, name, limit_s, poll_s)
            except FedloomError as error:
                faults.append(f"{kind} {name}: {error}")
    return faults


def _remove(cloud: Cloud, kind: str, name: str, limit_s: float, poll_s: float) -> None:
    if kind == "machine":
        end_machines(cloud, name, limit_s=limit_s, poll_s=poll_s)
    elif kind == "security-group":
        remove_firewalls(cloud, name, limit_s=limit_s, poll_s=poll_s)
    elif kind == "instance-profile":
        remove_profile(cloud, name)
    elif kind == "role":
        remove_role(cloud, name)
    else:
        remove_bucket(cloud, name)


def _machines(cloud: Cloud, run: str | None) -> Iterator[Leftover]:
    for machine in find_machines(cloud, run):
        yield Leftover("machine", machine.id, machine.run, machine.state, machine.expires)


def _firewalls(cloud: Cloud, run: str | None) -> Iterator[Leftover]:
    for group in find_firewalls(cloud, run):
        yield _describe("security-group", group["GroupId"], group.get("Tags"))


def _profiles(cloud: Cloud, run: str | None) -> Iterator[Leftover]:
    pages = cloud.iam.get_paginator("list_instance_profiles")
    try:
        with aws_errors("look for instance profiles"):
            names = [
                one["InstanceProfileName"]
                for page in pages.paginate(PathPrefix=IAM_PATH)
                for one in page["InstanceProfiles"]
            ]
            for name in names:
                about = cloud.iam.get_instance_profile(InstanceProfileName=name)
                tags = about["InstanceProfile"].get("Tags")
                if _is_of(run, tags):
                    yield _describe("instance-profile", name, tags)
    except AccessError:
        return  # who may not look at roles has made none


def _roles(cloud: Cloud, run: str | None) -> Iterator[Leftover]:
    try:
        with aws_errors("look for roles"):
            pages = cloud.iam.get_paginator("list_roles").paginate(PathPrefix=IAM_PATH)
            names = [one["RoleName"] for page in pages for one in page["Roles"]]
            for name in names:
                tags = cloud.iam.list_role_tags(RoleName=name)["Tags"]
                if _is_of(run, tags):
                    yield _describe("role", name, tags)
    except AccessError:
        return  # who may not look at roles has made none


def _buckets(cloud: Cloud, run: str | None) -> Iterator[Leftover]:
    """Yield buckets of this region; one that was not yet tagged is told by its name."""
    expected = (
        "" if run is None else ResourceNames(run, cloud.identity.account, cloud.region).bucket
    )
    with aws_errors("look for buckets"):
        names = [one["Name"] for one in cloud.s3.list_buckets()["Buckets"]]
    for name in names:
        if not name.startswith(BUCKET_PREFIX) or _region_of(cloud, name) != cloud.region:
            continue
        tags = _bucket_tags(cloud, name)
        if name == expected or (tags and _is_of(run, tags)) or (not tags and run is None):
            objects = list(list_keys(cloud, name))
            size = sum(int(one["Size"]) for one in objects)
            about = tags_as_mapping(tags)
            yield Leftover(
                "bucket",
                name,
                about.get("fedloom:run", run or ""),
                f"{len(objects)} objects, {size} bytes",
                about.get("fedloom:expires", ""),
            )


def _bucket_tags(cloud: Cloud, name: str) -> list[dict[str, str]]:
    from botocore.exceptions import ClientError

    with aws_errors(f"look at the bucket {name}"):
        try:
            found: list[dict[str, str]] = cloud.s3.get_bucket_tagging(Bucket=name)["TagSet"]
        except ClientError as error:
            if error_code(error) in {"NoSuchTagSet", "NoSuchBucket"}:
                return []
            raise
    return found


def _region_of(cloud: Cloud, bucket: str) -> str:
    with aws_errors(f"look at the bucket {bucket}"):
        place = cloud.s3.get_bucket_location(Bucket=bucket)["LocationConstraint"]
    return {None: "us-east-1", "EU": "eu-west-1"}.get(place, str(place))


def _is_of(run: str | None, tags: list[dict[str, str]]) -> bool:
    found = Tags.read_run(tags)
    return found is not None and run in (None, found)


def _describe(kind: str, name: str, tags: list[dict[str, str]] | None) -> Leftover:
    about = tags_as_mapping(tags)
    run, expires = about.get("fedloom:run", ""), about.get("fedloom:expires", "")
    return Leftover(kind, name, run, "", expires)
