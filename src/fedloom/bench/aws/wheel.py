"""A wheel of the Fedloom that is installed here, so that machines run the very same code."""

from __future__ import annotations

import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256
from importlib import metadata
from pathlib import Path

import fedloom
from fedloom.errors import InputError
from fedloom.files import open_replacing

__all__ = ["pack_wheel"]

_KEPT = ("METADATA", "entry_points.txt")
_WHEEL = "Wheel-Version: 1.0\nGenerator: fedloom\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_WHEN = (1980, 1, 1, 0, 0, 0)
"""Of every file, so that equal code gives an equal wheel."""

_LEFT_OUT = {"__pycache__"}


def pack_wheel(folder: Path) -> Path:
    """Write a wheel of the code that is running into a folder, and return its path.

    It is made of the files as they lie, whether Fedloom was installed from a wheel or from a
    working tree.

    Raises:
        InputError: Fedloom was not installed as a package.
        OutputError: it cannot be written.
    """
    try:
        installed = metadata.distribution("fedloom")
    except metadata.PackageNotFoundError as error:
        raise InputError("fedloom is not installed here as a package: give --wheel") from error
    information = f"fedloom-{installed.version}.dist-info"
    content = dict(_read_package())
    for name in _KEPT:
        text = installed.read_text(name)
        if text is not None:
            content[f"{information}/{name}"] = text.encode()
    content[f"{information}/WHEEL"] = _WHEEL.encode()
    record = f"{information}/RECORD"
    lines = [*(_record(name, data) for name, data in content.items()), f"{record},,"]
    content[record] = ("\n".join(lines) + "\n").encode()
    path = folder / f"fedloom-{installed.version}-py3-none-any.whl"
    with open_replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            about = zipfile.ZipInfo(name, _WHEN)
            about.compress_type, about.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(about, data)
    return path


def _read_package() -> Iterator[tuple[str, bytes]]:
    root = Path(fedloom.__file__).parent
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if path.is_file() and not _LEFT_OUT & set(inside.parts) and path.suffix != ".pyc":
            yield f"fedloom/{inside.as_posix()}", path.read_bytes()


def _record(name: str, data: bytes) -> str:
    digest = urlsafe_b64encode(sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}"
