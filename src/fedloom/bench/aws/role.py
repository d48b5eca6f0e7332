"""The machines' role: it reaches the run's own part of the bucket and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fedloom.bench.aws.cloud import Cloud
from fedloom.bench.aws.faults import aws_errors, error_code
from fedloom.bench.aws.names import IAM_PATH, BucketKeys, Tags

__all__ = ["make_profile", "make_role", "remove_profile", "remove_role", "role_policy"]

_POLICY = "bucket"


def make_role(cloud: Cloud, name: str, bucket: str, tags: Tags) -> None:
    """Make the role, with its policy.

    Raises:
        FedloomError: AWS does not let us.
    """
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": _machines_service(cloud.partition)},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    with aws_errors(f"make the role {name}"):
        cloud.iam.create_role(
            Path=IAM_PATH,
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps(trust),
            Description="Machines of one run of fedloom bench",
            Tags=tags.as_list(),
        )
        cloud.iam.put_role_policy(
            RoleName=name,
            PolicyName=_POLICY,
            PolicyDocument=json.dumps(role_policy(cloud.partition, bucket, BucketKeys(tags.run))),
        )


def role_policy(partition: str, bucket: str, keys: BucketKeys) -> dict[str, Any]:
    """Return what the role may do.

    Args:
        partition: of AWS, for names.
        bucket: of the run.
        keys: of the run.
    """
    arn = f"arn:{partition}:s3:::{bucket}"
    reads = [f"{arn}/{prefix}*" for prefix in (keys.bundle, keys.groups)]
    writes = [f"{arn}/{prefix}*" for prefix in (keys.groups, keys.cells)]
    only = {"StringLike": {"s3:prefix": [f"{keys.home}*"]}}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": reads},
            {"Effect": "Allow", "Action": "s3:PutObject", "Resource": writes},
            {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn, "Condition": only},
        ],
    }


def make_profile(cloud: Cloud, name: str, tags: Tags) -> None:
    """Make the instance profile that gives machines the role of the same name.

    Raises:
        FedloomError: AWS does not let us.
    """
    with aws_errors(f"make the instance profile {name}"):
        cloud.iam.create_instance_profile(
            InstanceProfileName=name, Path=IAM_PATH, Tags=tags.as_list()
        )
        cloud.iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)


def remove_profile(cloud: Cloud, name: str) -> None:
    """Remove an instance profile; one that is not there is well.

    Raises:
        FedloomError: AWS does not let us.
    """
    with aws_errors(f"remove the instance profile {name}"):
        found = _if_there(lambda: cloud.iam.get_instance_profile(InstanceProfileName=name))
        for role in found["InstanceProfile"]["Roles"] if found else ():
            cloud.iam.remove_role_from_instance_profile(
                InstanceProfileName=name, RoleName=role["RoleName"]
            )
        if found:
            cloud.iam.delete_instance_profile(InstanceProfileName=name)


def remove_role(cloud: Cloud, name: str) -> None:
    """Remove a role and its policy; one that is not there is well.

    Raises:
        FedloomError: AWS does not let us.
    """
    with aws_errors(f"remove the role {name}"):
        _if_there(lambda: cloud.iam.delete_role_policy(RoleName=name, PolicyName=_POLICY))
        _if_there(lambda: cloud.iam.delete_role(RoleName=name))


def _if_there(call: Callable[[], Any]) -> Any:
    from botocore.exceptions import ClientError

    try:
        return call()
    except ClientError as error:
        if error_code(error) == "NoSuchEntity":
            return None
        raise


def _machines_service(partition: str) -> str:
    return "ec2.amazonaws.com.cn" if partition == "aws-cn" else "ec2.amazonaws.com"
