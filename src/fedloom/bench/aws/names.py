"""What things of a run are called in AWS: tags, names, and keys of objects in its bucket."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from fedloom.bench.cell_id import Cell

__all__ = ["OWNER", "BucketKeys", "ResourceNames", "Tags", "name_group", "tags_as_mapping"]

OWNER = "fedloom"
"""Value of the tag by which everything of ours is found."""

IAM_PATH = "/fedloom/bench/"
"""Roles and instance profiles of ours stand there."""

BUCKET_PREFIX = "fedloom-bench-"

_TAG_OWNER, _TAG_RUN, _TAG_GROUP, _TAG_EXPIRY = (
    "fedloom:owner",
    "fedloom:run",
    "fedloom:group",
    "fedloom:expires",
)


def name_group(cell: Cell) -> str:
    """Return the name of the cells that share machines with a cell.

    Example:
        >>> name_group(Cell("jax", "FedAvg", 5))
        'jax-5'
    """
    return f"{cell.backend}-{cell.clients}"


@dataclass(frozen=True)
class Tags:
    """What everything of a run is marked with.

    Attributes:
        run: id of the run.
        expires: when it should be gone, whatever happens.
        group: cells that share the machine; empty for what all have in common.
    """

    run: str
    expires: datetime
    group: str = ""

    def as_list(self) -> list[dict[str, str]]:
        """Return them as AWS takes them."""
        found = {
            "Name": f"fedloom-{self.run}" + (f"-{self.group}" if self.group else ""),
            _TAG_OWNER: OWNER,
            _TAG_RUN: self.run,
            _TAG_GROUP: self.group,
            _TAG_EXPIRY: self.expires.isoformat(timespec="seconds"),
        }
        return [{"Key": key, "Value": value} for key, value in found.items() if value]

    @staticmethod
    def filters(run: str | None, group: str | None = None) -> list[dict[str, Any]]:
        """Return what finds machines and security groups so marked."""
        wanted = {_TAG_OWNER: OWNER, _TAG_RUN: run, _TAG_GROUP: group}
        return [{"Name": f"tag:{k}", "Values": [v]} for k, v in wanted.items() if v is not None]

    @staticmethod
    def read_run(tags: list[dict[str, str]] | None) -> str | None:
        """Return the run that tags name; None where they are not of ours."""
        found = tags_as_mapping(tags)
        return found.get(_TAG_RUN, "") if found.get(_TAG_OWNER) == OWNER else None


def tags_as_mapping(tags: list[dict[str, str]] | None) -> Mapping[str, str]:
    """Return the tags that AWS lists as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in tags or ()}


@dataclass(frozen=True)
class ResourceNames:
    """Names of the things of one run, the same whenever they are asked for.

    Attributes:
        run: id of the run.
        account: number of the account.
        region: where.
    """

    run: str
    account: str
    region: str

    @property
    def bucket(self) -> str:
        """The bucket: names are shared by the whole world, so it ends with a digest."""
        slug = re.sub(r"[^a-z0-9]+", "-", self.run.lower()).strip("-")[:32].rstrip("-")
        return f"{BUCKET_PREFIX}{slug}-{self._digest(14)}"

    @property
    def role(self) -> str:
        """The machines' role, its policy and its instance profile."""
        slug = re.sub(r"[^A-Za-z0-9_.-]", "-", self.run)[:40]
        return f"fedloom-{slug}-{self._digest(8)}"

    @property
    def firewall(self) -> str:
        """The security group."""
        return f"fedloom-{self.run}"

    def _digest(self, length: int) -> str:
        text = "/".join((self.account, self.region, self.run))
        return sha256(text.encode()).hexdigest()[:length]


@dataclass(frozen=True)
class BucketKeys:
    """Keys of the objects of a run.

    Attributes:
        run: id of the run.
    """

    run: str

    @property
    def home(self) -> str:
        """Everything of the run begins so."""
        return f"runs/{self.run}/"

    @property
    def bundle(self) -> str:
        """What machines install."""
        return f"{self.home}bundle/"

    @property
    def groups(self) -> str:
        """What machines of a group tell each other."""
        return f"{self.home}groups/"

    @property
    def cells(self) -> str:
        """Results."""
        return f"{self.home}cells/"

    def authority(self, group: str) -> str:
        """Return where the certificate of a server's authority lies."""
        return f"{self.groups}{group}/ca.pem"

    def ready(self, group: str, cell: str) -> str:
        """Return where a server says that it answers for a cell."""
        return f"{self.groups}{group}/ready/{cell}.json"

    def fault(self, group: str, instance: str) -> str:
        """Return where a machine says why it gave up."""
        return f"{self.groups}{group}/faults/{instance}.txt"

    def part(self, cell: str, part: str) -> str:
        """Return where a machine puts its results of a cell.

        Args:
            cell: id of the cell.
            part: ``server`` or ``client-I``, I from 0.
        """
        return f"{self.cells}{cell}/{part}/"
