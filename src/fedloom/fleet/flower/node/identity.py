"""Who a node is: a private key that it keeps, made on first use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from flwr.supercore.primitives.asymmetric import (
    bytes_to_private_key,
    generate_key_pairs,
    private_key_to_bytes,
    public_key_to_bytes,
)

from fedloom.errors import InputError
from fedloom.files import output_errors

__all__ = ["Identity"]


@dataclass(frozen=True)
class Identity:
    """A key pair on the curve P-384, by which a SuperLink knows a node again."""

    private_key: ec.EllipticCurvePrivateKey

    @property
    def public_pem(self) -> bytes:
        """The public key, PEM: what an operator registers."""
        return public_key_to_bytes(self.private_key.public_key())

    @classmethod
    def keep(cls, path: Path) -> Identity:
        """Return the identity kept in a file; make one where there is none.

        Raises:
            InputError: others may read the file, or it holds no such key.
            OutputError: it cannot be written.
        """
        if not path.exists():
            _write(path, private_key_to_bytes(generate_key_pairs()[0]))
        if path.stat().st_mode & 0o077:
            raise InputError(f"{path}: others can read this node's key; chmod 600 would be right")
        try:
            key = bytes_to_private_key(path.read_bytes())
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{path}: no private key in PEM: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise InputError(f"{path}: no key on an elliptic curve; remove it to get a new one")
        return cls(key)


def _write(path: Path, content: bytes) -> None:
    """Write beside, then link: of two nodes that begin at once, one key stays."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        try:
            path.hardlink_to(beside)
        except FileExistsError:
            return
        finally:
            beside.unlink()
