"""Downloading a file whose content is known beforehand, so that what arrives can be trusted."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from time import monotonic
from typing import IO
from urllib.request import Request, urlopen

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from fedloom.errors import DataError, OutputError
from fedloom.files import open_replacing

__all__ = ["RemoteFile", "fetch"]

_SILENCE_S = 20.0
"""How long a mirror may stay silent before the next one is asked."""
_TOTAL_S = 600.0
"""How long one mirror may take for one file."""
_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class RemoteFile:
    """A file on the internet.

    Attributes:
        name: its name, on the mirrors and here.
        size: its length in bytes.
        sha256: its SHA-256, in hexadecimal.
        mirrors: addresses of folders that hold it, each ending with a slash.
    """

    name: str
    size: int
    sha256: str
    mirrors: tuple[str, ...]


class _MirrorError(Exception):
    """Why one mirror did not give the file; the next one is asked."""


def fetch(
    file: RemoteFile, folder: Path, *, silence_s: float = _SILENCE_S, total_s: float = _TOTAL_S
) -> Path:
    """Return the path of `file` in `folder`; download it if it is not there.

    The mirrors are asked one after another. The file appears under its name only when it is
    whole and its SHA-256 is right; a file that fails leaves nothing behind. A progress bar is
    drawn on a terminal.

    Args:
        file: what to fetch.
        folder: where it is kept; made if it does not exist.
        silence_s: seconds for which a mirror may stay silent.
        total_s: seconds which one mirror may take altogether.

    Raises:
        DataError: no mirror gave the right file, or `folder` cannot be written; the message
            tells what each mirror did.
    """
    path = folder / file.name
    if path.is_file():
        return path
    faults = []
    for mirror in file.mirrors:
        try:
            with _kept_in(path) as kept, _open(mirror + file.name, silence_s) as response:
                _copy(response, kept, file, monotonic() + total_s)
        except _MirrorError as fault:
            faults.append(f"{mirror}: {fault}")
        else:
            return path
    raise DataError(f"cannot download {file.name} ({'; '.join(faults)})")


@contextmanager
def _kept_in(path: Path) -> Iterator[IO[bytes]]:
    try:
        with open_replacing(path) as kept:
            yield kept
    except OutputError as error:
        reason = getattr(error.__cause__, "strerror", None) or error
        raise DataError(
            f"cannot keep {path.name} in {path.parent}: {reason}; choose another place with "
            f"FEDLOOM_CACHE_DIR"
        ) from error


@contextmanager
def _open(url: str, silence_s: float) -> Iterator[HTTPResponse]:
    with _network_faults():
        request = Request(url, headers={"User-Agent": "fedloom", "Accept-Encoding": "identity"})
        response = urlopen(request, timeout=silence_s)
    with response:
        yield response


@contextmanager
def _network_faults() -> Iterator[None]:
    """Tell a mirror's faults from those of the disk, which are OSErrors too."""
    try:
        yield
    except (OSError, HTTPException, ValueError) as error:
        raise _MirrorError(str(error) or type(error).__name__) from error


def _copy(response: HTTPResponse, kept: IO[bytes], file: RemoteFile, deadline: float) -> None:
    digest, received = sha256(), 0
    with _draw_progress() as progress:
        bar = progress.add_task(file.name, total=file.size)
        while chunk := _read(response):
            received += len(chunk)
            if received > file.size:
                raise _MirrorError(f"it sends more than the {file.size} bytes of the file")
            if monotonic() > deadline:
                raise _MirrorError(f"it took too long: {received} of {file.size} bytes came")
            digest.update(chunk)
            kept.write(chunk)
            progress.update(bar, completed=received)
    if received < file.size:
        raise _MirrorError(f"the transfer was cut off after {received} of {file.size} bytes")
    if digest.hexdigest() != file.sha256:
        raise _MirrorError(
            f"wrong checksum: SHA-256 {digest.hexdigest()[:12]}… instead of {file.sha256[:12]}…"
        )


def _read(response: HTTPResponse) -> bytes:
    with _network_faults():
        # read1 returns what has come so far, so that the deadline is looked at while bytes drip.
        return response.read1(_CHUNK_BYTES)


def _draw_progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
