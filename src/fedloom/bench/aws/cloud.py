"""The way to AWS: credentials by the usual chain, a region, and clients that retry a little."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fedloom.bench.aws.faults import HOW_TO_LOG_IN, aws_errors
from fedloom.errors import AccessError, InputError, MissingExtraError, UnknownNameError

__all__ = ["Cloud", "Identity", "open_cloud", "require_credentials"]

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


@dataclass(frozen=True)
class Identity:
    """Who asks.

    Attributes:
        account: number of the account.
        name: as AWS spells it (ARN).
    """

    account: str
    name: str


@dataclass(frozen=True, eq=False)
class Cloud:
    """AWS in one region, with one's credentials.

    Attributes:
        session: of boto3.
        region: where.
    """

    session: Any
    region: str

    def client(self, service: str) -> Any:
        """Return a client of a service; calls are bounded, and retried by boto3's standard mode."""
        from botocore.config import Config

        limits = Config(
            retries={"mode": "standard", "max_attempts": 5}, connect_timeout=10, read_timeout=60
        )
        with aws_errors(f"use {service} in {self.region}"):
            return self.session.client(service, region_name=self.region, config=limits)

    @cached_property
    def ec2(self) -> Any:
        """Machines and networks."""
        return self.client("ec2")

    @cached_property
    def s3(self) -> Any:
        """Buckets."""
        return self.client("s3")

    @cached_property
    def iam(self) -> Any:
        """Roles."""
        return self.client("iam")

    @cached_property
    def identity(self) -> Identity:
        """Who we are.

        Raises:
            AccessError: there are no credentials, or they do not work.
        """
        with aws_errors("ask AWS who we are"):
            answer = self.client("sts").get_caller_identity()
        return Identity(answer["Account"], answer["Arn"])

    @property
    def partition(self) -> str:
        """Part of AWS that the region belongs to, such as ``aws`` or ``aws-cn``."""
        return str(self.session.get_partition_for_region(self.region))


def open_cloud(region: str | None = None, *, env_file: Path | None = None) -> Cloud:
    """Return the way to AWS; nothing is asked of it yet.

    Variables of the process go before those in the file, and these before a user's profiles, none
    of which is changed.

    Args:
        region: None takes it from ``AWS_REGION``, ``AWS_DEFAULT_REGION`` or the profile.
        env_file: ``.env`` in the working directory if None.

    Raises:
        MissingExtraError: boto3 is not installed.
        InputError: no region is named, or there is none of that name.
        AccessError: the profile that is named does not exist.
    """
    if find_spec("boto3") is None:
        raise MissingExtraError("AWS", "aws")
    import boto3

    written = _read_env_file(env_file or Path(".env"))
    with aws_errors("read the AWS settings"):
        session = boto3.Session(**_choose_credentials(written))
        named = region or _find_region(written) or session.region_name
    if not named:
        raise InputError("no AWS region: give --region, or set AWS_REGION here or in .env")
    _check_region(session, named)
    return Cloud(session, named)


def require_credentials(cloud: Cloud) -> None:
    """Check that there are credentials, without asking AWS about them.

    Raises:
        AccessError: there are none.
    """
    with aws_errors("read the AWS credentials"):
        found = cloud.session.get_credentials()
    if found is None:
        raise AccessError(f"no AWS credentials: {HOW_TO_LOG_IN}")


def _read_env_file(path: Path) -> Mapping[str, str]:
    from dotenv import dotenv_values

    if not path.is_file():
        return {}
    try:
        found = dotenv_values(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    return {key: value for key, value in found.items() if value}


def _choose_credentials(written: Mapping[str, str]) -> dict[str, str]:
    """Return what the file adds to the chain: nothing where the environment names a login."""
    if os.environ.get("AWS_ACCESS_KEY_ID") or os.environ.get("AWS_PROFILE"):
        return {}
    if written.get("AWS_ACCESS_KEY_ID"):
        return {key.lower(): written[key] for key in _KEYS if key in written}
    return {"profile_name": written["AWS_PROFILE"]} if "AWS_PROFILE" in written else {}


def _find_region(written: Mapping[str, str]) -> str | None:
    for source in (os.environ, written):
        for name in _REGIONS:
            if source.get(name):
                return source[name]
    return None


def _check_region(session: Any, region: str) -> None:
    known = [
        name
        for partition in session.get_available_partitions()
        for name in session.get_available_regions("ec2", partition_name=partition)
    ]
    if region not in known:
        raise UnknownNameError("AWS region", region, sorted(known))
