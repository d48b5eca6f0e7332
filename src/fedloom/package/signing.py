"""Signatures of packages: who answers for an archive, as Ed25519 over its SHA-256."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from fedloom.errors import InputError
from fedloom.files import output_errors, write_text

__all__ = [
    "MOST_SIGNATURES",
    "Signature",
    "check_key",
    "check_signatures",
    "is_digest",
    "make_key",
    "read_public_key",
    "read_signature",
    "sign_digest",
    "sign_package",
    "verify",
    "write_signature",
]

MOST_SIGNATURES = 16
"""So many signers of a package a node looks at."""

_KIND = "ed25519:"
_CONTEXT = b"fedloom package v1\0"
"""Stands before what is signed, so that no signature for another purpose can be passed off."""

_KEY_BYTES = 32
_SIGNATURE_BYTES = 64
_LONGEST_FILE = 64 * 1024


@dataclass(frozen=True)
class Signature:
    """A key's word for the archive with a digest.

    Attributes:
        key: public key, as `make_key` returns it.
        signature: Ed25519 signature, in base64.
    """

    key: str
    signature: str

    @classmethod
    def read(cls, given: object) -> Signature:
        """Return the signature that a mapping holds.

        Raises:
            InputError: it holds none.
        """
        if not isinstance(given, Mapping) or set(given) != {"key", "signature"}:
            raise InputError("a signature is an object with the keys 'key' and 'signature'")
        return cls(check_key(str(given["key"])), _check_signature(str(given["signature"])))

    @classmethod
    def parse(cls, text: str) -> Signature:
        """Return the signature that a text holds, as `dump` writes it.

        Raises:
            InputError: it holds none.
        """
        try:
            return cls.read(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{text[:40]!r} is no signature: {error}") from error

    def describe(self) -> dict[str, str]:
        """Return it as JSON can hold it."""
        return asdict(self)

    def dump(self) -> str:
        """Return it as one line of JSON, for `parse`."""
        return json.dumps(self.describe())


def is_digest(text: str) -> bool:
    """Tell whether a text is a SHA-256 in lower-case hexadecimal."""
    return re.fullmatch(r"[0-9a-f]{64}", text) is not None


def check_key(text: str) -> str:
    """Return a public key in the one way in which keys are written.

    Raises:
        InputError: it is none.
    """
    return _show_public(_load_public(text))


def make_key(path: Path) -> str:
    """Make a private key, readable by its owner alone, and return the public one.

    Returns:
        ``ed25519:`` and 32 bytes in base64; this is what goes into ``trusted_keys``.

    Raises:
        OutputError: the file exists or cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
        except BaseException:
            path.unlink()  # half a key would stand in the way of a whole one
            raise
    return _show_public(key.public_key())


def read_public_key(path: Path) -> str:
    """Return the public key that belongs to a private key's file.

    Raises:
        InputError: others may read the file, or it holds no such key.
    """
    return _show_public(_load_private(path).public_key())


def sign_digest(digest: str, key: Path) -> Signature:
    """Sign the archive with a digest.

    Raises:
        InputError: `digest` is no SHA-256, or the key cannot be used.
    """
    if not is_digest(digest):
        raise InputError(f"digest {digest!r} is no SHA-256 of 64 hexadecimal digits")
    private = _load_private(key)
    signed = private.sign(_CONTEXT + bytes.fromhex(digest))
    return Signature(_show_public(private.public_key()), base64.b64encode(signed).decode())


def sign_package(path: Path, key: Path) -> Signature:
    """Sign a package: the archive that the registry would keep of it, and nodes be asked to run.

    Args:
        path: the package's folder, a folder around it, or an archive.
        key: file of the private key.

    Raises:
        PackageError: it is no package, or cannot be packed.
        InputError: the key cannot be used, or is in the package.
    """
    from fedloom.package.client_folder import copy_package

    with TemporaryDirectory(prefix="fedloom-sign-") as scratch:
        copy = copy_package(path, Path(scratch, "package"))
        signature = sign_digest(copy.digest, key)
        _refuse_key_inside(copy.project.folder, key)
    return signature


def _refuse_key_inside(folder: Path, key: Path) -> None:
    """Notice a key that would go wherever its package goes."""
    content = key.read_bytes()
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content:
            name = path.relative_to(folder)
            raise InputError(f"{name} of the package is the private key {key}: move it elsewhere")


def write_signature(signature: Signature, path: Path) -> None:
    """Write a signature to a file of its own, for `read_signature`.

    Raises:
        OutputError: it cannot be written.
    """
    write_text(path, f"{signature.dump()}\n")


def read_signature(path: Path) -> Signature:
    """Return the signature in a file.

    Raises:
        InputError: there is none.
    """
    try:
        with path.open(encoding="utf-8") as file:
            return Signature.parse(file.read(_LONGEST_FILE))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, InputError) as error:
        raise InputError(f"{path} holds no signature: {error}") from error


def verify(digest: str, signature: Signature) -> bool:
    """Tell whether a signature is that of its key for a digest; whom to trust is another matter."""
    if not is_digest(digest):
        return False
    try:
        raw = base64.b64decode(signature.signature, validate=True)
        _load_public(signature.key).verify(raw, _CONTEXT + bytes.fromhex(digest))
    except (InvalidSignature, InputError, ValueError):
        return False
    return True


def check_signatures(digest: str, signatures: Sequence[Signature]) -> None:
    """Refuse signatures of anything but the archive with a digest.

    Raises:
        InputError: one is not that of its key for `digest`.
    """
    for signature in signatures:
        if not verify(digest, signature):
            raise InputError(
                f"the signature of {signature.key} is not one of the package with SHA-256"
                f" {digest[:16]}…: sign the package as it is now"
            )


def _show_public(key: Ed25519PublicKey) -> str:
    return _KIND + base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def _load_public(text: str) -> Ed25519PublicKey:
    try:
        raw = base64.b64decode(text.removeprefix(_KIND), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not text.startswith(_KIND) or len(raw) != _KEY_BYTES:
        raise InputError(f"key {text[:64]!r} is no public key: wanted is {_KIND} and 44 characters")
    return Ed25519PublicKey.from_public_bytes(raw)


def _check_signature(text: str) -> str:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != _SIGNATURE_BYTES:
        raise InputError(f"signature {text[:96]!r} is none: wanted are 88 characters of base64")
    return base64.b64encode(raw).decode()


def _load_private(path: Path) -> Ed25519PrivateKey:
    try:
        if path.stat().st_mode & 0o077:
            raise InputError(f"{path}: others can read this key; chmod 600 would be right")
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise InputError(f"cannot read the key {path}: {error.strerror or error}") from error
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: no private key in PEM without a password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{path}: no Ed25519 key; make one with fedloom package key")
    return key
