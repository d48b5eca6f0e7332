"""What machines install beside Fedloom: exact versions, each with its hashes, as wheels.

The versions are those installed here, so that machines compute with what was tried. uv resolves
them for the machines' platform, pip downloads the wheels, and both check hashes. Machines install
from the bucket alone and ask no registry.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from fedloom.errors import InputError, LinkError
from fedloom.files import output_errors, write_text

__all__ = ["PYTHON", "download_wheels", "lock_requirements", "needed_extras", "refuse_unhashed"]

PYTHON = "3.11"
"""Version of Python on the machines."""

_OLDEST_LIBC, _NEWEST_LIBC = 17, 34
"""Second part of glibc's version: wheels for 2.17 and later run on Amazon Linux 2023's 2.34."""

_LIMIT_S = 1800.0
_PLATFORMS = {"x86_64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
_OF_MACHINES = ("boto3>=1.34",)
_NEEDS_NO_EXTRA = ("jax",)


def needed_extras(backends: Iterable[str]) -> tuple[str, ...]:
    """Return the extras of Fedloom that backends need."""
    return tuple(sorted({name for name in backends if name not in _NEEDS_NO_EXTRA}))


def lock_requirements(path: Path, backends: Sequence[str], architecture: str) -> None:
    """Write a requirements file with hashes.

    Args:
        path: of the file.
        backends: that the machines compute with.
        architecture: ``x86_64`` or ``arm64``.

    Raises:
        InputError: an extra is not known to the Fedloom that is installed here.
        LinkError: the versions cannot be had as wheels for the machines.
    """
    asked = "\n".join([*_own_requirements(needed_extras(backends)), *_OF_MACHINES])
    wanted, pinned = path.with_suffix(".in"), path.with_suffix(".pins")
    write_text(wanted, asked + "\n")
    write_text(pinned, "\n".join(_installed_versions()) + "\n")
    command = [_find_uv(), "pip", "compile", str(wanted), "--constraints", str(pinned)]
    command += ["--generate-hashes", "--python-version", PYTHON, "--only-binary", ":all:"]
    command += ["--python-platform", _PLATFORMS[architecture], "--no-header", "--no-annotate"]
    _run([*command, "--quiet", "--output-file", str(path)], "lock the requirements")
    with output_errors(path):
        wanted.unlink()
        pinned.unlink()


def download_wheels(requirements: Path, folder: Path, architecture: str) -> None:
    """Download the wheels of a requirements file with hashes; wrong ones are refused.

    Raises:
        LinkError: one cannot be had, or has another hash.
    """
    processor = {"x86_64": "x86_64", "arm64": "aarch64"}[architecture]
    command = [*_find_pip(), "download", "--require-hashes", "--no-deps", "--quiet"]
    command += ["--only-binary", ":all:", "--python-version", PYTHON, "--dest", str(folder)]
    for libc in range(_OLDEST_LIBC, _NEWEST_LIBC + 1):
        command += ["--platform", f"manylinux_2_{libc}_{processor}"]
    command += ["--platform", f"manylinux2014_{processor}", "--requirement", str(requirements)]
    _run(command, "download the wheels for the machines")


def refuse_unhashed(path: Path) -> None:
    """Refuse a requirements file of which not every entry has a hash.

    Raises:
        InputError: it cannot be read, or has such an entry.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    for entry in re.sub(r"\\\s*\n", " ", text).splitlines():
        plain = entry.strip()
        if plain and not plain.startswith(("#", "-")) and "--hash=sha256:" not in plain:
            raise InputError(
                f"{path}: {plain[:60]} has no hash; 'uv pip compile --generate-hashes'"
            )


def _own_requirements(extras: Sequence[str]) -> list[str]:
    known = metadata.metadata("fedloom").get_all("Provides-Extra") or []
    missing = [extra for extra in extras if extra not in known]
    if missing:
        raise InputError(
            f"the Fedloom installed here has no extra {missing[0]!r}: install it again, or give "
            "--requirements"
        )
    found = [Requirement(text) for text in metadata.requires("fedloom") or ()]
    kept = []
    for one in found:
        if one.marker is None or any(one.marker.evaluate({"extra": e}) for e in ("", *extras)):
            one.marker = None
            kept.append(str(one))
    return kept


def _installed_versions() -> list[str]:
    """Return what is installed here as constraints, without marks of special builds."""
    found = {}
    for one in metadata.distributions():
        name = one.metadata["Name"]
        if name and canonicalize_name(name) != "fedloom":
            found[canonicalize_name(name)] = Version(one.version).public
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def _find_uv() -> str:
    from uv import find_uv_bin

    return str(find_uv_bin())


def _find_pip() -> list[str]:
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    return [_find_uv(), "tool", "run", "pip"]


def _run(command: list[str], doing: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise LinkError(f"cannot {doing}: it took more than {_LIMIT_S:g} s") from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-600:]
        raise LinkError(f"cannot {doing}: {said}; give --requirements and --wheels made elsewhere")
