"""Names of clients as names of files: any text in, a safe name out, and back."""

from __future__ import annotations

import re
from hashlib import blake2b
from urllib.parse import unquote_to_bytes

__all__ = ["escape_file_name", "unescape_file_name"]

_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.")
_EMPTY = "%empty"
_LONG = "%~"
_MAX_LENGTH = 150
"""Leaves room for prefixes and suffixes within the 255 bytes that file systems allow."""
_KEPT_OF_LONG = 100
# Names that Windows keeps for devices, whatever suffix follows.
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def escape_file_name(client_id: str) -> str:
    """Return a file name that stands for `client_id` and for no other.

    Letters and digits of ASCII and ``_ - .`` stay; every other byte of its UTF-8 becomes ``%XX``,
    and so does a dot or hyphen at the ends and the first letter of a device's name. A name that
    would be longer than 150 characters keeps its first 100 and ends in a digest of the whole.

    Example:
        >>> escape_file_name("client_1"), escape_file_name("../a/b"), escape_file_name("CON")
        ('client_1', '%2E.%2Fa%2Fb', '%43ON')
    """
    raw = client_id.encode("utf-8", "surrogatepass")
    if not raw:
        return _EMPTY
    is_device = _DEVICE.fullmatch(client_id) is not None
    escaped = "".join(
        chr(byte) if _stays(raw, index, is_device) else f"%{byte:02X}"
        for index, byte in enumerate(raw)
    )
    if len(escaped) <= _MAX_LENGTH:
        return escaped
    return f"{escaped[:_KEPT_OF_LONG]}{_LONG}{blake2b(raw, digest_size=16).hexdigest()}"


def unescape_file_name(name: str) -> str:
    """Return the client whose file name `escape_file_name` made.

    Raises:
        ValueError: the name was shortened; the client can be told only by comparing.
    """
    if name == _EMPTY:
        return ""
    if _LONG in name:
        raise ValueError(f"{name!r} stands for a name too long for a file; it cannot be restored")
    return unquote_to_bytes(name).decode("utf-8", "surrogatepass")


def _stays(raw: bytes, index: int, is_device: bool) -> bool:
    at_end = index in (0, len(raw) - 1)
    if (at_end and raw[index] in b".-") or (index == 0 and is_device):
        return False
    return raw[index] in _SAFE
