"""The security group of a run: machines of it reach each other at one port, nobody else does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fedloom.bench.aws.cloud import Cloud
from fedloom.bench.aws.faults import aws_errors
from fedloom.bench.aws.names import Tags
from fedloom.bench.aws.waiting import retry_while
from fedloom.errors import InputError, NotFoundError

__all__ = ["Network", "find_firewalls", "find_network", "make_firewall", "remove_firewalls"]

_WEB_PORTS = (443,)
"""Out to the bucket and to the packages of the operating system."""


@dataclass(frozen=True)
class Network:
    """Where machines stand.

    Attributes:
        vpc: id of the network.
        subnet: id of the part of it.
    """

    vpc: str
    subnet: str


def find_network(cloud: Cloud, subnet: str | None, instance_types: Sequence[str]) -> Network:
    """Return the given subnet, or one of the default network that has the machines.

    All machines of a run stand in one subnet: traffic between them costs nothing then.

    Raises:
        NotFoundError: there is no default network.
        InputError: no subnet of it has the machines.
        FedloomError: AWS does not say.
    """
    with aws_errors("look at the networks"):
        if subnet is not None:
            found = cloud.ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]
            return Network(found["VpcId"], subnet)
        wanted = [{"Name": "default-for-az", "Values": ["true"]}]
        subnets = cloud.ec2.describe_subnets(Filters=wanted)["Subnets"]
        if not subnets:
            raise NotFoundError(
                f"{cloud.region} has no default network in this account: give --subnet"
            )
        zones = _zones_with(cloud, instance_types)
    for found in sorted(subnets, key=lambda one: str(one["AvailabilityZone"])):
        if found["AvailabilityZone"] in zones:
            return Network(found["VpcId"], found["SubnetId"])
    raise InputError(f"{cloud.region} does not have {' and '.join(instance_types)} in one zone")


def _zones_with(cloud: Cloud, instance_types: Sequence[str]) -> set[str]:
    wanted = [{"Name": "instance-type", "Values": sorted(set(instance_types))}]
    pages = cloud.ec2.get_paginator("describe_instance_type_offerings")
    offers: dict[str, set[str]] = {name: set() for name in instance_types}
    for page in pages.paginate(LocationType="availability-zone", Filters=wanted):
        for offer in page["InstanceTypeOfferings"]:
            offers[offer["InstanceType"]].add(offer["Location"])
    return set.intersection(*offers.values())


def make_firewall(cloud: Cloud, name: str, vpc: str, port: int, tags: Tags) -> str:
    """Make the security group and return its id.

    Raises:
        FedloomError: AWS does not let us.
    """
    with aws_errors(f"make the security group {name}"):
        ec2 = cloud.ec2
        group: str = ec2.create_security_group(
            GroupName=name,
            Description="Machines of one run of fedloom bench",
            VpcId=vpc,
            TagSpecifications=[{"ResourceType": "security-group", "Tags": tags.as_list()}],
        )["GroupId"]
        among = _rule(port, UserIdGroupPairs=[{"GroupId": group, "Description": "gateway"}])
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[among])
        ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[_everything()])
        web = [{"CidrIp": "0.0.0.0/0", "Description": "bucket and packages"}]
        outward = [among, *(_rule(number, IpRanges=web) for number in _WEB_PORTS)]
        ec2.authorize_security_group_egress(GroupId=group, IpPermissions=outward)
    return group


def find_firewalls(cloud: Cloud, run: str | None) -> list[dict[str, Any]]:
    """Return the security groups of a run, or of all runs, as AWS describes them.

    Raises:
        FedloomError: AWS does not say.
    """
    with aws_errors("look for security groups"):
        pages = cloud.ec2.get_paginator("describe_security_groups")
        found = pages.paginate(Filters=Tags.filters(run))
        return [group for page in found for group in page["SecurityGroups"]]


def remove_firewalls(cloud: Cloud, run: str, *, limit_s: float, poll_s: float) -> None:
    """Remove the security groups of a run; machines that just ended hold them for a while.

    Raises:
        FedloomError: AWS does not let us.
    """
    for group in find_firewalls(cloud, run):
        with aws_errors(f"remove the security group {group['GroupId']}"):
            retry_while(
                {"DependencyViolation"},
                lambda group=group: cloud.ec2.delete_security_group(GroupId=group["GroupId"]),  # type: ignore[misc]
                limit_s=limit_s,
                poll_s=poll_s,
            )


def _rule(port: int, **whom: Any) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **whom}


def _everything() -> dict[str, Any]:
    return {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
