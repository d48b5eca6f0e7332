"""``ec2_config.yaml``: which machines the server and the clients get."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fedloom.errors import InputError, UnknownNameError
from fedloom.experiment.plan_file import read_mapping

__all__ = ["Ec2Config", "MachineConfig", "read_ec2_config"]

IMAGE_PARAMETER = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{architecture}"
"""Public parameter that names the newest image of Amazon Linux 2023."""

_RENAMED = {
    "InstanceType": "instance_type",
    "ImageId": "image",
    "KeyName": "key_pair",
    "BlockDeviceMappings": None,
}
"""Names of instance creation that older files use; those not listed here are refused."""

_COUNTS = ("MinCount", "MaxCount")


class MachineConfig(BaseModel):
    """The machines of one role; unknown keys are refused.

    Attributes:
        instance_type: as AWS calls it.
        image: id of an image, or the path of a parameter that names one; None takes the newest
            Amazon Linux 2023.
        disk_gb: size of the disk, which is always encrypted.
        disk_type: kind of the disk.
        key_pair: for SSH, where a rule of your own lets it in; None needs none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    instance_type: Annotated[str, Field(pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$")] = "r5.large"
    image: Annotated[str, Field(pattern=r"^(ami-[0-9a-f]+|/[\w./-]+)$")] | None = None
    disk_gb: Annotated[int, Field(ge=8, le=1024)] = 32
    disk_type: Annotated[str, Field(pattern=r"^gp[23]$")] = "gp3"
    key_pair: str | None = None


class Ec2Config(BaseModel):
    """The machines of a run.

    Attributes:
        server: where the weights are averaged and scored.
        clients: where training happens, one machine for each client.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: MachineConfig = MachineConfig()
    clients: MachineConfig = MachineConfig()


def read_ec2_config(path: Path | None) -> Ec2Config:
    """Read the file; None, or one that is empty but for defaults, gives the defaults.

    Raises:
        DataError: the file is missing or is no mapping.
        UnknownNameError: it holds a key that does not exist, or may not be set.
        InputError: a value is of the wrong kind.
    """
    if path is None:
        return Ec2Config()
    content = read_mapping(path, "instance configuration")
    try:
        return Ec2Config(**{role: _read_role(role, value) for role, value in content.items()})
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise InputError(f"{path}: {where}={fault['input']!r}: {fault['msg']}") from error
    except UnknownNameError as error:
        raise InputError(f"{path}: {error}") from error


def _read_role(role: str, value: Any) -> MachineConfig:
    if role not in Ec2Config.model_fields:
        raise UnknownNameError("section", role, Ec2Config.model_fields)
    if not isinstance(value, Mapping):
        raise InputError(f"{role}: instance_type and the like are wanted, not {value!r}")
    found: dict[str, Any] = {}
    for key, given in value.items():
        if key in _COUNTS and given == 1:
            continue
        if key == "BlockDeviceMappings":
            found |= _read_disks(role, given)
        elif key in MachineConfig.model_fields or key in _RENAMED:
            found[_RENAMED.get(key) or key] = given
        else:
            raise UnknownNameError(f"key of {role}", str(key), MachineConfig.model_fields)
    return MachineConfig(**found)


def _read_disks(role: str, given: Any) -> dict[str, Any]:
    """Read the one disk of an older file; anything that we would have to drop is refused."""
    known = {"VolumeSize": "disk_gb", "VolumeType": "disk_type"}
    said = {"DeleteOnTermination": True, "Encrypted": True}
    if not isinstance(given, list) or len(given) != 1 or not isinstance(given[0], Mapping):
        raise InputError(f"{role}: BlockDeviceMappings describes one disk, the first")
    disk = given[0].get("Ebs", {})
    for key, value in disk.items():
        if key not in known and said.get(key) != value:
            raise InputError(
                f"{role}: {key}={value!r} of a disk cannot be set: disks are encrypted, and end "
                "with their machines"
            )
    return {known[key]: value for key, value in disk.items() if key in known}
