"""Files to and from a bucket, with lists of their SHA-256."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import file_digest
from pathlib import Path
from typing import Any

from fedloom.errors import DataError
from fedloom.files import open_replacing, output_errors

__all__ = ["MANIFEST", "describe_files", "download_file", "hash_file", "read_object", "upload_file"]

MANIFEST = "manifest.json"
"""Name of the list that is uploaded last."""


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with output_errors(path), path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def describe_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Return size and SHA-256 of each file below a folder, hidden ones left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in inside.parts):
            about = {"size": path.stat().st_size, "sha256": hash_file(path)}
            found[inside.as_posix()] = about
    return found


def upload_file(s3: Any, bucket: str, key: str, path: Path) -> None:
    """Upload one file; its hash goes along, and is checked on arrival."""
    s3.upload_file(str(path), bucket, key, ExtraArgs={"ChecksumAlgorithm": "SHA256"})


def read_object(s3: Any, bucket: str, key: str) -> bytes:
    """Return the content of a small object."""
    content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


def download_file(s3: Any, bucket: str, key: str, path: Path, about: Mapping[str, Any]) -> None:
    """Download one file; it appears only if it is what the list says.

    Raises:
        DataError: size or SHA-256 are not as listed.
        OutputError: it cannot be written.
    """
    with open_replacing(path) as file:
        s3.download_fileobj(bucket, key, file)
        file.flush()
        found = {"size": file.tell(), "sha256": hash_file(Path(file.name))}
        if found != {name: about.get(name) for name in found}:
            raise DataError(
                f"{key} in {bucket} is not what its machine listed: {json.dumps(found)}"
            )
