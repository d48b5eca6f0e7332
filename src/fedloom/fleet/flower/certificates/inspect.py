"""What is in a folder of certificates, and what is wrong with it."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes

from fedloom.errors import FedloomError, NotFoundError
from fedloom.fleet.flower.certificates.folder import AUTHORITY, CertificateFolder
from fedloom.fleet.flower.certificates.hosts import spell_hosts

__all__ = ["CertificateReport", "inspect_certificates"]

_SOON = timedelta(days=30)


@dataclass(frozen=True)
class CertificateReport:
    """One certificate and its key.

    Attributes:
        name: of the files.
        hosts: what it holds for.
        valid_from: UTC.
        valid_until: UTC.
        sha256: its fingerprint, to compare by voice.
        faults: what is wrong, a line each; empty where all is well.
        warnings: what will be wrong soon.
    """

    name: str
    hosts: Sequence[str] = ()
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    sha256: str = ""
    faults: Sequence[str] = ()
    warnings: Sequence[str] = ()


def inspect_certificates(
    folder: CertificateFolder, *, now: datetime | None = None
) -> list[CertificateReport]:
    """Look at everything in a folder.

    Args:
        folder: to look into.
        now: the time of day if None.

    Raises:
        NotFoundError: there is nothing of this kind.
    """
    names = folder.names()
    if not names:
        raise NotFoundError(
            f"{folder.path} holds no certificates: 'fedloom certs create' makes some"
        )
    return [_inspect(folder, name, now or datetime.now(UTC)) for name in names]


def _inspect(folder: CertificateFolder, name: str, now: datetime) -> CertificateReport:
    try:
        found = folder.read_certificate(name)
    except FedloomError as error:
        return CertificateReport(name, faults=(str(error),))
    faults = [*_check_time(found, now), *_check_key(folder, name, found)]
    faults += _check_issuer(folder, found)
    left = found.not_valid_after_utc - now
    warnings = [f"it ends in {left.days} days: renew it"] if timedelta() < left < _SOON else []
    return CertificateReport(
        name,
        spell_hosts(found),
        found.not_valid_before_utc,
        found.not_valid_after_utc,
        found.fingerprint(hashes.SHA256()).hex(),
        tuple(faults),
        tuple(warnings),
    )


def _check_time(found: x509.Certificate, now: datetime) -> Iterator[str]:
    if found.not_valid_after_utc <= now:
        yield f"it ended on {found.not_valid_after_utc:%Y-%m-%d}: renew it"
    if found.not_valid_before_utc > now:
        yield f"it begins on {found.not_valid_before_utc:%Y-%m-%d}: is this machine's clock right?"


def _check_key(folder: CertificateFolder, name: str, found: x509.Certificate) -> Iterator[str]:
    path = folder.key(name)
    try:
        key = folder.read_key(name)
        mode = stat.S_IMODE(path.stat().st_mode)
    except NotFoundError:
        # Who only has to trust the authority has its certificate alone.
        if name != AUTHORITY:
            yield f"{path} does not exist"
        return
    except FedloomError as error:
        yield str(error)
        return
    if key.public_key() != found.public_key():
        yield f"{path} is the key of another certificate"
    if mode & 0o077:
        yield f"{path} can be read by others: chmod 600 {path}"


def _check_issuer(folder: CertificateFolder, found: x509.Certificate) -> Iterator[str]:
    try:
        found.verify_directly_issued_by(folder.read_certificate(AUTHORITY))
    except FedloomError as error:
        yield str(error)
    except (ValueError, TypeError, InvalidSignature):
        yield "ca.pem does not vouch for it"
