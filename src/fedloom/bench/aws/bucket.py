"""The bucket of a run: closed to the public, encrypted, and gone when all is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fedloom.bench.aws.cloud import Cloud
from fedloom.bench.aws.faults import aws_errors, error_code
from fedloom.bench.aws.names import Tags
from fedloom.errors import ConflictError

__all__ = ["bucket_exists", "list_keys", "make_bucket", "refuse_bucket", "remove_bucket"]

EXPIRY_DAYS = 14
"""Objects that nobody fetched are removed by AWS itself after so long."""

_BATCH = 1000
_HERE_BY_DEFAULT = "us-east-1"
_GONE = {"404", "NoSuchBucket", "NotFound"}


def make_bucket(cloud: Cloud, name: str, tags: Tags) -> None:
    """Make a bucket that only the account's own roles reach.

    Raises:
        ConflictError: somebody else has one of that name.
        FedloomError: AWS does not let us.
    """
    s3 = cloud.s3
    with aws_errors(f"make the bucket {name}"):
        # This one region refuses to be named as the place.
        where = {"LocationConstraint": cloud.region}
        place = {} if cloud.region == _HERE_BY_DEFAULT else {"CreateBucketConfiguration": where}
        s3.create_bucket(Bucket=name, **place)
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags.as_list()})
        s3.put_public_access_block(
            Bucket=name,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )
        s3.put_bucket_encryption(
            Bucket=name, ServerSideEncryptionConfiguration={"Rules": [_encryption()]}
        )
        s3.put_bucket_lifecycle_configuration(
            Bucket=name, LifecycleConfiguration={"Rules": [_expiry()]}
        )


def refuse_bucket(cloud: Cloud, name: str, run: str) -> None:
    """Refuse to begin a run of which there is still a bucket.

    Raises:
        ConflictError: there is, or somebody else has one of that name.
        FedloomError: AWS does not say.
    """
    if bucket_exists(cloud, name):
        raise ConflictError(
            f"the bucket {name} of run {run} is still there: get what is in it with 'fedloom bench "
            f"fetch {run}', or remove it with 'fedloom bench clean --run {run}'"
        )


def bucket_exists(cloud: Cloud, name: str) -> bool:
    """Tell whether we have a bucket of that name.

    Raises:
        ConflictError: somebody else has it.
        FedloomError: AWS does not say.
    """
    from botocore.exceptions import ClientError

    with aws_errors(f"look for the bucket {name}"):
        try:
            cloud.s3.head_bucket(Bucket=name)
        except ClientError as error:
            if error_code(error) in _GONE:
                return False
            if error_code(error) in {"403", "301"}:
                raise ConflictError(
                    f"the bucket {name} belongs to somebody else; choose another --run"
                ) from error
            raise
    return True


def list_keys(cloud: Cloud, bucket: str, prefix: str = "") -> Iterator[dict[str, Any]]:
    """Yield the objects below a prefix, as AWS lists them, with ``Key`` and ``Size``."""
    with aws_errors(f"list the bucket {bucket}"):
        pages = cloud.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            yield from page.get("Contents", ())


def remove_bucket(cloud: Cloud, name: str) -> None:
    """Empty a bucket and remove it; one that is not there, or not ours, is well.

    Raises:
        FedloomError: AWS does not let us.
    """
    try:
        if not bucket_exists(cloud, name):
            return
    except ConflictError:
        return
    keys = [{"Key": found["Key"]} for found in list_keys(cloud, name)]
    with aws_errors(f"remove the bucket {name}"):
        for begin in range(0, len(keys), _BATCH):
            some = {"Objects": keys[begin : begin + _BATCH], "Quiet": True}
            cloud.s3.delete_objects(Bucket=name, Delete=some)
        cloud.s3.delete_bucket(Bucket=name)


def _encryption() -> dict[str, Any]:
    return {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}


def _expiry() -> dict[str, Any]:
    return {
        "ID": "expire",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "Expiration": {"Days": EXPIRY_DAYS},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }
