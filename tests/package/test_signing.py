"""Keys, signatures, and what they are worth."""

from __future__ import annotations

import base64
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedloom.errors import InputError
from fedloom.package.archive import create_archive, digest_folder
from fedloom.package.signing import (
    Signature,
    check_key,
    check_signatures,
    make_key,
    read_signature,
    sign_digest,
    sign_package,
    verify,
    write_signature,
)

DIGEST = "a" * 64
# Signed once with the key of 32 zero bytes: whatever changes it makes all signatures worthless.
KEY = "ed25519:O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik="


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "project" / "client"
    folder.mkdir(parents=True)
    (folder / "fedloom.yaml").write_text("entry_points:\n  train: python train.py\n")
    (folder / "train.py").write_text("print('trained')\n")
    return folder


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_key(tmp_path / "key.pem")
    return tmp_path / "key.pem"


def test_the_form_of_a_signature_does_not_change(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    signed = private.sign(b"fedloom package v1\0" + bytes.fromhex(DIGEST))
    signature = Signature(KEY, base64.b64encode(signed).decode())
    assert verify(DIGEST, signature)
    assert not verify("b" * 64, signature)
    plain = Signature(KEY, base64.b64encode(private.sign(bytes.fromhex(DIGEST))).decode())
    assert not verify(DIGEST, plain)


def test_folder_and_archives_of_a_package_have_one_signature(
    package: Path, key: Path, tmp_path: Path
) -> None:
    signed = sign_package(package, key)
    assert verify(digest_folder(package), signed)
    assert sign_package(package.parent, key) == signed
    assert sign_package(create_archive(package, tmp_path / "p.tgz").path, key) == signed
    with tarfile.open(tmp_path / "other.tgz", "w:gz") as archive:  # as another program packs it
        archive.add(package, ".")
    assert sign_package(tmp_path / "other.tgz", key) == signed
    (package / "train.py").write_text("print('changed')\n")
    with pytest.raises(InputError, match="sign the package as it is now"):
        check_signatures(digest_folder(package), [signed])


def test_a_signature_is_read_as_it_was_written(key: Path, tmp_path: Path) -> None:
    signed = sign_digest(DIGEST, key)
    write_signature(signed, tmp_path / "p.sig")
    assert read_signature(tmp_path / "p.sig") == signed == Signature.parse(signed.dump())
    with pytest.raises(InputError, match="cannot be read"):
        read_signature(tmp_path / "none.sig")


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[]", b"{}", b"[" * 100_000, b'{"key": "x", "signature": "y"}']
)
def test_rubbish_is_no_signature(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.sig").write_bytes(content)
    with pytest.raises(InputError, match="holds no signature"):
        read_signature(tmp_path / "p.sig")


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_text_that_is_no_signature_is_taken_for_one(key: str, signature: str) -> None:
    with pytest.raises(InputError):
        Signature.read({"key": key, "signature": signature})


def test_one_key_is_written_in_one_way() -> None:
    """Base64 has bits to spare at its end, which must not make two signers of one."""
    assert KEY.endswith("k=")
    assert check_key(f"{KEY[:-2]}l=") == KEY
    signature = base64.b64encode(bytes(64)).decode()
    assert signature.endswith("A==")
    odd = Signature.read({"key": f"{KEY[:-2]}l=", "signature": f"{signature[:-3]}B=="})
    assert odd == Signature(KEY, signature)


def test_a_key_in_the_package_is_noticed(package: Path) -> None:
    make_key(package / "ada.pem")
    with pytest.raises(InputError, match=r"ada\.pem of the package is the private key"):
        sign_package(package, package / "ada.pem")
    (package / ".fednignore").write_text("*.pem\n")
    assert verify(digest_folder(package), sign_package(package, package / "ada.pem"))


def test_a_full_disk_leaves_no_half_key(tmp_path: Path) -> None:
    code = f"""
import resource, signal
from pathlib import Path
from fedloom.errors import OutputError
from fedloom.package.signing import make_key
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
before = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
path = Path({str(tmp_path)!r}) / "key.pem"
try:
    make_key(path)
except OutputError:
    print(path.exists())
resource.setrlimit(resource.RLIMIT_FSIZE, before)
print(make_key(path)[:8])
"""
    command = [sys.executable, "-B", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["False", "ed25519:"], done.stderr
