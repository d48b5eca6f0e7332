"""Addresses of registries: read, checked, and shown without their secrets."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from fedloom.errors import InputError, MissingExtraError

__all__ = ["RegistryAddress", "read_registry_address"]

_RIGHT = "sqlite:///FILE, or http://HOST:PORT of an MLflow server"


@dataclass(frozen=True)
class RegistryAddress:
    """Where a registry is.

    Attributes:
        url: for MLflow, with its secrets; not shown.
        shown: for people, without a password.
        file: the SQLite file of an embedded one, absolute; None for a server.
        artifacts: where an embedded one keeps files: a folder's address or, say, ``s3://…``; None
            leaves it to the server.
    """

    url: str
    shown: str
    file: Path | None
    artifacts: str | None

    def __repr__(self) -> str:
        return f"RegistryAddress({self.shown!r})"

    def hide(self, text: str) -> str:
        """Take this address's secret out of somebody else's message."""
        password = urlsplit(self.url).password
        for secret in (password, unquote(password or "")):
            if secret:
                text = text.replace(secret, "***")
        return text


def read_registry_address(text: str, artifacts: Path | str | None = None) -> RegistryAddress:
    """Read the address of a registry.

    Args:
        text: ``sqlite:///FILE`` (three strokes and a relative path, or four and an absolute one),
            or ``http://…`` or ``https://…`` of an MLflow server.
        artifacts: folder or address where an embedded registry keeps files; by default the folder
            ``artifacts`` beside its database.

    Raises:
        InputError: it is no address of a registry that Fedloom can use; the message shows none of
            its secrets.
        MissingExtraError: files are to go to S3, and boto3 is not there.
    """
    text = text.strip()
    if text.startswith("sqlite:"):
        return _read_embedded(text, artifacts)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # a port that is no number, a bracket without its other half
        raise InputError(f"this is no address of a registry: write {_RIGHT}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        kind = f"{parts.scheme}://" if parts.scheme else "this"
        raise InputError(f"{kind} is no address of a registry that Fedloom can use: write {_RIGHT}")
    if artifacts is not None:
        raise InputError("an MLflow server knows itself where files are kept: leave artifacts out")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    user = f"{parts.username}:***@" if parts.username else ""
    shown = f"{parts.scheme}://{user}{host}{f':{port}' if port else ''}{parts.path}"
    return RegistryAddress(text, shown, None, None)


def _read_embedded(text: str, artifacts: Path | str | None) -> RegistryAddress:
    path = unquote(text.removeprefix("sqlite:///"))
    if not text.startswith("sqlite:///") or not path or path == ":memory:":
        raise InputError(
            "an embedded registry is a file: write sqlite:///FILE, with three strokes before a"
            " relative path and four before an absolute one"
        )
    if any(sign in path for sign in "?#%"):
        raise InputError(f"the registry's file {path} cannot have ?, # or % in its path")
    file = Path(path).expanduser().absolute()
    place = file.parent / "artifacts" if artifacts is None else artifacts
    if str(place).startswith("s3://") and find_spec("boto3") is None:
        raise MissingExtraError(f"artifacts={place}", "s3")
    if isinstance(place, Path) or "://" not in place:
        place = Path(place).expanduser().absolute().as_uri()
    return RegistryAddress(f"sqlite:///{file}", f"sqlite:///{file}", file, place)
