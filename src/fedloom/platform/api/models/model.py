"""Models and versions over HTTP."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from fedloom.package.signing import MOST_SIGNATURES, Signature
from fedloom.platform.registry import Version, VersionKind
from fedloom.platform.task.settings import UtcTime

__all__ = [
    "LineageDetails",
    "ModelDetails",
    "NewSignatures",
    "PackageSignature",
    "PageOf",
    "VersionDetails",
    "VersionName",
    "describe_version",
]

ItemT = TypeVar("ItemT")


class PageOf(BaseModel, Generic[ItemT]):
    """Some of many."""

    model_config = ConfigDict(from_attributes=True)

    items: list[ItemT]
    next_token: str | None = Field(description="Asks for the next ones; null at the end.")


class ModelDetails(BaseModel):
    """A registered model."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    latest: int | None = Field(description="Its newest version; null while it has none.")
    use_case: str | None
    kind: VersionKind
    description: str
    created_at: UtcTime
    updated_at: UtcTime


class VersionName(BaseModel):
    """Which version of which model."""

    model: str
    version: int


class PackageSignature(BaseModel):
    """Who answers for a package: Ed25519 over its SHA-256."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    key: Annotated[str, Field(pattern=r"^ed25519:[A-Za-z0-9+/]{43}=$")] = Field(
        description="Public key, as a node's owner trusts it."
    )
    signature: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{86}==$")] = Field(
        description="In base64, as `fedloom package sign` writes it."
    )

    def read(self) -> Signature:
        """Return it as a value; raises `InputError` where it cannot be one."""
        return Signature.read(self.model_dump())


class NewSignatures(BaseModel):
    """Signatures to keep beside those that a version has."""

    model_config = ConfigDict(extra="forbid")

    signatures: Annotated[list[PackageSignature], Field(min_length=1, max_length=MOST_SIGNATURES)]


class VersionDetails(BaseModel):
    """A version of a registered model."""

    name: str
    version: int
    kind: VersionKind
    digest: str = Field(description="SHA-256 of the package; empty for what is not Fedloom's.")
    weights_digest: str = Field(description="SHA-256 of the weights; empty where there are none.")
    package_bytes: int
    weights_bytes: int
    use_case: str | None = Field(description="The only one that it is for; null for all.")
    entry_points: list[str]
    made_by: str | None = Field(description="Version of Fedloom that put it in.")
    created_at: UtcTime | None
    description: str
    parent: VersionName | None = Field(description="What a task began with, where one made it.")
    task_id: int | None
    rounds: int | None
    num_clients: int | None
    records: str | None
    signatures: list[PackageSignature] = Field(description="Of the package.")


class LineageDetails(BaseModel):
    """Where trained weights come from."""

    model_config = ConfigDict(from_attributes=True)

    model: str
    version: int
    task_id: int
    clients: list[str]
    rounds: int


def describe_version(version: Version) -> VersionDetails:
    """Return a version as it stands in answers: without MLflow's own tags."""
    package, weights, parent = version.package, version.weights, version.parent
    return VersionDetails(
        name=version.name,
        version=version.version,
        kind=version.kind,
        digest=version.digest,
        weights_digest=weights.sha256 if weights else "",
        package_bytes=package.size_bytes if package else 0,
        weights_bytes=weights.size_bytes if weights else 0,
        use_case=version.use_case,
        entry_points=list(version.entry_points),
        made_by=version.made_by,
        created_at=version.created_at,
        description=version.description,
        parent=parent and VersionName(model=parent[0], version=parent[1]),
        task_id=version.task_id,
        rounds=version.rounds,
        num_clients=version.num_clients,
        records=version.records,
        signatures=[PackageSignature.model_validate(one) for one in version.signatures],
    )
