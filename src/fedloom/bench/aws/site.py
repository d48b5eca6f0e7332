"""What all groups of a run have in common: bucket, role, security group, types of machines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from fedloom.bench.aws.bucket import make_bucket, refuse_bucket, remove_bucket
from fedloom.bench.aws.bundle import Bundle, prepare_bundle, upload_bundle
from fedloom.bench.aws.cloud import Cloud
from fedloom.bench.aws.firewall import find_network, make_firewall, remove_firewalls
from fedloom.bench.aws.instances import MachineType, end_machines, look_up_type
from fedloom.bench.aws.journal import Journal
from fedloom.bench.aws.machine_config import Ec2Config
from fedloom.bench.aws.names import BucketKeys, ResourceNames, Tags
from fedloom.bench.aws.options import AwsOptions
from fedloom.bench.aws.role import make_profile, make_role, remove_profile, remove_role
from fedloom.bench.aws.undo import Undo
from fedloom.bench.study import Study
from fedloom.errors import InputError
from fedloom.files import output_errors

__all__ = ["Site", "SiteMaker"]

_RESERVE = 0.1
_MOST_RESERVE_S = 300.0


@dataclass(frozen=True)
class Site:
    """What all groups of a run have in common, made by then.

    Attributes:
        cloud: where.
        bucket: of the run.
        bundle: that lies in it.
        profile: name of the instance profile.
        firewall: id of the security group.
        subnet: id.
        server: type and image of servers.
        client: those of clients.
        tags: of the run.
        until: on the monotonic clock, when every machine has to be gone.
        reserve_s: seconds before that for orderly ending.
    """

    cloud: Cloud
    bucket: str
    bundle: Bundle
    profile: str
    firewall: str
    subnet: str
    server: MachineType
    client: MachineType
    tags: Tags
    until: float
    reserve_s: float

    @property
    def left_s(self) -> float:
        """Seconds until work has to end."""
        return self.until - self.reserve_s - monotonic()


class SiteMaker:
    """Makes what a run needs before its first machine.

    Args:
        cloud: where.
        run: id of the run.
        options: of the run.
        journal: of the launcher.
        undo: is told of each thing before it is made.
    """

    def __init__(
        self, cloud: Cloud, run: str, options: AwsOptions, journal: Journal, undo: Undo
    ) -> None:
        self._cloud, self._run, self._options = cloud, run, options
        self._journal, self._undo = journal, undo
        self._names = ResourceNames(run, cloud.identity.account, cloud.region)
        expires = datetime.now(UTC) + timedelta(hours=options.max_hours)
        self._tags = Tags(run, expires)

    def make(self, study: Study, config: Ec2Config, tell: Callable[[str], None]) -> Site:
        """Make bucket, role and security group, after what can be checked is checked.

        Args:
            study: for which machines are to be equipped.
            config: of the machines.
            tell: called with what is done.

        Raises:
            FedloomError: something cannot be had, or made.
        """
        cloud, options = self._cloud, self._options
        server, client = look_up_type(cloud, config.server), look_up_type(cloud, config.clients)
        if server.architecture != client.architecture:
            raise InputError(
                f"the server is {server.architecture} and the clients are {client.architecture}: "
                "choose machines of one kind"
            )
        types = (config.server.instance_type, config.clients.instance_type)
        network = find_network(cloud, options.subnet, types)
        refuse_bucket(cloud, self._names.bucket, self._run)
        self._journal.note("region", "chosen", cloud.region)
        bundle = self._make_bucket(study, server.architecture, tell)
        profile = options.instance_profile or self._make_role()
        firewall = self._make_firewall(network.vpc)
        self._undo.add("machines", self._run, self._later(end_machines))
        limit_s = options.max_hours * 3600
        return Site(
            cloud=cloud,
            bucket=self._names.bucket,
            bundle=bundle,
            profile=profile,
            firewall=firewall,
            subnet=network.subnet,
            server=server,
            client=client,
            tags=self._tags,
            until=monotonic() + limit_s,
            reserve_s=min(_MOST_RESERVE_S, _RESERVE * limit_s),
        )

    def _make_bucket(self, study: Study, architecture: str, tell: Callable[[str], None]) -> Bundle:
        cloud, name = self._cloud, self._names.bucket
        temporary = TemporaryDirectory(prefix="fedloom-bench-")
        with output_errors(Path(temporary.name)), temporary as folder:
            bundle = prepare_bundle(Path(folder), study, self._options, architecture, tell)
            tell(f"making the bucket {name} in {cloud.region}")
            self._undo.add("bucket", name, partial(remove_bucket, cloud, name))
            with self._journal.step("bucket", name):
                make_bucket(cloud, name, self._tags)
            self._journal.note("bundle", "making", name)
            upload_bundle(cloud, name, BucketKeys(self._run), bundle)
            self._journal.note("bundle", "made", name)
        return bundle

    def _make_role(self) -> str:
        cloud, name = self._cloud, self._names.role
        self._undo.add("role", name, partial(remove_role, cloud, name))
        with self._journal.step("role", name):
            make_role(cloud, name, self._names.bucket, self._tags)
        self._undo.add("instance-profile", name, partial(remove_profile, cloud, name))
        with self._journal.step("instance-profile", name):
            make_profile(cloud, name, self._tags)
        return name

    def _make_firewall(self, vpc: str) -> str:
        name = self._names.firewall
        self._undo.add("security-group", name, self._later(remove_firewalls))
        with self._journal.step("security-group", name):
            return make_firewall(self._cloud, name, vpc, self._options.port, self._tags)

    def _later(self, undo: Callable[..., None]) -> Callable[[], None]:
        limits = {"limit_s": self._options.end_limit_s, "poll_s": self._options.poll_s}
        return partial(undo, self._cloud, self._run, **limits)
