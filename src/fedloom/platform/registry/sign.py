"""Signatures of a version's package, each in a tag of its own, so that none overwrites another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from fedloom.errors import InputError, PackageError
from fedloom.package.signing import MOST_SIGNATURES, Signature, check_signatures
from fedloom.platform.registry.failures import registry_errors
from fedloom.platform.registry.find import get_version
from fedloom.platform.registry.registry import Registry
from fedloom.platform.registry.version import Tag, Version

__all__ = ["add_signatures", "check_number", "signature_tags"]

_KEY_LENGTH = 32


def add_signatures(
    registry: Registry, version: Version, signatures: Sequence[Signature]
) -> Version:
    """Keep signatures of a version's package, beside those that it has; return the version.

    One that is there already stays once. Nothing is kept if one of them is refused.

    Raises:
        PackageError: the version holds no package.
        InputError: one is not of this package, or there are too many.
        NotFoundError: the version was deleted.
        LinkError: the registry cannot be reached.
    """
    if version.package is None:
        raise PackageError(f"{version} holds no package that could be signed")
    check_signatures(version.digest, signatures)
    check_number([*version.signatures, *signatures])
    tags = signature_tags(signatures)
    new = {key: value for key, value in tags.items() if version.tags.get(key) != value}
    if not new:
        return version
    client = registry.client()
    missing = f"{version} was deleted"
    with registry_errors(registry.address, f"sign {version}", missing=missing):
        for key, value in new.items():
            client.set_model_version_tag(version.name, str(version.version), key, value)
    return get_version(registry, version.name, version.version)


def check_number(signatures: Iterable[Signature]) -> None:
    """Refuse more signers than nodes would look at.

    Raises:
        InputError: there are.
    """
    signers = len({signature.key for signature in signatures})
    if signers > MOST_SIGNATURES:
        raise InputError(f"{signers} keys sign this package: at most {MOST_SIGNATURES} can")


def signature_tags(signatures: Iterable[Signature]) -> Mapping[str, str]:
    """Return signatures as tags of a version: a key signs it once."""
    return {_name_tag(signature.key): signature.dump() for signature in signatures}


def _name_tag(key: str) -> str:
    return f"{Tag.SIGNATURE}.{sha256(key.encode()).hexdigest()[:_KEY_LENGTH]}"
