"""Making an authority, and certificates that it vouches for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fedloom.errors import ConflictError, InputError, NotFoundError
from fedloom.fleet.flower.certificates.folder import AUTHORITY, CertificateFolder, check_name
from fedloom.fleet.flower.certificates.hosts import read_hosts, spell_hosts

__all__ = ["create_certificates", "renew_certificates"]

_AUTHORITY_DAYS = 3650
_MOST_DAYS = 3650
_EARLIER = timedelta(hours=1)
"""Certificates hold since then, for machines whose clocks are behind."""


def create_certificates(
    folder: CertificateFolder, hosts: Sequence[str], *, name: str = "server", days: int = 730
) -> None:
    """Make a server's key and certificate, and the authority before, if it is not there.

    Args:
        folder: where to.
        hosts: names and addresses by which clients reach the server; ``localhost`` is added.
        name: of the files.
        days: how long the certificate holds; an authority holds ten years.

    Raises:
        ConflictError: the server has a key already.
        InputError: a host, the name or the days cannot be used; nothing was made.
        OutputError: the folder cannot be written.
    """
    check_name(name)
    alternatives = read_hosts(hosts)
    _check_days(days)
    if folder.certificate(name).exists():
        raise ConflictError(
            f"{folder.certificate(name)} exists: prolong it with 'fedloom certs renew', or give"
            " the new one another --name"
        )
    authority, authority_key = _ensure_authority(folder)
    key = folder.read_key(name) if folder.key(name).exists() else folder.make_key(name)
    certificate = _issue(authority, authority_key, key, alternatives, hosts[0], days)
    folder.write_certificate(name, certificate)


def renew_certificates(
    folder: CertificateFolder, *, hosts: Sequence[str] = (), name: str = "server", days: int = 730
) -> None:
    """Prolong a server's certificate under its old key; the authority's too, if it ends before.

    Args:
        folder: where they are.
        hosts: names and addresses in place of those that it has.
        name: of the files.
        days: how long it holds, from now.

    Raises:
        NotFoundError: there is none.
        InputError: something cannot be used.
        OutputError: the folder cannot be written.
    """
    check_name(name)
    _check_days(days)
    before = folder.read_certificate(name)
    wanted = tuple(hosts) or spell_hosts(before)
    alternatives = read_hosts(wanted)
    key, authority_key = folder.read_key(name), folder.read_key(AUTHORITY)
    authority = folder.read_certificate(AUTHORITY)
    if authority.not_valid_after_utc < datetime.now(UTC) + timedelta(days=days):
        authority = _sign_self(authority_key)
        folder.write_certificate(AUTHORITY, authority)
    certificate = _issue(authority, authority_key, key, alternatives, wanted[0], days)
    folder.write_certificate(name, certificate)


def _ensure_authority(
    folder: CertificateFolder,
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return the authority; half of one, as a crash leaves it, is completed."""
    if folder.key(AUTHORITY).exists():
        key = folder.read_key(AUTHORITY)
    elif folder.certificate(AUTHORITY).exists():
        raise NotFoundError(
            f"{folder.key(AUTHORITY)} does not exist: without it nothing new can be vouched for;"
            " use another folder, or bring the key back"
        )
    else:
        key = folder.make_key(AUTHORITY)
    if not folder.certificate(AUTHORITY).exists():
        folder.write_certificate(AUTHORITY, _sign_self(key))
    return folder.read_certificate(AUTHORITY), key


def _sign_self(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    subject = _name("Fedloom authority")
    usage = _usage(signs_certificates=True)
    builder = _begin(subject, subject, key.public_key(), _AUTHORITY_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())


def _issue(
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    key: ec.EllipticCurvePrivateKey,
    alternatives: x509.SubjectAlternativeName,
    shown: str,
    days: int,
) -> x509.Certificate:
    if authority.public_key() != authority_key.public_key():
        raise InputError("ca.pem and ca.key do not belong together: bring the right pair")
    builder = _begin(_name(shown), authority.subject, key.public_key(), days)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(purpose, critical=False)
        .add_extension(issuer, critical=False)
        .add_extension(alternatives, critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _begin(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(issuer, subject, key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(text: str) -> x509.Name:
    longest = 64  # X.520's limit; the hosts themselves stand in an extension
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:longest])])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _check_days(days: int) -> None:
    if not 1 <= days <= _MOST_DAYS:
        raise InputError(f"{days} days: a certificate holds 1 to {_MOST_DAYS}")
