"""Where the platform is, and who asks: as told, as the environment says, or as `fedloom up` left.

A token that `fedloom up` left goes only to the platform that it belongs to.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from platformdirs import user_data_path

from fedloom.errors import InputError

__all__ = ["Access", "find_access", "is_loopback"]

_DEFAULT_URL = "http://127.0.0.1:8000"
_YES = ("1", "true", "yes", "on")


@dataclass(frozen=True)
class Access:
    """How to reach a platform.

    Attributes:
        url: of the API, without a slash at its end.
        token: of who asks; None for what everybody may.
        ca: certificates of who vouches for the server; None for the system's.
        insecure: whether the token may go to another machine without TLS.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    ca: Path | None = None
    insecure: bool = False


def find_access(
    url: str | None = None,
    token: str | None = None,
    *,
    ca: str | os.PathLike[str] | None = None,
    insecure: bool | None = None,
    environment: Mapping[str, str] | None = None,
) -> Access:
    """Fill in what was not told.

    Args:
        url: of the API; by default ``FEDLOOM_URL``, else where `fedloom up` listens, else port 8000
            of this machine.
        token: of who asks; by default ``FEDLOOM_TOKEN``, else the one that `fedloom up` left.
        ca: file of certificates; by default ``FEDLOOM_CA``.
        insecure: by default ``FEDLOOM_INSECURE``.
        environment: the process's if None.

    Raises:
        InputError: the address cannot be used, or the token would go in the clear to another
            machine.
    """
    variables = os.environ if environment is None else environment
    left = _find_left(variables)
    found = url or variables.get("FEDLOOM_URL") or (left.url if left else _DEFAULT_URL)
    address = _check_url(found)
    secret = token or variables.get("FEDLOOM_TOKEN")
    if secret is None and left is not None and left.url == address:
        secret = left.token
    file = ca or variables.get("FEDLOOM_CA") or (left.ca if left and left.url == address else None)
    allowed = insecure
    if allowed is None:
        allowed = variables.get("FEDLOOM_INSECURE", "").casefold() in _YES
    access = Access(address, secret, Path(file) if file else None, allowed)
    _check_safe(access)
    return access


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine, as far as its name tells."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_url(text: str) -> str:
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as error:
        raise InputError(f"the address {text!r} cannot be used: {error}") from error
    odd = not text.strip().isprintable() or " " in text.strip()
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or odd:
        raise InputError(f"the address {text!r} cannot be used: write https://HOST:PORT")
    if parts.username is not None or parts.password is not None:
        raise InputError("the address of the API holds no login: give a token")
    if parts.query or parts.fragment:
        raise InputError(f"the address {text!r} cannot be used: leave out what follows ? or #")
    return text.strip().rstrip("/")


def _check_safe(access: Access) -> None:
    parts = urlsplit(access.url)
    clear = parts.scheme == "http" and not is_loopback(parts.hostname or "")
    if clear and access.token and not access.insecure:
        raise InputError(
            f"{access.url} would get the token without TLS: write https://, or allow it with"
            " insecure=True, --insecure or FEDLOOM_INSECURE=1"
        )


def _find_left(variables: Mapping[str, str]) -> Access | None:
    """Return what `fedloom up` left: the one that commands were led to, or the usual folder's."""
    home = user_data_path("fedloom", appauthor=False)
    named = variables.get("FEDLOOM_DIR")
    folders = [Path(named).expanduser()] if named else [home / "up", home / "platform"]
    folder = next((folder for folder in folders if (folder / "address").exists()), None)
    if folder is None:
        return None
    try:
        url = _check_url((folder / "address").read_text("utf-8"))
    except (OSError, UnicodeDecodeError, InputError):
        return None  # half-written, or somebody else's
    return Access(url, _read_line(folder / "token"), _find_ca(folder))


def _read_line(path: Path) -> str | None:
    try:
        return path.read_text("utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _find_ca(folder: Path) -> Path | None:
    path = folder / "ca.pem"
    return path if path.exists() else None
