"""Where keys and certificates lie: keys are made once and never written over."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from fedloom.errors import ConflictError, InputError, NotFoundError
from fedloom.files import output_errors, write_text

__all__ = ["AUTHORITY", "CertificateFolder", "check_name"]

AUTHORITY = "ca"
"""Name of the authority's files."""


@dataclass(frozen=True)
class CertificateFolder:
    """A folder with ``ca.pem`` and ``ca.key``, and such a pair for each server."""

    path: Path

    def certificate(self, name: str) -> Path:
        """Return the file of a certificate, which everybody may read."""
        return self.path / f"{name}.pem"

    def key(self, name: str) -> Path:
        """Return the file of a private key, which its owner alone may read."""
        return self.path / f"{name}.key"

    def names(self) -> list[str]:
        """Return the names of all pairs of which anything is there, the authority first."""
        endings = (".pem", ".key")
        found = {p.stem for p in self.path.glob("*") if p.suffix in endings and p.is_file()}
        return sorted(found, key=lambda name: (name != AUTHORITY, name))

    def make_key(self, name: str) -> ec.EllipticCurvePrivateKey:
        """Make a key and write it.

        Raises:
            ConflictError: there is one already.
            OutputError: it cannot be written.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path = self.key(name)
        with output_errors(path):
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                raise ConflictError(f"{path} exists, and keys are never written over") from None
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
            except BaseException:
                path.unlink(missing_ok=True)  # ours, and half-written
                raise
        return key

    def read_key(self, name: str) -> ec.EllipticCurvePrivateKey:
        """Read a key.

        Raises:
            NotFoundError: there is none.
            InputError: it cannot be read, or is no key on an elliptic curve.
        """
        path = self.key(name)
        try:
            key = load_pem_private_key(path.read_bytes(), None)
        except FileNotFoundError:
            raise NotFoundError(f"{path} does not exist") from None
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise InputError(f"{path} cannot be read as a private key: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise InputError(f"{path} holds no key on an elliptic curve")
        return key

    def write_certificate(self, name: str, certificate: x509.Certificate) -> None:
        """Write a certificate; one that was there is replaced."""
        text = certificate.public_bytes(Encoding.PEM).decode("ascii")
        write_text(self.certificate(name), text)

    def read_certificate(self, name: str) -> x509.Certificate:
        """Read a certificate.

        Raises:
            NotFoundError: there is none.
            InputError: it cannot be read.
        """
        path = self.certificate(name)
        try:
            return x509.load_pem_x509_certificate(path.read_bytes())
        except FileNotFoundError:
            raise NotFoundError(f"{path} does not exist") from None
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read as a certificate: {error}") from error


def check_name(name: str) -> str:
    """Return what a pair of files may be called.

    Raises:
        InputError: it is the authority's name, or no name of a file.
    """
    if name == AUTHORITY or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise InputError(
            f"the name {name!r} cannot be used: write letters, digits, '.', '_' and '-', and not"
            f" {AUTHORITY!r}"
        )
    return name
