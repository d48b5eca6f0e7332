"""Taking secrets out of what is shown."""

from __future__ import annotations

import re

__all__ = ["hide_secrets"]

_PASSWORD = re.compile(r"(://[^:/@\s]*):\S*@")
_OPTION = re.compile(
    r"([?&;][^=&;\s]*(?:password|passwd|secret|token|key)[^=&;\s]*)=[^&;\s]*", re.IGNORECASE
)


def hide_secrets(text: str) -> str:
    """Replace the password of an address, and secret options after its question mark, by stars.

    Example:
        >>> hide_secrets("amqp://me:x/y@host/?auth_token=1")
        'amqp://me:***@host/?auth_token=***'
    """
    return _OPTION.sub(r"\1=***", _PASSWORD.sub(r"\1:***@", text))
