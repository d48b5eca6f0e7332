"""Machines: started with all that makes them end, found by their tags, ended and waited for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from fedloom.bench.aws.cloud import Cloud
from fedloom.bench.aws.faults import aws_errors
from fedloom.bench.aws.machine_config import IMAGE_PARAMETER, MachineConfig
from fedloom.bench.aws.names import Tags
from fedloom.bench.aws.waiting import retry_while, wait_until
from fedloom.errors import InputError

__all__ = [
    "Machine",
    "MachineType",
    "StartOrder",
    "describe_machines",
    "end_machines",
    "find_machines",
    "look_up_type",
    "start_machines",
]

_ALIVE = ["pending", "running", "stopping", "stopped", "shutting-down"]
_BURSTING = ("t2.", "t3.", "t3a.", "t4g.")
_PROFILE_LIMIT_S = 90.0


@dataclass(frozen=True)
class MachineType:
    """What AWS says of a type and its image.

    Attributes:
        architecture: ``x86_64`` or ``arm64``.
        image: id.
        root_device: name of the disk that the image starts from.
    """

    architecture: str
    image: str
    root_device: str


@dataclass(frozen=True)
class Machine:
    """A machine as it is now.

    Attributes:
        id: ``i-…``.
        state: ``pending``, ``running``, … ``terminated``.
        index: among those started together, from 0.
        group: of cells.
        run: id of the run.
        expires: when its run's time is over, in ISO 8601.
        reason: why it ended, if it did.
    """

    id: str
    state: str
    index: int
    group: str
    run: str = ""
    expires: str = ""
    reason: str = ""

    @property
    def alive(self) -> bool:
        """Whether it can still do its work."""
        return self.state in ("pending", "running")


def look_up_type(cloud: Cloud, machine: MachineConfig) -> MachineType:
    """Return what is needed to start a machine; nothing is started.

    Raises:
        InputError: there is no such type or image here.
        FedloomError: AWS does not say.
    """
    with aws_errors(f"look up {machine.instance_type} in {cloud.region}"):
        found = cloud.ec2.describe_instance_types(InstanceTypes=[machine.instance_type])
    architectures = found["InstanceTypes"][0]["ProcessorInfo"]["SupportedArchitectures"]
    architecture = next((a for a in ("x86_64", "arm64") if a in architectures), None)
    if architecture is None:
        raise InputError(f"instance_type={machine.instance_type}: neither x86_64 nor arm64")
    image = machine.image or IMAGE_PARAMETER.format(architecture=architecture)
    with aws_errors(f"find the image {image}"):
        if image.startswith("/"):
            parameter = cloud.client("ssm").get_parameter(Name=image)
            image = parameter["Parameter"]["Value"]
        images = cloud.ec2.describe_images(ImageIds=[image])["Images"]
    if not images:
        raise InputError(f"image={image}: {cloud.region} has no such image")
    return MachineType(architecture, image, images[0].get("RootDeviceName") or "/dev/xvda")


@dataclass(frozen=True)
class StartOrder:
    """What all machines of one start have in common.

    Attributes:
        machine: as configured.
        found: what AWS says of it.
        count: how many; all of them or none.
        subnet: id.
        firewall: id of the security group.
        profile: name of the instance profile.
        user_data: what they do first.
        spot: whether they may be taken away.
        token: makes a repeated call the same one.
    """

    machine: MachineConfig
    found: MachineType
    count: int
    subnet: str
    firewall: str
    profile: str
    user_data: str
    spot: bool
    token: str


def start_machines(cloud: Cloud, order: StartOrder, tags: Tags, *, poll_s: float) -> list[str]:
    """Start machines and return their ids, in the order of their index.

    Raises:
        CapacityError: a quota is used up, or there are none now; none was started.
        FedloomError: AWS does not let us.
    """
    with aws_errors(f"start {order.count} x {order.machine.instance_type}"):
        # A profile that was just made is not known to all parts of AWS at once.
        answer = retry_while(
            {"InvalidParameterValue"},
            partial(cloud.ec2.run_instances, **_request(order, tags)),
            limit_s=_PROFILE_LIMIT_S,
            poll_s=poll_s,
            hint="Instance Profile",
        )
    started = sorted(answer["Instances"], key=lambda one: int(one["AmiLaunchIndex"]))
    return [one["InstanceId"] for one in started]


def _request(order: StartOrder, tags: Tags) -> dict[str, Any]:
    machine, kinds = order.machine, ["instance", "volume"]
    if order.spot:
        kinds.append("spot-instances-request")
    request: dict[str, Any] = {
        "ImageId": order.found.image,
        "InstanceType": machine.instance_type,
        "MinCount": order.count,
        "MaxCount": order.count,
        "ClientToken": order.token,
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "SubnetId": order.subnet,
                "Groups": [order.firewall],
                "DeleteOnTermination": True,
            }
        ],
        "IamInstanceProfile": {"Name": order.profile},
        "UserData": order.user_data,
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions": {
            "HttpTokens": "required",
            "HttpEndpoint": "enabled",
            "HttpPutResponseHopLimit": 1,
        },
        "BlockDeviceMappings": [
            {
                "DeviceName": order.found.root_device,
                "Ebs": {
                    "VolumeSize": machine.disk_gb,
                    "VolumeType": machine.disk_type,
                    "Encrypted": True,
                    "DeleteOnTermination": True,
                },
            }
        ],
        "TagSpecifications": [{"ResourceType": k, "Tags": tags.as_list()} for k in kinds],
    }
    if machine.key_pair:
        request["KeyName"] = machine.key_pair
    if machine.instance_type.startswith(_BURSTING):
        request["CreditSpecification"] = {"CpuCredits": "standard"}  # no surcharge for bursts
    if order.spot:
        once = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
        request["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": once}
    return request


def find_machines(
    cloud: Cloud, run: str | None, group: str | None = None, *, ended: bool = False
) -> list[Machine]:
    """Return the machines of a run or of all runs, those that have ended only if asked for.

    Raises:
        FedloomError: AWS does not say.
    """
    filters = Tags.filters(run, group)
    if not ended:
        filters.append({"Name": "instance-state-name", "Values": _ALIVE})
    with aws_errors("look at the machines"):
        pages = cloud.ec2.get_paginator("describe_instances").paginate(Filters=filters)
        return [
            _read(one)
            for page in pages
            for reservation in page["Reservations"]
            for one in reservation["Instances"]
        ]


def describe_machines(cloud: Cloud, ids: list[str]) -> list[Machine]:
    """Return machines by their ids, in this order.

    Raises:
        FedloomError: AWS does not say.
    """
    with aws_errors("look at the machines"):
        # What was just started is not known everywhere at once; a filter gives no error then.
        wanted = [{"Name": "instance-id", "Values": ids}]
        pages = cloud.ec2.get_paginator("describe_instances").paginate(Filters=wanted)
        found = {
            one["InstanceId"]: _read(one)
            for page in pages
            for reservation in page["Reservations"]
            for one in reservation["Instances"]
        }
    return [found[one] for one in ids if one in found]


def end_machines(
    cloud: Cloud,
    run: str,
    group: str | None = None,
    *,
    also: list[str] | None = None,
    limit_s: float,
    poll_s: float,
) -> None:
    """End the machines of a run, or of a group of it, and wait until they are gone.

    Args:
        cloud: where.
        run: id of the run.
        group: None ends those of all groups.
        also: ids that are known to be of them; their tags may not be known everywhere yet.
        limit_s: seconds until they are gone.
        poll_s: between two looks.

    Raises:
        LinkError: they are not gone in time.
        FedloomError: AWS does not let us.
    """

    def left() -> list[str]:
        known = [machine.id for machine in find_machines(cloud, run, group)]
        if also:
            known += [m.id for m in describe_machines(cloud, also) if m.state != "terminated"]
        return sorted(set(known))

    def gone() -> bool:
        ids = left()
        if ids:
            with aws_errors(f"end the machines {', '.join(ids)}"):
                cloud.ec2.terminate_instances(InstanceIds=ids)
        return not ids

    wait_until(gone, f"the machines of run {run} to end", limit_s=limit_s, poll_s=poll_s)


def _read(one: dict[str, Any]) -> Machine:
    tags = {tag["Key"]: tag["Value"] for tag in one.get("Tags", ())}
    reason = one.get("StateReason", {}).get("Message") or one.get("StateTransitionReason", "")
    return Machine(
        one["InstanceId"],
        one["State"]["Name"],
        int(one.get("AmiLaunchIndex", 0)),
        tags.get("fedloom:group", ""),
        tags.get("fedloom:run", ""),
        tags.get("fedloom:expires", ""),
        reason,
    )
